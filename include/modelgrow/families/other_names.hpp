// SPDX-License-Identifier: MIT
// The names that the tensors of a checkpoint have in the other layout of their family: native ones, as the model's own
// repository writes them, or those of diffusers.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include <modelgrow/families/family.hpp>
#include <modelgrow/families/fit.hpp>

namespace modelgrow::inline v0 {

/// Two layouts of one family: that of its text, mostly the names of diffusers, and native names.
enum class NameLayout { own, native };

/// For each tensor of a file its name in `layout`, by the name that it has; those that the family ignores
/// keep theirs. `where` begins error messages. Throws format_error for a family that knows one layout, a file that has
/// it already, and tensors that do not fit.
inline std::map<std::string, std::string> other_names(const Family& family, const Names& file, std::string_view config,
                                                      const std::string& where, NameLayout layout) {
  const auto say = [&](const std::string& what) { throw format_error(where + ": " + what); };
  if (family.text().native.empty())
    say("family '" + family.name() + "' has names of one layout, and none to change them to");
  const Family with = family.grafted(config, where + "/config.json");
  const auto found = with.fit(file);
  if (!found.whole()) say("the tensors do not fit family '" + family.name() + "'" + detail::complaint(found));
  const bool is_native = !found.layout->rename.empty();
  if (is_native == (layout == NameLayout::native)) say("it has " + found.layout->name + " already");
  const auto other = detail::layout_of(family.text(), is_native ? detail::Renames{} : family.text().native, "");
  std::map<std::string, std::string> names;
  for (const auto& t : file) names[t.name] = t.name;
  for (const auto& f : found.found) {
    std::string to = f.tensor < other.patterns.size()  // behind them, lines of grafts
                         ? other.patterns[f.tensor]
                         : detail::with_stack_of(other, with.text(), with.text().tensors[f.tensor].pattern);
    if (const auto at = to.find("{}"); f.block >= 0 && at != to.npos) to.replace(at, 2, std::to_string(f.block));
    names[f.file->name] = std::move(to);
  }
  return names;
}

}  // namespace modelgrow::inline v0
