// SPDX-License-Identifier: MIT
// Softmax attention inside sequences that lie one behind the other, without padding. Forward only.
#pragma once
#include <cmath>
#include <optional>
#include <span>

#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// How queries weigh keys. `bias` [heads, 2 * reach + 1], if defined, is added to the score of a key at distance
/// (key - query) at column distance + reach; reach is at least the longest sequence - 1.
template <Device D>
struct PackedScores {
  Sight sight = Sight::all;
  std::optional<double> scale = {};  // 1 / sqrt(head_dim)
  Tensor<float, D> bias = {};
  std::int64_t prefix = 0;  // if not 0: the length of the first sequence, which all others continue
};

/// q [n, heads, d], k and v [n, kv_heads, d] -> out [n, heads, d], where heads is a multiple of kv_heads and sequence i
/// has tokens [begins[i], begins[i + 1]). Throws shape_error.
template <HasInference D>
void packed_attention(const Tensor<float, D>& q, const Tensor<float, D>& k, const Tensor<float, D>& v,
                      std::span<const std::int64_t> begins, const PackedScores<D>& scores,
                      const Tensor<float, D>& out) {
  expect("packed_attention",
         q.shape().rank() == 3 && k.shape().rank() == 3 && k.dim(1) > 0 && q.dim(1) % k.dim(1) == 0 &&
             k.shape() == Shape{q.dim(0), k.dim(1), q.dim(2)} && v.shape() == k.shape() && out.shape() == q.shape(),
         [&] {
           return "queries are " + to_string(q.shape()) + ", keys " + to_string(k.shape()) + ", values " +
                  to_string(v.shape()) + ", the result " + to_string(out.shape()) +
                  "; expected [n, heads, d], twice [n, kv_heads, d], [n, heads, d], kv_heads a divisor of heads";
         });
  bool ascend = !begins.empty() && begins.front() == 0 && begins.back() == q.dim(0);
  std::int64_t longest = 1;
  for (std::size_t i = 1; i < begins.size(); ++i) {
    ascend = ascend && begins[i - 1] <= begins[i];
    longest = std::max(longest, begins[i] - begins[i - 1] + (i > 1 ? scores.prefix : 0));
  }
  expect("packed_attention", ascend, [&] {
    return "the sequences must follow each other from 0 to the number of tokens, " + std::to_string(q.dim(0));
  });
  expect("packed_attention", scores.prefix == 0 || (begins.size() > 1 && begins[1] == scores.prefix), [&] {
    return "the first sequence is the prefix; it should have " + std::to_string(scores.prefix) + " tokens";
  });
  const Tensor<float, D>& bias = scores.bias;
  expect("packed_attention",
         !bias.defined() || (bias.shape().rank() == 2 && bias.dim(0) == q.dim(1) && bias.dim(1) % 2 == 1 &&
                             bias.dim(1) / 2 >= longest - 1),
         [&] {
           return "the bias is " + to_string(bias.shape()) + "; expected a row for each of " +
                  std::to_string(q.dim(1)) + " heads with a value for distances up to " + std::to_string(longest - 1) +
                  " on both sides";
         });
  const PackedAttentionSize size{.sequences = std::int64_t(begins.size()) - 1,
                                 .heads = q.dim(1),
                                 .kv_heads = k.dim(1),
                                 .head_dim = q.dim(2),
                                 .reach = bias.defined() ? bias.dim(1) / 2 : 0,
                                 .prefix = scores.prefix,
                                 .scale = scores.scale.value_or(1 / std::sqrt(double(q.dim(2)))),
                                 .sight = scores.sight};
  Backend<D>::packed_attention(size, begins.data(), q.data(), k.data(), v.data(),
                               bias.defined() ? bias.data() : nullptr, out.data());
}

}  // namespace modelgrow::inline v0
