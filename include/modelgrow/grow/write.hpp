// SPDX-License-Identifier: MIT
// Growth on disk: weights, optimizer state, averages and config.json stream into a fresh directory, are read back and
// checked, and only then get their name. Whatever goes wrong before leaves nothing behind.
#pragma once
#include <optional>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/core/progress.hpp>
#include <modelgrow/detail/partial.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/grow/report.hpp>

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

namespace detail {
/// Replaces and adds keys of a JSON object; all others stay, in their order. Throws format_error.
std::string patched_config(const std::string& text, const ConfigPatch& patch, const std::string& where);
}  // namespace detail

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/write_inl.hpp>
#endif
