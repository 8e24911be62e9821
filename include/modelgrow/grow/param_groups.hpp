// SPDX-License-Identifier: MIT
// param_groups.json, beside grown state of torch: which parameter has which number, and which ones need rates of their
// own. torch loads no state with another number of groups, so that these are made after loading.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

/// Of one file of state.
struct ParamGroups {
  static constexpr std::string_view file = "param_groups.json";
  /// Parameters that leave a group, and the factors on its settings that they take.
  struct Split {
    std::size_t group = 0;
    double rate = 1, epsilon = 1, decay = 1;
    std::vector<std::string> parameters = {};
    bool operator==(const Split&) const = default;
  };
  std::string optimizer;                             // its word
  std::vector<std::string> before, parameters = {};  // in the order of their numbers; before: in the source
  std::vector<Split> splits = {};
  bool operator==(const ParamGroups&) const = default;
};

/// By the name of the file of state.
using ParamGroupsOf = std::map<std::string, ParamGroups>;

/// The groups that stand in a folder; none where there is no such file. Throws io_error, format_error.
ParamGroupsOf read_param_groups(const std::filesystem::path& folder);
std::string to_json(const ParamGroupsOf& all);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/param_groups_inl.hpp>
#endif
