// SPDX-License-Identifier: MIT
// Attention at the edges of the tiles of the kernels on matrix units.
#pragma once
#include "tests/support/backend_parity.hpp"

namespace modelgrow::testing {

/// Numbers of queries and keys around one and two tiles, each with each, heads of every size that there is, and
/// captions of every kind of length. Of the 64 cases those whose numbers are `first` and every `step` from there.
template <class D>
void check_attention_on_matrix_units(int first, int step) {
  constexpr std::int64_t tokens[] = {1, 15, 16, 17, 63, 64, 65, 130};
  constexpr std::int64_t head_dims[] = {64, 72, 96, 128};
  for (int number = first; number < 64; number += step) {
    const int i = number % 8, j = (number / 8 + i) % 8;
    const std::int64_t queries = tokens[i], keys = tokens[j], d = head_dims[(i + j) % 4], heads = 1 + number % 2;
    const auto strides = [&](std::int64_t count, std::int64_t parts) {
      return AttentionSize::Strides{count * parts * heads * d, 0, parts * heads * d};
    };
    const auto some = std::int32_t((2 * keys + 1) / 3), all = std::int32_t(keys);
    const std::vector<std::int32_t> lengths[] = {{}, {0, some}, {1, all}, {some, all + 1}};
    const AttentionSize s{2, 1, queries, keys, heads, d, strides(queries, 1), strides(keys, 2), strides(queries, 1)};
    check_attention_passes<D, bf16>(
        s, lengths[number / 4 % 4],
        std::to_string(queries) + " queries, " + std::to_string(keys) + " keys, " + std::to_string(d) + " channels",
        rounded_factor);
  }
}

/// So many queries for so few keys that blocks share them: 3 parts, of which the last is ragged.
template <class D>
void check_attention_with_parts_of_queries() {
  constexpr std::int64_t queries = 771, keys = 70, d = 64;
  constexpr AttentionSize::Strides strides{0, 0, d};
  check_attention_passes<D, bf16>({1, 1, queries, keys, 1, d, strides, strides, strides}, {65},
                                  "of many queries to few keys", rounded_factor);
}

/// Heads of frames that lie interleaved with their keys and values.
template <class D>
void check_interleaved_attention_on_matrix_units() {
  constexpr std::int64_t frames = 2, tokens = 40, heads = 2, d = 72, width = heads * d;
  constexpr AttentionSize::Strides qkv{frames * tokens * 3 * width, tokens * 3 * width, 3 * width},
      out{frames * tokens * width, tokens * width, width};
  check_attention_passes<D, bf16>({2, frames, tokens, tokens, heads, d, qkv, qkv, out}, {},
                                  "along space of 72 channels", rounded_factor);
}

/// Tokens that begin at multiples of 16 bytes from an address that is none: kernels that need such addresses leave it
/// to those that round no factors.
template <class D>
void check_attention_at_odd_addresses() {
  constexpr std::int64_t tokens = 40, d = 64, n = tokens * d;
  constexpr AttentionSize::Strides strides{0, 0, d};
  const AttentionSize size{1, 1, tokens, tokens, 1, d, strides, strides, strides};
  check_parity<D, bf16>("attention at odd addresses", [&](auto& side) {
    auto *q = side.values(n + 1, 1), *k = side.values(n + 1, 2), *v = side.values(n + 1, 3);
    side.backend.attention(size, nullptr, q + 1, k + 1, v + 1, side.fresh(n + 1) + 1, side.fresh_statistics(tokens));
  });
}

/// Scores so low that a row of zeros past the last key, or past those that count, would weigh more than a float holds.
template <class D>
void check_attention_with_low_scores() {
  constexpr std::int64_t queries = 70, keys = 133, valid = 129, d = 72, nq = queries * d, nk = keys * d;
  constexpr AttentionSize::Strides strides{0, 0, d};
  const AttentionSize size{1, 1, queries, keys, 1, d, strides, strides, strides};
  const auto filled = [](std::int64_t n, float value) {
    return to_device<D>(Tensor<bf16, Cpu>::from({n}, std::vector<bf16>(std::size_t(n), bf16(value))));
  };
  const auto q = filled(nq, 8), k = filled(nk, -8), v = filled(nk, 0.5), dout = filled(nq, 0.25), out = filled(nq, 0);
  const auto dq = filled(nq, 7), dk = filled(nk, 7), dv = filled(nk, 7);
  const auto lengths = to_device<D>(Tensor<std::int32_t, Cpu>::from({1}, std::vector<std::int32_t>{valid}));
  const Tensor<float, D> lse({queries});
  Backend<D>::attention(size, lengths.data(), q.data(), k.data(), v.data(), out.data(), lse.data());
  Backend<D>::attention_dx(size, lengths.data(), q.data(), k.data(), v.data(), out.data(), lse.data(), dout.data(),
                           dq.data(), dk.data(), dv.data());
  const auto are = [](const Tensor<bf16, D>& tensor, std::int64_t first, std::int64_t end, float value, float error) {
    const auto there = to_cpu(tensor);
    for (std::int64_t i = first; i < end; ++i)
      if (!(std::abs(float(there.data()[i]) - value) <= error)) return false;
    return true;
  };
  CHECK(are(out, 0, nq, 0.5f, 0));
  CHECK(are(dq, 0, nq, 0, 0.01f));
  CHECK(are(dk, 0, valid * d, 0, 0.01f));
  CHECK(are(dv, 0, valid * d, 0.25f * queries / valid, 0.001f));
  CHECK(are(dk, valid * d, nk, 0, 0));
  CHECK(are(dv, valid * d, nk, 0, 0));
}

/// Many steps of keys whose scores are all the same: what was summed before must keep its weight at every one of them.
template <class D>
void check_attention_with_equal_scores() {
  constexpr std::int64_t queries = 64, keys = 16384, d = 64;
  constexpr float one_channel = 33;
  constexpr AttentionSize::Strides strides{0, 0, d};
  const AttentionSize size{1, 1, queries, keys, 1, d, strides, strides, strides};
  const auto rows = [](std::int64_t n, auto value) {
    std::vector<bf16> all(std::size_t(n * d), bf16(0.0f));
    for (std::int64_t i = 0; i < n; ++i) all[std::size_t(i * d)] = bf16(value(i));
    return to_device<D>(Tensor<bf16, Cpu>::from({n * d}, all));
  };
  const auto same = [](std::int64_t) { return one_channel; };
  const auto q = rows(queries, same), k = rows(keys, same);
  const auto v = rows(keys, [](std::int64_t i) { return i < keys / 2 ? 1.0f : -1.0f; });
  const Tensor<bf16, D> out({queries * d});
  const Tensor<float, D> lse({queries});
  Backend<D>::attention(size, nullptr, q.data(), k.data(), v.data(), out.data(), lse.data());
  const double expected = double(one_channel) * double(one_channel) / 8 + std::log(double(keys));
  const auto sums = to_cpu(out);
  const auto found = to_cpu(lse);
  for (std::int64_t i = 0; i < queries; ++i) {
    CHECK(std::abs(float(sums.data()[i * d])) < 1e-5);
    CHECK(std::abs(double(found.data()[i]) - expected) < 4e-5);
  }
}

/// Forward and backward of one head, with the same bits in every mode.
template <class D>
void check_bits_of_attention(std::int64_t queries, std::int64_t keys, std::int64_t d) {
  const std::int64_t nq = queries * d, nk = keys * d;
  const AttentionSize::Strides strides{0, 0, d};
  const AttentionSize size{1, 1, queries, keys, 1, d, strides, strides, strides};
  check_same_bits<D, bf16>([&](auto& side) {
    auto *q = side.values(nq, 1), *k = side.values(nk, 2), *v = side.values(nk, 3);
    side.backend.attention(size, nullptr, q, k, v, side.fresh(nq), side.fresh_statistics(queries));
  });
  check_same_bits<D, bf16>([&](auto& side) {
    auto *q = side.values(nq, 1), *k = side.values(nk, 2), *v = side.values(nk, 3), *out = side.values(nq, 4);
    auto* lse = side.positive_statistics(queries, 6);
    side.backend.attention_dx(size, nullptr, q, k, v, out, lse, side.values(nq, 5), side.fresh(nq), side.fresh(nk),
                              side.fresh(nk));
  });
}
template <class D>
void check_bits_of_attention_on_matrix_units() {
  check_bits_of_attention<D>(771, 70, 64);  // blocks share the queries
}

/// Without queries nothing is asked of the keys: their gradients are zero.
template <class D>
void check_attention_dx_without_queries() {
  constexpr std::int64_t keys = 70, d = 64;
  constexpr AttentionSize::Strides strides{0, 0, d};
  const AttentionSize size{1, 1, 0, keys, 1, d, strides, strides, strides};
  const auto sevens = [] {
    return to_device<D>(Tensor<bf16, Cpu>::from({keys * d}, std::vector<bf16>(std::size_t(keys * d), bf16(7.0f))));
  };
  const auto k = sevens(), v = sevens(), dk = sevens(), dv = sevens();
  const Tensor<bf16, D> none({0});
  const Tensor<float, D> lse({0});
  Backend<D>::attention_dx(size, nullptr, none.data(), k.data(), v.data(), none.data(), lse.data(), none.data(),
                           none.data(), dk.data(), dv.data());
  for (const auto& gradient : {to_cpu(dk), to_cpu(dv)})
    CHECK(std::ranges::all_of(gradient.span(), [](bf16 x) { return float(x) == 0; }));
}

}  // namespace modelgrow::testing
