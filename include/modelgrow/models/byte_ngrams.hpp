// SPDX-License-Identifier: MIT
// Embeddings of the last few bytes at every byte: words are known by sight, before attention has learnt to spell them.
// N-grams share one table by hash (Pagnoni et al. 2024, Byte Latent Transformer).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/ops/add.hpp>
#include <modelgrow/ops/embedding.hpp>

namespace modelgrow::inline v0 {

/// For every position of `rows` rows of ids, the bucket of the n ids that end there (fewer at the start of a row).
inline std::vector<std::int32_t> ngram_buckets(std::span<const std::int32_t> ids, std::int64_t length, std::int64_t n,
                                               std::int64_t buckets) {
  std::vector<std::int32_t> found(ids.size());
  const Rng hash(std::uint64_t(n), hash_name("ngram"));
  for (std::int64_t i = 0; i < std::int64_t(ids.size()); ++i) {
    std::uint64_t h = 0;
    for (std::int64_t k = std::min(n, i % length + 1); k > 0; --k)
      h = h * 1099511628211ull + std::uint64_t(ids[i - k + 1]) + 1;
    found[i] = std::int32_t(hash.bits(h) % std::uint64_t(buckets));
  }
  return found;
}

/// The table; adds the embeddings of the n-grams of all lengths to a sequence.
template <class T, Device D>
struct NgramEmbedding {
  static constexpr std::int64_t shortest = 3, longest = 6;
  Parameter<T, D> weight;  // [buckets, width]

  NgramEmbedding(std::int64_t buckets, std::int64_t width)
      : weight(ParamInfo{.axes = {fixed(buckets), out(width)}, .init = Init::normal(0.5)}) {}

  static void describe(auto& self, auto& v) { v("weight", self.weight); }

  /// x + embeddings, [rows, length, width].
  Var<T, D> operator()(Tape<T, D>& tape, Var<T, D> x, std::span<const std::int32_t> ids, std::int64_t length) {
    for (std::int64_t n = shortest; n <= longest; ++n) {
      const auto buckets = ngram_buckets(ids, length, n, weight.value.dim(0));
      Tensor<std::int32_t, D> places({std::int64_t(ids.size()) / length, length});
      D::from_host(places.data(), buckets.data(), places.bytes());
      x = add(tape, x, embedding(tape, places, tape.use(weight)));
    }
    return x;
  }
};

}  // namespace modelgrow::inline v0
