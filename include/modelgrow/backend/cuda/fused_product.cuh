// SPDX-License-Identifier: MIT
// Products that add a bias, apply GELU or its derivative, or sum a bias gradient while they run, by cuBLASLt: no passes
// over memory for these. The algorithm is chosen once for a shape, so a run repeats itself bit for bit on one kind of
// GPU and version of cuBLAS. Not yet run on hardware.
#pragma once
#include <cublasLt.h>

#include <algorithm>
#include <bit>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include <modelgrow/backend/cuda/check.cuh>
#include <modelgrow/backend/cuda/column_major.hpp>
#include <modelgrow/backend/cuda/epilogue.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Scratch memory on the device.
struct Workspace {
  void* memory;
  std::size_t bytes;
};

template <class T>
inline constexpr cudaDataType_t blas_type = std::same_as<T, float> ? CUDA_R_32F : CUDA_R_16BF;

/// The sizes and types of a product.
struct LtProduct {
  ColumnMajorProduct product;
  cudaDataType_t operands, result;
  auto operator<=>(const LtProduct&) const = default;
};
/// An epilogue of cuBLASLt: `bias` holds a bias, or receives a bias gradient, in the type of the result; `aux` holds,
/// or receives, what GELU is applied to, of the size and type of the result.
struct LtEpilogue {
  cublasLtEpilogue_t kind;
  const void *bias = nullptr, *aux = nullptr;
};
/// What epilogue.hpp says in the words of cuBLASLt, whose second operand is a.
template <class T>
LtEpilogue lt_epilogue(const WithBias<T>& e) {
  return {.kind = CUBLASLT_EPILOGUE_BIAS, .bias = e.bias};
}
template <class T>
LtEpilogue lt_epilogue(const WithBiasGelu<T>& e) {
  return {
      .kind = e.inner ? CUBLASLT_EPILOGUE_GELU_AUX_BIAS : CUBLASLT_EPILOGUE_GELU_BIAS, .bias = e.bias, .aux = e.inner};
}
template <class T>
LtEpilogue lt_epilogue(const WithGeluGradient<T>& e) {
  return {.kind = CUBLASLT_EPILOGUE_DGELU, .aux = e.inner};
}
template <class S>
LtEpilogue lt_epilogue(const WithRowSums<S>& e) {
  return {.kind = CUBLASLT_EPILOGUE_BGRADB, .bias = e.sums};
}

struct LtOperands {
  const void *first, *second;
  void* result;
};

/// The products of one context; used by one thread.
class FusedProducts {
 public:
  FusedProducts() {
    int device = 0;
    check(cudaGetDevice(&device), "asking for the current device");
    check(cudaDeviceGetAttribute(&capability_, cudaDevAttrComputeCapabilityMajor, device), "asking for its kind");
    check(cublasLtCreate(&handle_), "creating a handle of cuBLASLt");
  }
  ~FusedProducts() { cublasLtDestroy(handle_); }
  FusedProducts(const FusedProducts&) = delete;
  FusedProducts& operator=(const FusedProducts&) = delete;

  /// result = first second, or is added to, with the epilogue. False, and nothing done, where cuBLASLt has no
  /// algorithm, or none that is worth it. Throws device_error.
  bool run(const LtProduct& product, const LtEpilogue& epilogue, const LtOperands& at, Write write, Workspace workspace,
           cudaStream_t stream) {
    if (is_gelu(epilogue.kind) && !takes_gelu(product)) return false;
    const Key key{product, epilogue.kind, std::min({alignment(at.first), alignment(at.second), alignment(at.result)}),
                  alignment(epilogue.bias), alignment(epilogue.aux)};
    auto it = plans_.find(key);
    if (it == plans_.end()) it = plans_.emplace(key, planned(key, epilogue, workspace.bytes)).first;
    if (!it->second) return false;
    const Plan& plan = *it->second;
    point(plan.operation, epilogue);
    const float one = 1, beta = write == Write::add ? 1 : 0;
    check(cublasLtMatmul(handle_, plan.operation.get(), &one, at.first, plan.first.get(), at.second, plan.second.get(),
                         &beta, at.result, plan.result.get(), at.result, plan.result.get(), &plan.algorithm,
                         workspace.memory, workspace.bytes, stream),
          "multiplying matrices with an epilogue");
    return true;
  }

