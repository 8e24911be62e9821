// SPDX-License-Identifier: MIT
// The definitions of write.hpp.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/grow/folder_growth.hpp>
#include <modelgrow/grow/write.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Replaces and adds keys of a JSON object, or entries of its lists ("input_size.0"); all others stay, in their order.
/// Throws format_error.
MODELGROW_INLINE std::string patched_config(const std::string& text, const ConfigPatch& patch,
                                            const std::string& where) {
  auto config = parse_json(text, where);
  if (!config.is_object()) throw format_error(where + ": the configuration is not a JSON object");
  bool changed = false;
  for (const auto& [key, value] : patch) {
    auto parsed = parse_json(value, "configuration key '" + key + "'");
    const auto dot = key.rfind('.');
    const std::string list = key.substr(0, dot), entry = dot == key.npos ? "" : key.substr(dot + 1);
    const bool in_list = !entry.empty() && all_digits(entry) && config.contains(list) && config[list].is_array() &&
                         std::stoull(entry) < config[list].size();
    auto& at = in_list ? config[list][std::stoull(entry)] : config[key];
    if (at == parsed) continue;
    at = std::move(parsed);
    changed = true;
  }
  return changed ? config.dump(2) + "\n" : text;
}

}  // namespace detail

MODELGROW_INLINE Report Plan::write(const Checkpoint& in, const std::filesystem::path& directory,
                                    const WritePlan& options) const {
  if (options.existing == Existing::replace) detail::check_not_inside(in.path(), directory);
  std::deque<detail::FolderGrowth> growth;
  const bool in_run = in.state_folder() != in.path();
  growth.emplace_back(*this, in, in_run ? in.path().filename() : std::filesystem::path(), options);
  return std::move(detail::write_folders(growth, directory, options)[0]);
}

MODELGROW_INLINE Report Plan::write(const Checkpoint& in, const std::filesystem::path& directory) const {
  return write(in, directory, WritePlan{});
}

}  // namespace modelgrow::inline v0
