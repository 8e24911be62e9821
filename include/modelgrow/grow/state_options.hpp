// SPDX-License-Identifier: MIT
// What a growth is told about the training state beside the weights, where files do not tell it themselves.
#pragma once
#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace modelgrow::inline v0 {

/// How state of other trainers is read, and which files beside the weights do not grow along.
struct StateOptions {
  /// Patterns of file names ("optimizer*.bin", "ema*"): what they fit is named in the report and left behind.
  std::vector<std::string> leave_behind = {};
  /// All parameters in the order of torch's named_parameters(), which states without names follow.
  std::vector<std::string> order = {};
  /// Patterns of names in that order that were not trained ("text_embedder.*").
  std::vector<std::string> frozen = {};
  /// "adamw", "adam", ..: of a state that does not tell its optimizer.
  std::string optimizer = {};
  /// By the name of a file: names of its parameters, in the order of its numbers.
  std::map<std::string, std::vector<std::string>> names = {};
};

/// Whether a name fits one of some patterns of the shell.
inline bool fits_any(const std::string& name, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const auto& p) { return ::fnmatch(p.c_str(), name.c_str(), 0) == 0; });
}

}  // namespace modelgrow::inline v0
