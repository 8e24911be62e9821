// SPDX-License-Identifier: MIT
// The sizes of a byte-level text encoder.
#pragma once
#include <cstdint>

namespace modelgrow::inline v0 {

/// Sizes of a ByteEncoder; without buckets it has no n-gram embeddings.
struct ByteEncoderConfig {
  std::int64_t width = 96, depth = 2, num_heads = 3, max_length = 64, ngram_buckets = 0;
  bool operator==(const ByteEncoderConfig&) const = default;

  /// The keys of config.json.
  static void describe(auto& self, auto& v) {
    v("width", self.width, "width of the states");
    v("depth", self.depth, "blocks");
    v("num_heads", self.num_heads, "heads of each attention");
    v("max_length", self.max_length, "bytes of a text at most");
    v("ngram_buckets", self.ngram_buckets, "embeddings that n-grams share; 0: none");
  }
};

}  // namespace modelgrow::inline v0
