// SPDX-License-Identifier: MIT
// The only macros of the GPU code: they mark functions that run on a device (or on both sides), so that g++ and nvcc
// read the same kernel bodies.
#pragma once

#if defined(__CUDACC__)
#define MODELGROW_DEVICE __device__ __forceinline__
#define MODELGROW_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define MODELGROW_DEVICE inline
#define MODELGROW_HOST_DEVICE inline
#endif
