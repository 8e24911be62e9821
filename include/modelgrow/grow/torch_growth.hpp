// SPDX-License-Identifier: MIT
// The state of a torch optimizer through a plan: its entries by the rules of grow/optimizers/, made when they are
// written, its parameters renumbered, its groups with all their options.
#pragma once
#include <filesystem>

#include <modelgrow/checkpoint/regroup.hpp>
#include <modelgrow/checkpoint/segmented_file.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/output.hpp>
#include <modelgrow/grow/param_groups.hpp>
#include <modelgrow/grow/parts.hpp>
#include <modelgrow/grow/proven_tensors.hpp>

namespace modelgrow::inline v0::detail {

/// Keeps references, also to `outputs`, and stays where it is. Its tensors are proven when they are read, once; those
/// of ZeRO and of few bits from what was written.
class TorchGrowth {
 public:
  /// `outputs` are what optimizer_outputs() makes of the part. Throws format_error where new parameters have no place
  /// in the order of the old ones.
  TorchGrowth(const Plan& plan, const Part& part, const std::vector<Output>& outputs);

  TorchGrowth(TorchGrowth&&) = delete;

  /// What stands in param_groups.json.
  const ParamGroups& groups() const { return groups_; }
  /// Parameters whose factors differ within, so that a group has only their means.
  const std::vector<std::string>& uneven() const { return uneven_; }

  const StoredOptimizer& state() const { return grown_; }
  /// Ends the proof of the state, which was written at `path`, its tensors at these places in the order of parameters
  /// and entries, and read from there again. Throws check_error.
  FileCheck check(const std::filesystem::path& path, StoredOptimizer written, std::span<const std::uint64_t> places);

 private:
  bool proven_later() const { return part_.torch->joined || part_.torch->has_packed(); }
  std::vector<GroupedParameter> dealt(const StoredOptimizer& old) const;
  void split();

  const Plan& plan_;
  const Part& part_;
  ProvenTensors tensors_;
  StoredOptimizer grown_;
  ParamGroups groups_;
  std::vector<std::string> uneven_;
};

/// Throws format_error for an optimizer that looks at whole tensors, which it has not where groups are joined.
void check_elementwise(const StoredOptimizer& state);

/// Proves the state at `path` from its bytes, with the numbers that `groups` give to its parameters. Throws
/// check_error, format_error.
FileCheck check_torch_state(const Plan& plan, const Part& part, const std::filesystem::path& path,
                            const ParamGroups& groups);
/// The same for a state that was read from there.
FileCheck check_torch_state(const Plan& plan, const Part& part, const std::filesystem::path& path,
                            StoredOptimizer state, const ParamGroups& groups);

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/torch_growth_inl.hpp>
#endif