 private:
  struct Key {
    LtProduct product;
    cublasLtEpilogue_t epilogue;
    std::uint32_t alignment, of_bias, of_aux;  // in bytes; of the operands, that of the least aligned
    auto operator<=>(const Key&) const = default;
  };
  template <auto destroy>
  struct Destroy {
    template <class T>
    void operator()(T* p) const {
      destroy(p);
    }
  };
  using Operation = std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy<cublasLtMatmulDescDestroy>>;
  using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy<cublasLtMatrixLayoutDestroy>>;
  using Preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroy<cublasLtMatmulPreferenceDestroy>>;
  struct Plan {
    Operation operation;
    Layout first, second, result;
    cublasLtMatmulAlgo_t algorithm;
  };

  static std::uint32_t alignment(const void* p) {
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    return std::uint32_t{1} << std::min(8, std::countr_zero(address));
  }
  template <class Value>
  static void set(const Operation& operation, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    check(cublasLtMatmulDescSetAttribute(operation.get(), attribute, &value, sizeof value), "describing a product");
  }
  template <class Value>
  static void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute, const Value& value) {
    check(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
          "choosing an algorithm");
  }
  static Layout layout(cudaDataType_t type, std::int64_t rows, std::int64_t columns, bool transposed, std::int64_t ld) {
    if (transposed) std::swap(rows, columns);
    cublasLtMatrixLayout_t made = nullptr;
    check(cublasLtMatrixLayoutCreate(&made, type, std::uint64_t(rows), std::uint64_t(columns), ld),
          "describing a matrix");
    return Layout(made);
  }

  static bool is_gelu(cublasLtEpilogue_t kind) {
    return kind == CUBLASLT_EPILOGUE_GELU_BIAS || kind == CUBLASLT_EPILOGUE_GELU_AUX_BIAS ||
           kind == CUBLASLT_EPILOGUE_DGELU;
  }
  /// Whether GELU is left to cuBLASLt: in bf16, as its tanh need not be exact to float; on compute capability 9 and 10,
  /// as others are reported to run it behind the product, slower than a kernel of ours; in rows of multiples of 8
  /// values, as what is kept must have them (and where nothing is kept too, so that results are the same).
  bool takes_gelu(const LtProduct& p) const {
    return p.result == CUDA_R_16BF && (capability_ == 9 || capability_ == 10) && p.product.ld_result % 8 == 0;
  }
  static void point(const Operation& operation, const LtEpilogue& epilogue) {
    if (epilogue.bias) set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, epilogue.bias);
    if (epilogue.aux) set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, epilogue.aux);
  }

  std::optional<Plan> planned(const Key& key, const LtEpilogue& epilogue, std::size_t workspace) const {
    const auto& [p, type, result_type] = key.product;
    cublasLtMatmulDesc_t made = nullptr;
    check(cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
    Plan plan{.operation = Operation(made),
              .first = layout(type, p.m, p.k, p.transpose_first, p.ld_first),
              .second = layout(type, p.k, p.n, p.transpose_second, p.ld_second),
              .result = layout(result_type, p.m, p.n, false, p.ld_result),
              .algorithm = {}};
    set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_first ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_second ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue.kind);
    if (epilogue.aux) set(plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, p.ld_result);
    point(plan.operation, epilogue);  // the choice depends on the alignment of these

    cublasLtMatmulPreference_t wish = nullptr;
    check(cublasLtMatmulPreferenceCreate(&wish), "choosing an algorithm");
    const Preference preference(wish);
    set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t(workspace));
    // Parts of a product that is split along the inner axis add up in float, never in the type of the result.
    set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      set(preference, attribute, key.alignment);
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle_, plan.operation.get(), plan.first.get(), plan.second.get(),
                                       plan.result.get(), plan.result.get(), preference.get(), 1, &best, &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return std::nullopt;
    check(status, "choosing an algorithm");
    if (found == 0) return std::nullopt;
    plan.algorithm = best.algo;
    return plan;
  }

  cublasLtHandle_t handle_ = nullptr;
  int capability_ = 0;
  std::map<Key, std::optional<Plan>> plans_;
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
