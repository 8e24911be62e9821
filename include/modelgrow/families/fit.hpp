// SPDX-License-Identifier: MIT
// Which tensor of a file is which line of a family text, in which layout of names, what is missing and what is left
// over.
#pragma once
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/names.hpp>
#include <modelgrow/families/family_text.hpp>

namespace modelgrow::inline v0::detail {

/// The names of a family in one layout: its own, or native ones.
struct Layout {
  std::string name;                                        // "diffusers names", for people
  std::map<std::string, std::size_t, std::less<>> tensor;  // pattern -> index in the text
  std::vector<std::string> stacks;                         // in the order of the text
  Renames rename;                                          // from the text's names; empty for its own
  std::vector<std::string> patterns;                       // of each line of the text, in this layout

  /// "blocks.7.attn.weight" -> "blocks.{}.attn.weight" and block 7; -1 outside of blocks.
  std::pair<std::string, std::int64_t> pattern_of(std::string_view tensor_name) const {
    std::string pattern;
    std::int64_t block = -1;
    for (const auto& part : split_at(tensor_name, '.')) {
      const bool number = block < 0 && all_digits(part) &&
                          std::any_of(stacks.begin(), stacks.end(), [&](const auto& s) { return s + "." == pattern; });
      if (number) block = std::stoll(part);
      pattern += number ? "{}." : part + ".";
    }
    pattern.pop_back();
    return {std::move(pattern), block};
  }
};

inline Layout layout_of(const FamilyText& text, const Renames& rename, std::string name) {
  Layout layout{.name = std::move(name), .tensor = {}, .stacks = {}, .rename = rename, .patterns = {}};
  for (const auto& s : text.stacks) {
    std::string stack = rename(s.name + ".{}");
    layout.stacks.push_back(stack.ends_with(".{}") ? stack.substr(0, stack.size() - 3) : s.name);
  }
  for (std::size_t i = 0; i < text.tensors.size(); ++i) {
    layout.patterns.push_back(rename(text.tensors[i].pattern));
    layout.tensor.emplace(layout.patterns.back(), i);
  }
  return layout;
}

/// A pattern whose stack has the name of the text, with that of the layout; its own names stay.
inline std::string with_stack_of(const Layout& layout, const FamilyText& text, std::string pattern) {
  for (std::size_t s = 0; s < text.stacks.size(); ++s)
    if (pattern.starts_with(text.stacks[s].name + ".{}."))
      return pattern.replace(0, text.stacks[s].name.size(), layout.stacks[s]);
  return pattern;
}

/// A line that was added behind the others: its own names are the same in each layout.
inline void add_line(Layout& layout, const FamilyText& text) {
  std::string pattern = with_stack_of(layout, text, text.tensors.back().pattern);
  layout.tensor.emplace(pattern, layout.patterns.size());
  layout.patterns.push_back(std::move(pattern));
}

/// A tensor of the file and its line.
struct Fitted {
  const NamedShape* file = nullptr;
  std::size_t tensor = 0;   // in the text
  std::int64_t block = -1;  // -1: outside of blocks
};

/// How a file fits a family in one layout.
struct Fit {
  const Layout* layout = nullptr;
  std::vector<Fitted> found;                   // in file order
  std::map<std::string, std::int64_t> blocks;  // stack (as the text names it) -> number
  std::vector<std::string> missing, unexplained;
  bool whole() const { return missing.empty() && unexplained.empty() && !found.empty(); }
};

/// Blocks in which a line of the text stands.
inline bool stands_in(FamilyText::Blocks where, std::int64_t block, std::int64_t count) {
  switch (where) {
    case FamilyText::Blocks::every:
      return true;
    case FamilyText::Blocks::not_last:
      return block + 1 < count;
    case FamilyText::Blocks::only_last:
      return block + 1 == count;
    case FamilyText::Blocks::only_first:
      return block == 0;
    case FamilyText::Blocks::none:
      return false;
  }
  return false;
}

/// Index of the stack that a pattern of the text lies in; nothing outside of blocks.
inline std::optional<std::size_t> stack_of(const FamilyText& text, const std::string& pattern) {
  for (std::size_t s = 0; s < text.stacks.size(); ++s)
    if (pattern.starts_with(text.stacks[s].name + ".{}.")) return s;
  return std::nullopt;
}

/// Fits the names; throws format_error when the numbers of blocks have a gap.
inline Fit fit(const FamilyText& text, const Layout& layout, const Names& names) {
  Fit result{.layout = &layout, .found = {}, .blocks = {}, .missing = {}, .unexplained = {}};
  std::vector<std::set<std::int64_t>> seen(text.tensors.size());
  for (const auto& n : names) {
    const auto [pattern, block] = layout.pattern_of(n.name);
    if (const auto it = layout.tensor.find(pattern); it != layout.tensor.end()) {
      result.found.push_back({.file = &n, .tensor = it->second, .block = block});
      seen[it->second].insert(block);
    } else if (n.known && numel(n.shape) == 0) {
      continue;  // a mark of whoever saved the file, such as 'scaled_fp8': nothing to grow, and no model reads it
    } else if (std::find(text.ignore.begin(), text.ignore.end(), pattern) == text.ignore.end()) {
      result.unexplained.push_back(n.name);
    }
  }
  if (result.found.empty()) return result;
  for (std::size_t s = 0; s < text.stacks.size(); ++s)
    result.blocks[text.stacks[s].name] = names.blocks(layout.stacks[s]);
  const auto spelled = [&](std::size_t tensor, std::int64_t block) {
    std::string name = layout.patterns[tensor];
    if (const auto at = name.find("{}"); block >= 0 && at != name.npos) name.replace(at, 2, std::to_string(block));
    return name;
  };
  std::map<std::pair<std::string, std::int64_t>, std::vector<std::size_t>> groups;  // group, block -> its lines
  for (std::size_t t = 0; t < text.tensors.size(); ++t) {
    const auto& line = text.tensors[t];
    const auto stack = stack_of(text, line.pattern);
    const std::int64_t count = stack ? result.blocks[text.stacks[*stack].name] : 1;
    for (std::int64_t b = 0; b < count; ++b) {
      const std::int64_t block = stack ? b : -1;
      if (stack && !stands_in(line.blocks, b, count)) {
        if (seen[t].contains(b)) result.unexplained.push_back(spelled(t, b));
        continue;
      }
      if (!line.group.empty())
        groups[{(stack ? text.stacks[*stack].name : std::string()) + ' ' + line.group, block}].push_back(t);
      if (!line.optional && !seen[t].contains(block)) result.missing.push_back(spelled(t, block));
    }
  }
  for (std::size_t t = 0; t < text.tensors.size(); ++t)  // a stack of which a line is required has a block
    if (const auto stack = stack_of(text, text.tensors[t].pattern);
        stack && !text.tensors[t].optional && result.blocks[text.stacks[*stack].name] == 0) {
      const auto name = spelled(t, 0);
      if (std::none_of(result.missing.begin(), result.missing.end(),
                       [&](const auto& m) { return m.starts_with(layout.stacks[*stack] + "."); }))
        result.missing.push_back(name);
    }
  for (const auto& s : text.stacks)
    if (const auto other = result.blocks.find(s.rules.paired_with); other != result.blocks.end())
      for (std::int64_t b = other->second; b < result.blocks[s.name]; ++b)
        result.missing.push_back(s.rules.paired_with + "." + std::to_string(b) +
                                 " (stacks that take turns are equally long)");
  for (const auto& [key, lines] : groups) {
    const auto present =
        std::count_if(lines.begin(), lines.end(), [&, block = key.second](auto t) { return seen[t].contains(block); });
    if (present > 0 && present < std::ptrdiff_t(lines.size()))
      for (auto t : lines)
        if (!seen[t].contains(key.second)) result.missing.push_back(spelled(t, key.second));
  }
  return result;
}

}  // namespace modelgrow::inline v0::detail
