// SPDX-License-Identifier: MIT
// Calls of the backend whose kernels have barriers, at sizes at which each of these is needed.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include <modelgrow/backend/backend.hpp>

namespace modelgrow::testing {

/// Its launches: parts; their sum.
struct ColumnSumCall {
  template <class Side>
  void operator()(Side& side) const {
    auto* x = side.values(600 * 40, 1);  // three parts
    side.backend.column_sum(600, 40, x, side.statistics(40, 2));
  }
};

/// Its launches: dx and parts of the sums; their sum. Two parts, the second of them short; columns in every step of a
/// warp.
struct NormDxCall {
  template <class Side>
  void operator()(Side& side) const {
    constexpr std::int64_t rows = 70, columns = 1152;
    auto *x = side.values(rows * columns, 1), *gain = side.values(columns, 2), *dy = side.values(rows * columns, 3);
    auto *mean = side.statistics(rows, 4, 0.1), *rstd = side.statistics(rows, 5);
    auto *dgain = side.statistics(columns, 6), *dbias = side.statistics(columns, 7);
    side.backend.layer_norm_dx(rows, columns, x, gain, mean, rstd, dy, side.fresh(rows * columns), Write::overwrite,
                               dgain, dbias);
  }
};

struct SumOfSquaresCall {
  template <class Side>
  void operator()(Side& side) const {
    using T = typename Side::Element;
    const std::span<const Stat<T>> x(side.statistics(40000, 1), 40000);
    side.backend.template sum_of_squares<T>({&x, 1}, side.given(std::vector<double>{0}));
  }
};

struct MseCall {
  template <class Side>
  void operator()(Side& side) const {
    auto *prediction = side.values(40000, 1), *target = side.values(40000, 2);
    side.backend.mse(40000, prediction, target, side.fresh(1));
  }
};

struct EmbeddingDxCall {
  template <class Side>
  void operator()(Side& side) const {
    const std::vector<std::int32_t> ids{0, 1, 0, 2, 1, 1, 3};
    const auto n = std::int64_t(ids.size());
    auto* dy = side.values(n * 3, 1);
    side.backend.embedding_dx(n, 3, side.given(ids), dy, side.statistics(4 * 3, 2));
  }
};

template <std::int64_t queries, std::int64_t keys, std::int64_t d>
struct AttentionCallOf {
  static AttentionSize size() {
    const AttentionSize::Strides strides{0, 0, d};
    return {1, 1, queries, keys, 1, d, strides, strides, strides};
  }
  template <class Side>
  void operator()(Side& side) const {
    auto *q = side.values(queries * d, 1), *k = side.values(keys * d, 2), *v = side.values(keys * d, 3);
    side.backend.attention(size(), nullptr, q, k, v, side.fresh(queries * d), side.fresh_statistics(queries));
  }
};

/// Its launches: delta, without barriers (on matrix units dq finds it); dq; dk and dv.
template <std::int64_t queries, std::int64_t keys, std::int64_t d>
struct AttentionDxCallOf {
  template <class Side>
  void operator()(Side& side) const {
    auto *q = side.values(queries * d, 1), *k = side.values(keys * d, 2), *v = side.values(keys * d, 3);
    auto *out = side.values(queries * d, 4), *dout = side.values(queries * d, 5);
    auto* lse = side.statistics(queries, 6);
    side.backend.attention_dx(AttentionCallOf<queries, keys, d>::size(), nullptr, q, k, v, out, lse, dout,
                              side.fresh(queries * d), side.fresh(keys * d), side.fresh(keys * d));
  }
};

using AttentionCall = AttentionCallOf<35, 37, 5>;
using AttentionDxCall = AttentionDxCallOf<35, 37, 5>;
/// In bf16 on matrix units: two tiles of queries, three of keys.
using MatrixAttentionCall = AttentionCallOf<100, 150, 72>;
using MatrixAttentionDxCall = AttentionDxCallOf<100, 150, 72>;

/// Its launches: all gradients; the sum of their parts, without barriers. Several tiles of channels.
struct DepthwiseConvDxCall {
  template <class Side>
  void operator()(Side& side) const {
    constexpr TemporalConvSize size{1, 3, 20, 72, 72, 3, -1, TemporalConvSize::Kind::depthwise};
    constexpr std::int64_t values = 3 * 20 * 72;
    auto *dy = side.values(values, 1), *x = side.values(values, 2), *w = side.values(72 * 3, 3);
    auto *dw = side.statistics(72 * 3, 4), *db = side.statistics(72, 5);
    side.backend.temporal_conv_dx(size, dy, x, w, side.fresh(values), dw, db);
  }
};

/// In bf16 on matrix units: four tiles of three steps each. Its launches: the weights tap by tap, without barriers; y.
struct DenseConvCall {
  static constexpr std::int64_t steps = 3;
  template <class Side>
  void operator()(Side& side) const {
    constexpr TemporalConvSize size{1, 2, 70, 16, 136, steps, -1, TemporalConvSize::Kind::dense};
    auto *x = side.values(140 * 16, 1), *w = side.values(16 * 136 * steps, 2), *b = side.values(136, 3);
    side.backend.temporal_conv(size, x, w, b, side.fresh(140 * 136));
  }
};

struct JoinAttentionCall {
  template <class Side>
  void operator()(Side& side) const {
    using T = typename Side::Element;
    constexpr std::int64_t queries = 35, values = queries * 5;
    auto *weight = side.given(std::vector<T>{T(0.25f)}), *other = side.values(values, 2),
         *joint = side.values(values, 3);
    side.backend.join_attention(AttentionCall::size(), weight, other, joint, side.statistics(queries, 4),
                                side.statistics(queries, 5));
  }
};

}  // namespace modelgrow::testing
