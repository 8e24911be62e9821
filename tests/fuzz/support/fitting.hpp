// SPDX-License-Identifier: MIT
// Files made to fit a family text: two blocks of every stack, every required tensor in its first form.
#pragma once
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/families/fit.hpp>

namespace modelgrow::testing {

/// Throws format_error for sizes that no tensor can have; those that are not given become 2.
inline Names fitting_names(const FamilyText& text, Sizes sizes, const detail::Renames& layout = {}) {
  std::vector<NamedShape> names;
  for (const auto& t : text.tensors) {
    if (t.optional || t.forms.empty()) continue;
    Shape shape;
    if (t.forms[0].size() > Shape::max_rank) throw format_error("a tensor of too many axes");
    for (const auto& axis : t.forms[0]) {
      for (const auto& name : axis.extent.names()) sizes.try_emplace(name, 2);
      shape.push_back(axis.extent.value(sizes).value());
    }
    const bool in_blocks = detail::stack_of(text, t.pattern).has_value();
    for (std::int64_t block = 0; block < (in_blocks ? 2 : 1); ++block) {
      if (in_blocks && !detail::stands_in(t.blocks, block, 2)) continue;
      std::string name = layout(t.pattern);
      if (const auto at = name.find("{}"); in_blocks && at != name.npos) name.replace(at, 2, std::to_string(block));
      names.push_back(NamedShape{.name = std::move(name), .dtype = DType::f32, .shape = shape});
    }
  }
  return Names(std::move(names), "fuzz");
}

/// Whether a growth of nothing leaves alone what config.json states; what it leaves to the class may have to be stated.
inline bool keeps_what_is_stated(const Schema& schema, std::string_view config) {
  const auto json = detail::parse_json(config, "fuzz"), none = detail::json::object();
  const detail::ConfigKeys keys(json, none, "fuzz");
  for (const auto& [key, value] : changed_config(schema, schema))
    if (keys.stated(key)) return false;
  return true;
}

}  // namespace modelgrow::testing
