// SPDX-License-Identifier: MIT
// Cross-attention to the tokens of two texts in one softmax, where those of the second count by a weight.
#pragma once
#include <modelgrow/ops/attention.hpp>

namespace modelgrow::inline v0 {

/// Attention of q [B, N, C] to kv [B, L, 2C] and kv_2 [B, L2, 2C] as if their tokens stood in one row -> [B, N, C].
/// weight [1] multiplies the softmax weights of the second text before they are normalised, which is an additive
/// logit bias of log(weight): 0 leaves the first text alone, bit for bit (as does what is below 0 or no number), and 1
/// treats both alike. It gets no gradient.
/// lengths and lengths_2 [B] are the numbers of valid tokens. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> joint_attention(Tape<T, D>& tape, const Var<T, D>& q, const Var<T, D>& kv, const Var<T, D>& kv_2,
                          const Tensor<T, D>& weight, std::int64_t heads, const Tensor<std::int32_t, D>& lengths = {},
                          const Tensor<std::int32_t, D>& lengths_2 = {}) {
  expect_shape("joint_attention", "q", q.shape(), {any_size, any_size, any_size}, "give [batch, tokens, channels]");
  const std::int64_t channels = q.dim(2);
  const auto expect_text = [&](std::string_view name, const Var<T, D>& text) {
    expect_shape("joint_attention", name, text.shape(), {q.dim(0), any_size, 2 * channels},
                 "it holds keys and values of the width of q " + to_string(q.shape()));
  };
  expect_text("kv", kv);
  expect_text("kv_2", kv_2);
  expect_shape("joint_attention", "weight", weight.shape(), {1}, "one weight for the tokens of the second text");
  const AttentionSize size = detail::cross_size(q, kv.dim(1), 2 * channels, heads, lengths);
  const AttentionSize size_2 = detail::cross_size(q, kv_2.dim(1), 2 * channels, heads, lengths_2);
  Tensor<T, D> out = tape.allocate(q.shape()), out_2 = tape.allocate(q.shape());
  auto lse = tape.template allocate<Stat<T>>({size.batch, size.groups, size.heads, size.queries});
  auto lse_2 = tape.template allocate<Stat<T>>(lse.shape());
  const auto attend = [&](const AttentionSize& s, const auto& valid, const Var<T, D>& text, Tensor<T, D>& y, auto& l) {
    Backend<D>::attention(s, valid.data(), q.data(), text.data(), text.data() + channels, y.data(), l.data());
  };
  attend(size, lengths, kv, out, lse);
  attend(size_2, lengths_2, kv_2, out_2, lse_2);
  Backend<D>::join_attention(size, weight.data(), out_2.data(), out.data(), lse.data(), lse_2.data());
  // With the joint output and the joint denominators each text finds its own part of the joint gradient.
  return tape.record(out, {q, kv, kv_2}, [=, &tape](Tensor<T, D> dout) {
    const auto attend_dx = [&](const AttentionSize& s, const auto& valid, const Var<T, D>& text, const auto& l) {
      Tensor<T, D> dq = tape.allocate(q.shape()), dtext = tape.allocate(text.shape());
      Backend<D>::attention_dx(s, valid.data(), q.data(), text.data(), text.data() + channels, out.data(), l.data(),
                               dout.data(), dq.data(), dtext.data(), dtext.data() + channels);
      tape.accumulate(q, std::move(dq));
      tape.accumulate(text, std::move(dtext));
    };
    attend_dx(size, lengths, kv, lse);
    attend_dx(size_2, lengths_2, kv_2, lse_2);
  });
}

}  // namespace modelgrow::inline v0
