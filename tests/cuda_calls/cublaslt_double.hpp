// SPDX-License-Identifier: MIT
// A double of cuBLASLt, and of the few functions of CUDA that are called beside it, on host memory: it does what the
// comments of cublasLt.h say, and refuses what they forbid. Included by one file.
#pragma once
#include <cublasLt.h>
#include <cuda_runtime.h>

#include <bit>
#include <cstring>
#include <vector>

#include <modelgrow/core/dtype.hpp>

#include "tests/cuda_on_host/support/product.hpp"

namespace lt_double {

struct Operation {
  cublasOperation_t transa = CUBLAS_OP_N, transb = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void *bias = nullptr, *aux = nullptr;
  std::int64_t aux_ld = 0;
};
struct Layout {
  cudaDataType_t type;
  std::uint64_t rows, columns;
  std::int64_t ld;
};
struct Preference {
  std::uint64_t workspace = 0;
  std::uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_MASK;
  std::uint32_t alignment[4] = {256, 256, 256, 256};  // of A, B, C and D
};
/// What an algorithm was chosen for.
struct Choice {
  Operation operation;
  Preference preference;
};

/// What the GPU is, what the library can, and what it was asked for.
struct State {
  int major = 9;
  bool has_algorithms = true, broken = false;
  std::vector<Choice> choices;
  int products = 0;
};
inline State& state() {
  static State state;
  return state;
}

template <class To, class From>
To* as(From* p) {
  return reinterpret_cast<To*>(p);
}
inline std::uintptr_t alignment(const void* p) { return std::uintptr_t{1} << std::countr_zero(std::uintptr_t(p)); }

inline float load(const void* p, cudaDataType_t type, std::int64_t i) {
  return type == CUDA_R_32F ? static_cast<const float*>(p)[i] : float(static_cast<const modelgrow::bf16*>(p)[i]);
}
inline void store(void* p, cudaDataType_t type, std::int64_t i, float v) {
  if (type == CUDA_R_32F)
    static_cast<float*>(p)[i] = v;
  else
    static_cast<modelgrow::bf16*>(p)[i] = modelgrow::bf16(v);
}

/// alpha op(A) op(B) + beta D with its epilogue, in float.
inline void compute(const Operation& o, float alpha, const void* a, const Layout& la, const void* b, const Layout& lb,
                    float beta, void* d, const Layout& ld) {
  const auto inner = std::int64_t(o.transa == CUBLAS_OP_T ? la.rows : la.columns);
  const auto at = [](const void* p, const Layout& l, cublasOperation_t op, std::int64_t row, std::int64_t column) {
    return load(p, l.type, op == CUBLAS_OP_T ? column + row * l.ld : row + column * l.ld);
  };
  for (std::int64_t j = 0; j < std::int64_t(ld.columns); ++j) {
    for (std::int64_t i = 0; i < std::int64_t(ld.rows); ++i) {
      float v = 0;
      for (std::int64_t k = 0; k < inner; ++k) v += at(a, la, o.transa, i, k) * at(b, lb, o.transb, k, j);
      v *= alpha;
      if (beta != 0) v += beta * load(d, ld.type, i + j * ld.ld);
      if (o.epilogue & CUBLASLT_EPILOGUE_BIAS) v += load(o.bias, ld.type, i);
      if (o.epilogue == CUBLASLT_EPILOGUE_GELU_AUX_BIAS) store(o.aux, ld.type, i + j * o.aux_ld, v);
      if (o.epilogue & CUBLASLT_EPILOGUE_GELU) v = emulator::gelu(v);
      if (o.epilogue == CUBLASLT_EPILOGUE_DGELU) v *= emulator::gelu_derivative(load(o.aux, ld.type, i + j * o.aux_ld));
      store(d, ld.type, i + j * ld.ld, v);
    }
    if (o.epilogue == CUBLASLT_EPILOGUE_BGRADB) {
      float sum = 0;
      for (std::int64_t k = 0; k < inner; ++k) sum += at(b, lb, o.transb, k, j);
      store(o.bias, ld.type, j, sum);
    }
  }
}

/// Whether the sizes fit each other, and the epilogue has what it needs.
inline bool fits(const Operation& o, const Layout& a, const Layout& b, const Layout& d) {
  const auto rows = [](const Layout& l, cublasOperation_t op) { return op == CUBLAS_OP_T ? l.columns : l.rows; };
  const auto columns = [](const Layout& l, cublasOperation_t op) { return op == CUBLAS_OP_T ? l.rows : l.columns; };
  const bool sizes = rows(a, o.transa) == d.rows && columns(b, o.transb) == d.columns &&
                     columns(a, o.transa) == rows(b, o.transb) && a.type == b.type;
  for (const Layout& l : {a, b, d})
    if (l.ld < std::int64_t(l.rows)) return false;
  const bool biased = o.epilogue & (CUBLASLT_EPILOGUE_BIAS | CUBLASLT_EPILOGUE_BGRADB);
  const bool kept = o.epilogue == CUBLASLT_EPILOGUE_GELU_AUX_BIAS || o.epilogue == CUBLASLT_EPILOGUE_DGELU;
  return sizes && biased == (o.bias != nullptr) && kept == (o.aux != nullptr) &&
         (!kept || (o.aux_ld % 8 == 0 && o.aux_ld >= std::int64_t(d.rows)));
}

}  // namespace lt_double

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = nullptr;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }
const char* cublasGetStatusName(cublasStatus_t) { return "STATUS"; }
const char* cublasGetStatusString(cublasStatus_t) { return "a status"; }
__attribute__((weak)) cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorName(cudaError_t) { return "ERROR"; }
const char* cudaGetErrorString(cudaError_t) { return "an error"; }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = lt_double::state().major;
  return attribute == cudaDevAttrComputeCapabilityMajor ? cudaSuccess : cudaErrorInvalidValue;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* made, cublasComputeType_t compute, cudaDataType_t scale) {
  if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F) return CUBLAS_STATUS_INVALID_VALUE;
  *made = lt_double::as<cublasLtMatmulDescOpaque_t>(new lt_double::Operation);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t made) {
  delete lt_double::as<lt_double::Operation>(made);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t made, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, std::size_t bytes) {
  auto& o = *lt_double::as<lt_double::Operation>(made);
  const auto take = [&](auto& field) {
    if (bytes != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return take(o.transa);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return take(o.transb);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return take(o.epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return take(o.bias);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
      return take(o.aux);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
      return take(o.aux_ld);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* made, cudaDataType_t type, std::uint64_t rows,
                                          std::uint64_t columns, std::int64_t ld) {
  *made = lt_double::as<cublasLtMatrixLayoutOpaque_t>(
      new lt_double::Layout{.type = type, .rows = rows, .columns = columns, .ld = ld});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t made) {
  delete lt_double::as<lt_double::Layout>(made);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* made) {
  *made = lt_double::as<cublasLtMatmulPreferenceOpaque_t>(new lt_double::Preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t made) {
  delete lt_double::as<lt_double::Preference>(made);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t made,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    std::size_t bytes) {
  auto& p = *lt_double::as<lt_double::Preference>(made);
  const auto take = [&](auto& field) {
    if (bytes != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return take(p.workspace);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return take(p.reduction);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      return take(p.alignment[0]);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      return take(p.alignment[1]);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      return take(p.alignment[2]);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return take(p.alignment[3]);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  using namespace lt_double;
  const auto& o = *as<Operation>(operation);
  state().choices.push_back({o, *as<Preference>(preference)});
  *found = 0;
  if (state().broken) return CUBLAS_STATUS_INTERNAL_ERROR;
  if (wanted < 1 || !fits(o, *as<Layout>(a), *as<Layout>(b), *as<Layout>(d))) return CUBLAS_STATUS_INVALID_VALUE;
  if (!state().has_algorithms) return CUBLAS_STATUS_NOT_SUPPORTED;
  results->algo.data[0] = state().choices.size();
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t operation, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t la, const void* b, cublasLtMatrixLayout_t lb, const void* beta,
                              const void* c, cublasLtMatrixLayout_t, void* d, cublasLtMatrixLayout_t ld,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, std::size_t bytes, cudaStream_t) {
  using namespace lt_double;
  const auto& o = *as<Operation>(operation);
  const Choice& choice = state().choices.at(algorithm->data[0] - 1);
  const void* const operands[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i)
    if (alignment(operands[i]) < choice.preference.alignment[i]) return CUBLAS_STATUS_INVALID_VALUE;
  for (const auto& [now, then] : {std::pair(o.bias, choice.operation.bias), std::pair(o.aux, choice.operation.aux)})
    if (now != nullptr && std::min<std::uintptr_t>(256, alignment(then)) > alignment(now))
      return CUBLAS_STATUS_INVALID_VALUE;
  if (c != d || o.epilogue != choice.operation.epilogue || choice.preference.workspace > bytes ||
      (bytes > 0 && workspace == nullptr) || !fits(o, *as<Layout>(la), *as<Layout>(lb), *as<Layout>(ld)))
    return CUBLAS_STATUS_INVALID_VALUE;
  compute(o, *static_cast<const float*>(alpha), a, *as<Layout>(la), b, *as<Layout>(lb),
          *static_cast<const float*>(beta), d, *as<Layout>(ld));
  ++state().products;
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
