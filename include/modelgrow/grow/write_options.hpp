// SPDX-License-Identifier: MIT
// How a grown checkpoint is written.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <modelgrow/core/progress.hpp>
#include <modelgrow/detail/resumable_directory.hpp>
#include <modelgrow/grow/ranks.hpp>
#include <modelgrow/grow/state_options.hpp>

namespace modelgrow::inline v0 {

/// What to do about NaN and infinities in weights, averages and optimizer state.
enum class NonFinite { refuse, allow };

/// How a grown checkpoint is written.
struct WritePlan {
  std::uint64_t shard_bytes =
      0;  // start a new file before this many bytes; 0: one file, or shards as large as the source's
  Existing existing = Existing::refuse;
  Progress progress = {};  // may throw to stop
  NonFinite non_finite = NonFinite::refuse;
  std::optional<std::uint64_t> room = {};     // bytes that may be written; empty: what the disk has free
  Unfinished unfinished = Unfinished::go_on;  // what an earlier try has left in OUT.partial
  std::uint64_t keep_bytes = std::uint64_t{256}
                             << 20;  // a growth that is stopped or fails leaves so many for the next try
  std::uint64_t window_bytes = std::uint64_t{8} << 20;  // are made, checked and written at once; a multiple of 4096
  std::vector<std::filesystem::path> adapters = {};     // grow along, into the folder adapters/
  StateOptions state = {};                              // of the training state beside the weights
  Ranks* ranks =
      nullptr;  // all of which write the same growth together, with the same options; else this process alone
};

}  // namespace modelgrow::inline v0
