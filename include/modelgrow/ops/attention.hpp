// SPDX-License-Identifier: MIT
// Softmax attention of video tokens to each other (along space or time) and to text.
#pragma once
#include <modelgrow/ops/along.hpp>
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// Records the attention of q to k and v, which are the parts of `source` at the given offsets.
template <class T, HasBackend D>
Var<T, D> record_attention(Tape<T, D>& tape, const AttentionSize& size, const Tensor<std::int32_t, D>& lengths,
                           const Var<T, D>& q, const Var<T, D>& source, std::int64_t k, std::int64_t v, Shape shape) {
  Tensor<T, D> out = tape.allocate(std::move(shape));
  auto lse = tape.template allocate<Stat<T>>({size.batch, size.groups, size.heads, size.queries});
  Backend<D>::attention(size, lengths.data(), q.data(), source.data() + k, source.data() + v, out.data(), lse.data());
  return tape.record(out, {q, source}, [=, &tape](Tensor<T, D> dout) {
    const bool self = q.data() == source.data();
    Tensor<T, D> dsource = tape.allocate(source.shape());
    Tensor<T, D> dq = self ? dsource : tape.allocate(q.shape());
    Backend<D>::attention_dx(size, lengths.data(), q.data(), source.data() + k, source.data() + v, out.data(),
                             lse.data(), dout.data(), dq.data(), dsource.data() + k, dsource.data() + v);
    if (!self) tape.accumulate(q, std::move(dq));
    dq = {};
    tape.accumulate(source, std::move(dsource));
  });
}

template <class T, Device D>
void expect_lengths(std::string_view op, const Tensor<T, D>& lengths, std::int64_t batch) {
  if (lengths.defined()) expect_shape(op, "the lengths", lengths.shape(), {batch}, "one number of valid keys per clip");
}
}  // namespace detail

/// Attention inside qkv [B, T, S, 3C], whose channels are [q; k; v] with each part head-major -> [B, T, S, C]. Along
/// space each frame attends to itself, along time each position; both read the memory in place. lengths [B] limits the
/// keys of each clip. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> self_attention(Tape<T, D>& tape, const Var<T, D>& qkv, std::int64_t heads, Along along,
                         const Tensor<std::int32_t, D>& lengths = {}) {
  expect_shape("self_attention", "qkv", qkv.shape(), {any_size, any_size, any_size, any_size},
               "give [batch, frames, space, 3 channels]");
  const std::int64_t batch = qkv.dim(0), frames = qkv.dim(1), space = qkv.dim(2), channels = qkv.dim(3) / 3;
  expect("self_attention", heads > 0 && qkv.dim(3) % (3 * heads) == 0, [&] {
    return "qkv is " + to_string(qkv.shape()) + "; expected a last dimension divisible by 3 * " +
           std::to_string(heads) + " heads: change the number of heads or the width";
  });
  detail::expect_lengths("self_attention", lengths, batch);
  const bool over_space = along == Along::space;
  const auto strides = [&](std::int64_t width) {
    return over_space ? AttentionSize::Strides{.batch = frames * space * width, .group = space * width, .token = width}
                      : AttentionSize::Strides{.batch = frames * space * width, .group = width, .token = space * width};
  };
  const std::int64_t tokens = over_space ? space : frames;
  const AttentionSize size{.batch = batch,
                           .groups = over_space ? frames : space,
                           .queries = tokens,
                           .keys = tokens,
                           .heads = heads,
                           .head_dim = channels / heads,
                           .q = strides(3 * channels),
                           .kv = strides(3 * channels),
                           .out = strides(channels)};
  return detail::record_attention(tape, size, lengths, qkv, qkv, channels, 2 * channels,
                                  {batch, frames, space, channels});
}

namespace detail {
/// Sizes of the attention of q [B, N, C] to keys and values whose tokens lie `token` apart; checks what all forms
/// share.
template <class T, Device D>
AttentionSize cross_size(const Var<T, D>& q, std::int64_t keys, std::int64_t token, std::int64_t heads,
                         const Tensor<std::int32_t, D>& lengths) {
  const std::int64_t batch = q.dim(0), tokens = q.dim(1), channels = q.dim(2);
  expect("cross_attention", heads > 0 && channels % heads == 0, [&] {
    return "q is " + to_string(q.shape()) + "; expected a last dimension divisible by " + std::to_string(heads) +
           " heads: change the number of heads or the width";
  });
  expect_lengths("cross_attention", lengths, batch);
  return {.batch = batch,
          .groups = 1,
          .queries = tokens,
          .keys = keys,
          .heads = heads,
          .head_dim = channels / heads,
          .q = {.batch = tokens * channels, .group = 0, .token = channels},
          .kv = {.batch = keys * token, .group = 0, .token = token},
          .out = {.batch = tokens * channels, .group = 0, .token = channels}};
}
}  // namespace detail

/// Attention of q [B, N, C] to kv [B, L, 2C], whose channels are [k; v] -> [B, N, C]. lengths [B], at least 1 each, is
/// the number of valid tokens among the L. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> cross_attention(Tape<T, D>& tape, const Var<T, D>& q, const Var<T, D>& kv, std::int64_t heads,
                          const Tensor<std::int32_t, D>& lengths = {}) {
  expect_shape("cross_attention", "q", q.shape(), {any_size, any_size, any_size}, "give [batch, tokens, channels]");
  const std::int64_t channels = q.dim(2);
  expect_shape("cross_attention", "kv", kv.shape(), {q.dim(0), any_size, 2 * channels},
               "it holds keys and values of the width of q " + to_string(q.shape()));
  const AttentionSize size = detail::cross_size(q, kv.dim(1), 2 * channels, heads, lengths);
  return detail::record_attention(tape, size, lengths, q, kv, 0, channels, q.shape());
}

/// The same with keys and values [B, L, C] from projections of their own. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> cross_attention(Tape<T, D>& tape, const Var<T, D>& q, const Var<T, D>& k, const Var<T, D>& v,
                          std::int64_t heads, const Tensor<std::int32_t, D>& lengths = {}) {
  expect_shape("cross_attention", "q", q.shape(), {any_size, any_size, any_size}, "give [batch, tokens, channels]");
  expect_shape("cross_attention", "k", k.shape(), {q.dim(0), any_size, q.dim(2)},
               "keys have the width of q " + to_string(q.shape()));
  expect("cross_attention", v.shape() == k.shape(),
         [&] { return "v is " + to_string(v.shape()) + "; expected the shape of k, " + to_string(k.shape()); });
  const AttentionSize size = detail::cross_size(q, k.dim(1), q.dim(2), heads, lengths);
  Tensor<T, D> out = tape.allocate(q.shape());
  auto lse = tape.template allocate<Stat<T>>({size.batch, size.groups, size.heads, size.queries});
  Backend<D>::attention(size, lengths.data(), q.data(), k.data(), v.data(), out.data(), lse.data());
  return tape.record(out, {q, k, v}, [=, &tape](Tensor<T, D> dout) {
    Tensor<T, D> dq = tape.allocate(q.shape()), dk = tape.allocate(k.shape()), dv = tape.allocate(v.shape());
    Backend<D>::attention_dx(size, lengths.data(), q.data(), k.data(), v.data(), out.data(), lse.data(), dout.data(),
                             dq.data(), dk.data(), dv.data());
    tape.accumulate(q, std::move(dq));
    tape.accumulate(k, std::move(dk));
    tape.accumulate(v, std::move(dv));
  });
}

}  // namespace modelgrow::inline v0
