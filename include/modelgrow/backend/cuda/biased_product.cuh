// SPDX-License-Identifier: MIT
// Products that add a bias before they are rounded and stored, by cuBLASLt: no pass over memory for the bias. The
// algorithm is chosen once for a shape, so a run repeats itself bit for bit on one kind of GPU and version of cuBLAS.
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

namespace modelgrow::inline v0 {
namespace kernels {

/// Scratch memory on the device.
struct Workspace {
  void* memory;
  std::size_t bytes;
};

/// The products of one context; used by one thread.
class BiasedProducts {
 public:
  BiasedProducts() { check(cublasLtCreate(&handle_), "creating a handle of cuBLASLt"); }
  ~BiasedProducts() { cublasLtDestroy(handle_); }
  BiasedProducts(const BiasedProducts&) = delete;
  BiasedProducts& operator=(const BiasedProducts&) = delete;

  /// result = first second + bias[m] in every column, all of `type`. False, and nothing done, where cuBLASLt has no
  /// algorithm for the shape. Throws device_error.
  bool run(const ColumnMajorProduct& product, cudaDataType_t type, const void* first, const void* second,
           const void* bias, void* result, Workspace workspace, cudaStream_t stream) {
    const Key key{product, type, std::min({alignment(first), alignment(second), alignment(result)})};
    auto it = plans_.find(key);
    if (it == plans_.end()) it = plans_.emplace(key, planned(key, workspace.bytes)).first;
    if (!it->second) return false;
    const Plan& plan = *it->second;
    set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    const float one = 1, zero = 0;
    check(cublasLtMatmul(handle_, plan.operation.get(), &one, first, plan.first.get(), second, plan.second.get(), &zero,
                         result, plan.result.get(), result, plan.result.get(), &plan.algorithm, workspace.memory,
                         workspace.bytes, stream),
          "multiplying matrices and adding a bias");
    return true;
  }

 private:
  struct Key {
    ColumnMajorProduct product;
    cudaDataType_t type;
    std::uint32_t alignment;  // of the least aligned operand, in bytes
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

  std::optional<Plan> planned(const Key& key, std::size_t workspace) const {
    const ColumnMajorProduct& p = key.product;
    cublasLtMatmulDesc_t made = nullptr;
    check(cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
    Plan plan{.operation = Operation(made),
              .first = layout(key.type, p.m, p.k, p.transpose_first, p.ld_first),
              .second = layout(key.type, p.k, p.n, p.transpose_second, p.ld_second),
              .result = layout(key.type, p.m, p.n, false, p.ld_result),
              .algorithm = {}};
    set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_first ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_second ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);

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
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || found == 0) return std::nullopt;
    check(status, "choosing an algorithm");
    plan.algorithm = best.algo;
    return plan;
  }

  cublasLtHandle_t handle_ = nullptr;
  std::map<Key, std::optional<Plan>> plans_;
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
