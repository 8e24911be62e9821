// SPDX-License-Identifier: MIT
// The sizes of a byte-level text encoder.
#pragma once
#include <cstdint>

namespace modelgrow::inline v0 {

/// Sizes of a ByteEncoder; without buckets it has no n-gram embeddings.
struct ByteEncoderConfig {
  std::int64_t width = 96, depth = 2, num_heads = 3, max_length = 64, ngram_buckets = 0;
  bool operator==(const ByteEncoderConfig&) const = default;
};

}  // namespace modelgrow::inline v0
