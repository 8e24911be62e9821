// SPDX-License-Identifier: MIT
// Status codes of CUDA and cuBLAS as exceptions that say which call of which file failed.
#pragma once
#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <source_location>
#include <string>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

inline std::string place(const std::source_location& at) {
  return std::string(" at ") + at.file_name() + ":" + std::to_string(at.line()) + " (" + at.function_name() + ")";
}

/// Throws device_error with the text of the status, `what` was being done, and where, unless the status is success.
inline void check(cudaError_t status, const char* what, std::source_location at = std::source_location::current()) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // forget errors that are not sticky: the caller knows now
  throw device_error(std::string("[cuda] ") + what + ": " + cudaGetErrorString(status) + " (" +
                     cudaGetErrorName(status) + ")" + place(at));
}
inline void check(cublasStatus_t status, const char* what, std::source_location at = std::source_location::current()) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw device_error(std::string("[cublas] ") + what + ": " + cublasGetStatusString(status) + " (" +
                     cublasGetStatusName(status) + ")" + place(at));
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
