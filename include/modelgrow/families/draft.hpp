// SPDX-License-Identifier: MIT
// A first text for a checkpoint of no known family: stacks by numbered names, sizes by equal extents. What was guessed
// is marked; which tensors close a branch has to be said by someone who knows the model.
#pragma once
#include <map>
#include <set>

#include <modelgrow/core/names.hpp>
#include <modelgrow/core/words.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Sizes seen in a checkpoint, with names: the most frequent is called hidden, multiples of it by their factor.
class SizeNames {
 public:
  explicit SizeNames(const Names& file) {
    for (const auto& t : file)
      for (auto n : t.shape)
        if (t.shape.rank() >= 2 && n > 16) ++seen_[n];
    for (const auto& [n, times] : seen_)
      if (hidden_ == 0 || times > seen_.at(hidden_)) hidden_ = n;
  }
  std::string name(std::int64_t n) {
    if (n == hidden_ && n > 0) return used_.insert("hidden"), "hidden";
    if (hidden_ > 0 && n % hidden_ == 0 && n / hidden_ <= 12) {
      used_.insert("hidden");
      return std::to_string(n / hidden_) + "*hidden";
    }
    if (!seen_.contains(n) || seen_.at(n) < 2) return std::to_string(n);
    return *used_.insert("size_" + std::to_string(n)).first;
  }
  const std::set<std::string>& used() const { return used_; }

 private:
  std::map<std::int64_t, std::int64_t> seen_;
  std::int64_t hidden_ = 0;
  std::set<std::string> used_;
};

}  // namespace detail

/// Family text, one tensor a line, that explains every tensor of `file`; its "notes" say what has to be looked at.
inline std::string draft_family(const Names& file, std::string_view name = "draft") {
  using detail::json;
  detail::SizeNames sizes(file);
  std::set<std::string> stacks;
  std::vector<std::pair<std::string, std::string>> lines;
  std::map<std::string, std::size_t> place, count;
  for (const auto& t : file) {
    const auto parts = detail::split_at(t.name, '.');
    std::string pattern, stack;
    for (const auto& part : parts) {
      const bool number = stack.empty() && !pattern.empty() && detail::all_digits(part) &&
                          file.contains_prefix(pattern + ".0.") && file.contains_prefix(pattern + ".1.");
      if (number) stacks.insert(stack = pattern);
      pattern += (pattern.empty() ? "" : ".") + (number ? std::string("{}") : part);
    }
    std::string axes;
    for (int a = 0; a < t.shape.rank(); ++a) {
      const bool weight = t.shape.rank() >= 2 && a < 2;
      axes += (a ? ", " : "") +
              std::string(weight                ? (a == 0 ? "out " : "in ")
                          : t.shape.rank() == 1 ? "each "
                                                : "fixed ") +
              sizes.name(t.shape[a]);
    }
    ++count[pattern];
    if (place.emplace(pattern, lines.size()).second)
      lines.emplace_back(pattern, axes);
    else if (auto& known = lines[place.at(pattern)].second;
             (" | " + known + " | ").find(" | " + axes + " | ") == known.npos)
      known += " | " + axes;
  }
  json spaces = json::object(), stack_rules = json::object();
  for (const auto& s : sizes.used())
    spaces[s] = json{{"copies", "never"}, {"because", "it is a guess of a draft; say how it may grow"}};
  for (const auto& s : stacks) stack_rules[s] = json{{"stream", "hidden"}};
  std::string text = "{\n \"family\": " + json(name).dump() +
                     ",\n \"class\": [],\n \"config\": {},\n \"spaces\": " + spaces.dump() +
                     ",\n \"stacks\": " + stack_rules.dump() + ",\n \"notes\": [" +
                     json(
                         "DRAFT: sizes are named by equal extents, roles by position; for every weight of a stack "
                         "that writes the residual stream say 'closes' or 'inner', and for every space how it grows")
                         .dump() +
                     "],\n \"tensors\": {\n";
  for (std::size_t i = 0; i < lines.size(); ++i)
    text += "  " + json(lines[i].first).dump() + ": " + json(lines[i].second).dump() +
            (i + 1 < lines.size() ? ",\n" : "\n");
  return text + " }\n}\n";
}

}  // namespace modelgrow::inline v0
