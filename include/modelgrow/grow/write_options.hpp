// SPDX-License-Identifier: MIT
// How a grown checkpoint is written.
#pragma once
#include <cstdint>
#include <optional>

#include <modelgrow/core/progress.hpp>
#include <modelgrow/detail/partial.hpp>

namespace modelgrow::inline v0 {

/// What to do about NaN and infinities in weights, averages and optimizer state.
enum class NonFinite { refuse, allow };

/// How a grown checkpoint is written.
struct WritePlan {
  std::uint64_t shard_bytes =
      0;  // start a new file before this many bytes; 0: one file, or shards as large as the source's
  Existing existing = Existing::refuse;
  Progress progress = {};  // may throw to stop: nothing stays behind
  NonFinite non_finite = NonFinite::refuse;
  std::optional<std::uint64_t> room = {};  // bytes that may be written; empty: what the disk has free
};

}  // namespace modelgrow::inline v0
