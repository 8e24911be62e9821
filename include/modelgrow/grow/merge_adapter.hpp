// SPDX-License-Identifier: MIT
// An adapter folded into the weights that it adapts, W + scale * B A, as merge_and_unload of peft computes it: in
// double where the weights are F64 and else in float, rounded once to their type.
#pragma once
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/adapter.hpp>
#include <modelgrow/core/progress.hpp>
#include <modelgrow/detail/partial.hpp>

namespace modelgrow::inline v0 {

/// How a merged checkpoint is written.
struct MergeOptions {
  std::optional<double> alpha = {};  // of an adapter whose file says none
  std::uint64_t shard_bytes = 0;     // start a new file before this many bytes; 0: as the source
  Existing existing = Existing::refuse;
  Progress progress = {};  // may throw to stop
};

/// What was folded into one weight.
struct MergedLayer {
  std::string name;
  std::int64_t rank = 0;
  double scale = 0;   // of B A
  double change = 0;  // the largest change of an element, relative to the largest element
};

/// What a merge did.
struct MergeReport {
  AdapterForm form = AdapterForm::peft;
  AlphaPlace alpha_place = AlphaPlace::nowhere;
  std::vector<MergedLayer> layers;
  std::size_t copied = 0;  // tensors that have no adapter
  std::vector<std::string> files, notes;
};

/// Writes a checkpoint with an adapter folded in, into a fresh folder: weights and config.json, all or nothing. Throws
/// plan_error for a layer that the checkpoint does not have, has in another shape or in a type without arithmetic,
/// option_error for an alpha that is missing or said twice, check_error for values that are not finite any more,
/// io_error.
MergeReport merge_adapter(const Checkpoint& base, const Adapter& adapter, const std::filesystem::path& directory,
                          const MergeOptions& options = {});

std::ostream& operator<<(std::ostream& os, const MergeReport& r);
/// For machines.
std::string to_json(const MergeReport& r);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/merge_adapter_inl.hpp>
#endif
