// SPDX-License-Identifier: MIT
// Grafts in config.json: {"_modelgrow": {"grafts": [{"graft": "TemporalConv", "options": {..}, "tensors": {..}}]}}. No
// family knows the key; diffusers keeps it over load and save, and says nothing about keys that begin with '_'.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include <modelgrow/core/graft.hpp>
#include <modelgrow/detail/json_members.hpp>

namespace modelgrow::inline v0::detail {

inline constexpr const char* grafts_key = "_modelgrow";

/// One record.
inline json graft_to_json(const GraftRecord& g) {
  json tensors = json::object();
  for (const auto& [pattern, line] : g.tensors) tensors[pattern] = line;
  json j = object_of({{"graft", g.name}, {"options", parse_json(g.options, g.name)}, {"tensors", std::move(tensors)}});
  if (!g.replaces.empty()) put(j, {{"replaces", g.replaces}});
  return j;
}

/// The value of the key.
inline json grafts_to_json(const std::vector<GraftRecord>& grafts) {
  json list = json::array();
  for (const auto& g : grafts) list.push_back(graft_to_json(g));
  return object_of({{"grafts", std::move(list)}});
}

/// The same with the members of every object in the order of their keys, as programs that save a configuration leave
/// it.
inline json in_order_of_keys(const json& j) {
  if (!j.is_structured()) return j;
  json sorted = j.is_object() ? json::object() : json::array();
  if (j.is_array()) {
    for (const auto& x : j) sorted.push_back(in_order_of_keys(x));
    return sorted;
  }
  std::vector<std::string> keys;
  for (const auto& [key, value] : j.items()) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  for (const auto& key : keys) sorted[key] = in_order_of_keys(*member(j, key));
  return sorted;
}
/// Whether two lists record the same grafts.
inline bool same_grafts(const std::vector<GraftRecord>& a, const std::vector<GraftRecord>& b) {
  return in_order_of_keys(grafts_to_json(a)) == in_order_of_keys(grafts_to_json(b));
}

/// Reads one record. Throws format_error that names what is missing.
inline GraftRecord graft_from_json(const json& j, const std::string& where) {
  const json *name = member(j, "graft"), *options = member(j, "options"), *tensors = member(j, "tensors");
  if (!name || !name->is_string() || !tensors || !tensors->is_object())
    throw format_error(where + " is " + j.dump().substr(0, 80) +
                       "; expected an object with 'graft', 'options', 'tensors'");
  GraftRecord g{.name = name->get<std::string>(), .options = "{}", .tensors = {}};
  if (options) {
    if (!options->is_object()) throw format_error(where + ": 'options' is " + options->dump() + "; expected an object");
    g.options = options->dump();
  }
  for (const auto& [pattern, line] : tensors->items()) {
    if (!line.is_string())
      throw format_error(where + ": tensor '" + pattern + "' is " + line.dump() + "; expected its axes as text");
    g.tensors.emplace_back(pattern, line.get<std::string>());
  }
  if (const json* gone = member(j, "replaces")) {
    if (!gone->is_array() || !std::all_of(gone->begin(), gone->end(), [](const json& x) { return x.is_string(); }))
      throw format_error(where + ": 'replaces' is " + gone->dump().substr(0, 80) + "; expected a list of names");
    g.replaces = gone->get<std::vector<std::string>>();
  }
  return g;
}

/// The grafts that a configuration records. Throws format_error.
inline std::vector<GraftRecord> grafts_in(const json& config, const std::string& where) {
  std::vector<GraftRecord> grafts;
  const json* own = member(config, grafts_key);
  if (!own || own->is_null()) return grafts;
  const json* list = member(*own, "grafts");
  if (!own->is_object() || (list && !list->is_array()))
    throw format_error(where + ": '" + grafts_key + "' is " + own->dump().substr(0, 80) +
                       "; expected {\"grafts\": [..]}");
  if (list)
    for (const auto& g : *list)
      grafts.push_back(
          graft_from_json(g, where + ": '" + grafts_key + "', graft " + std::to_string(grafts.size() + 1)));
  for (std::size_t i = 0; i < grafts.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (grafts[i].name == grafts[k].name)
        throw format_error(where + ": '" + grafts_key + "' records '" + grafts[i].name + "' twice; remove one");
  return grafts;
}

}  // namespace modelgrow::inline v0::detail
