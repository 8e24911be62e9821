// SPDX-License-Identifier: MIT
// Everything that needs nvcc: the device Cuda and its backend.
#pragma once
#include <modelgrow/backend/cuda.cuh>
