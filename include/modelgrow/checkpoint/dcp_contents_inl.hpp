// SPDX-License-Identifier: MIT
// The definitions of dcp_contents.hpp.
#pragma once
#include <algorithm>
#include <map>
#include <set>

#include <modelgrow/checkpoint/dcp_contents.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/words.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Whether trainers call weights so.
inline bool names_weights(const std::string& at) {
  const auto last = at.substr(at.rfind('/') + 1);
  return last == "model" || last == "module" || last == "state_dict";
}

/// An item as it is. Keys that are numbers are places in lists.
inline DcpEntry entry_of(const DcpFolder& folder, const DcpFolder::Item& item) {
  DcpEntry entry;
  for (const auto& key : item.keys)
    entry.keys.push_back(all_digits(key) ? PickleValue(std::int64_t(std::stoll(key))) : PickleValue(key));
  if (item.is_tensor)
    entry.tensor = folder.tensor(item);
  else
    entry.value = folder.value(item);
  return entry;
}

}  // namespace detail

MODELGROW_INLINE DcpContents dcp_contents(const DcpFolder& folder, const std::string& weights) {
  const auto before_last = [](const DcpFolder::Item& item) {
    return item.keys.empty() ? std::string() : item.keys_before(item.keys.size() - 1);
  };
  std::map<std::string, std::set<std::string>> sets;
  for (const auto& item : folder.items())
    if (item.is_tensor && !item.keys.empty() && !optimizer_of(item)) sets[before_last(item)].insert(item.keys.back());
  std::vector<std::string> likely;
  std::string places;
  for (const auto& [at, names] : sets) {
    places.append(places.empty() ? "'" : ", '").append(at).append("'");
    if (weights.empty() ? sets.size() == 1 || detail::names_weights(at) : at == weights) likely.push_back(at);
  }
  if (likely.size() != 1)
    throw format_error(folder.path().string() + ": " +
                       (sets.empty()
                            ? "it holds no tensors but those of optimizers; give the folder with the weights"
                            : "it has tensors at " + places +
                                  "; say which are the weights (CheckpointOptions::state_dict, --state-dict)"));
  DcpContents found{.weights = likely[0], .optimizers = dcp_optimizers(folder)};
  const auto& names = sets.at(found.weights);
  for (const auto& [at, others] : sets)
    if (at != found.weights && std::ranges::includes(names, others)) found.averages.push_back(at);
  for (const auto& item : folder.items()) {
    const auto at = before_last(item);
    const bool grows = at == found.weights || std::ranges::find(found.averages, at) != found.averages.end();
    if (!optimizer_of(item) && !(item.is_tensor && grows)) found.others.push_back(detail::entry_of(folder, item));
  }
  return found;
}

MODELGROW_INLINE DcpLayout dcp_layout(const DcpFolder& folder, const std::string& optimizer) {
  const bool flat = std::ranges::any_of(folder.items(), [&](const DcpFolder::Item& item) {
    return optimizer_of(item) == optimizer && item.keys.back().starts_with("state.");
  });
  return flat ? DcpLayout::flattened : DcpLayout::nested;
}

}  // namespace modelgrow::inline v0
