// SPDX-License-Identifier: MIT
// The sizes of a small text encoder, and what its tokens are.
#pragma once
#include <cstdint>
#include <string>

namespace modelgrow::inline v0 {

/// Sizes of a ByteEncoder; without buckets it has no n-gram embeddings, without words its tokens are bytes.
struct ByteEncoderConfig {
  std::int64_t width = 96, depth = 2, num_heads = 3, max_length = 64, ngram_buckets = 0;
  std::string words = {};
  bool operator==(const ByteEncoderConfig&) const = default;

  /// The keys of config.json.
  static void describe(auto& self, auto& v) {
    v("width", self.width, "width of the states");
    v("depth", self.depth, "blocks");
    v("num_heads", self.num_heads, "heads of each attention");
    v("max_length", self.max_length, "tokens of a text at most");
    v("ngram_buckets", self.ngram_buckets, "embeddings that n-grams share; 0: none");
    v("words", self.words, "the words that are tokens, with spaces between; none: bytes are");
  }
};

}  // namespace modelgrow::inline v0
