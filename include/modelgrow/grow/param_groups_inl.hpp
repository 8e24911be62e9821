// SPDX-License-Identifier: MIT
// The definitions of param_groups.hpp.
#pragma once
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/grow/param_groups.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// The list of names behind a key. Throws format_error.
inline std::vector<std::string> names_behind(const json& object, std::string_view key, const std::string& where) {
  const auto* list = member(object, key);
  std::vector<std::string> names;
  if (list && list->is_array())
    for (const auto& name : *list)
      if (name.is_string()) names.push_back(name.get<std::string>());
  if (!list || !list->is_array() || names.size() != list->size())
    throw format_error(where + " has no list of names '" + std::string(key) +
                       "': the file is altered; take it away, and give the order of the parameters");
  return names;
}

inline json to_json(const ParamGroups::Split& split) {
  json factors = json::object();
  if (split.rate != 1) put(factors, {{"lr", split.rate}, {"initial_lr", split.rate}});
  if (split.epsilon != 1) put(factors, {{"eps", split.epsilon}});
  if (split.decay != 1) put(factors, {{"weight_decay", split.decay}});
  return object_of({{"group", split.group}, {"factors", std::move(factors)}, {"params", split.parameters}});
}

}  // namespace detail

MODELGROW_INLINE std::string to_json(const ParamGroupsOf& all) {
  detail::json j = detail::json::object();
  for (const auto& [file, groups] : all) {
    auto splits = detail::json::array();
    for (const auto& split : groups.splits) splits.push_back(detail::to_json(split));
    j[file] = detail::object_of({{"optimizer", groups.optimizer},
                                 {"groups", std::move(splits)},
                                 {"parameters", groups.parameters},
                                 {"before", groups.before}});
  }
  return j.dump(1) + "\n";
}

MODELGROW_INLINE ParamGroupsOf read_param_groups(const std::filesystem::path& folder) {
  const auto path = folder / ParamGroups::file;
  ParamGroupsOf all;
  if (std::error_code ignored; !std::filesystem::exists(path, ignored)) return all;
  const auto j = detail::parse_json(detail::read_file(path), path.string());
  for (const auto& [file, entry] : j.items()) {
    const std::string where = path.string() + ": '" + file + "'";
    auto& groups = all[file];
    groups.before = detail::names_behind(entry, "before", where);
    groups.parameters = detail::names_behind(entry, "parameters", where);
    if (const auto* word = detail::member(entry, "optimizer"); word && word->is_string())
      groups.optimizer = word->get<std::string>();
    const auto* splits = detail::member(entry, "groups");
    for (std::size_t i = 0; splits && splits->is_array() && i < splits->size(); ++i) {
      const auto& s = (*splits)[i];
      auto& split = groups.splits.emplace_back();
      const auto* number = detail::member(s, "group");
      if (number) split.group = std::size_t(detail::whole_number(*number).value_or(0));
      split.parameters = detail::names_behind(s, "params", where);
      if (const auto* factors = detail::member(s, "factors"))
        for (const auto& [key, at] :
             {std::pair("lr", &split.rate), std::pair("eps", &split.epsilon), std::pair("weight_decay", &split.decay)})
          if (const auto* factor = detail::member(*factors, key); factor && factor->is_number())
            *at = factor->get<double>();
    }
  }
  return all;
}

}  // namespace modelgrow::inline v0
