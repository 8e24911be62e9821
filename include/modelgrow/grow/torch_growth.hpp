// SPDX-License-Identifier: MIT
// The state of a torch optimizer through a plan: its entries by the rules of grow/optimizers/, made when they are
// written, its parameters renumbered, its groups with all their options.
#pragma once
#include <filesystem>

#include <modelgrow/checkpoint/regroup.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/output.hpp>
#include <modelgrow/grow/param_groups.hpp>
#include <modelgrow/grow/parts.hpp>

namespace modelgrow::inline v0::detail {

/// Keeps references, also to `outputs`, and stays where it is.
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
  /// As torch.save does. Throws io_error, format_error.
  void write(const std::filesystem::path& path) const;

 private:
  std::vector<GroupedParameter> dealt(const StoredOptimizer& old) const;
  void split();

  const Plan& plan_;
  TensorSet set_;
  StoredOptimizer grown_;
  ParamGroups groups_;
  std::vector<std::string> uneven_;
};

/// Proves the state that was written at `path` from its bytes, with the numbers that `groups` give to its parameters.
/// Throws check_error, format_error.
FileCheck check_torch_state(const Plan& plan, const Part& part, const std::filesystem::path& path,
                            const ParamGroups& groups);
/// The same for a state that was read from there.
FileCheck check_torch_state(const Plan& plan, const Part& part, const std::filesystem::path& path,
                            StoredOptimizer state, const ParamGroups& groups);

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/torch_growth_inl.hpp>
#endif
