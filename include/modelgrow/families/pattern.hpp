// SPDX-License-Identifier: MIT
// Names of tensors as patterns: "blocks.{}.attn1.{to_q,to_k}.{weight,bias}" expands to names with "{}" for the number
// of a block, and renames turn them into the names of another layout.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/core/words.hpp>

namespace modelgrow::inline v0::detail {

/// "a.{b,c}.{}" -> "a.b.{}", "a.c.{}"; throws format_error for a brace that is not closed.
inline std::vector<std::string> expand_braces(std::string_view pattern, const std::string& where) {
  for (std::size_t at = 0; (at = pattern.find('{', at)) != pattern.npos; ++at) {
    const std::size_t end = pattern.find('}', at);
    if (end == pattern.npos) throw format_error(where + ": '" + std::string(pattern) + "' has a '{' without '}'");
    if (end == at + 1) continue;
    std::vector<std::string> all;
    for (const auto& word : split_at(pattern.substr(at + 1, end - at - 1), ',')) {
      std::string one(pattern.substr(0, at));
      for (auto& rest : expand_braces(one + trimmed(word) + std::string(pattern.substr(end + 1)), where))
        all.push_back(std::move(rest));
      if (all.size() > 256)
        throw format_error(where + ": '" + std::string(pattern) +
                           "' stands for more than 256 names; write several patterns");
    }
    return all;
  }
  return {std::string(pattern)};
}

/// Names of one layout and of another: runs of whole dotted segments, first match first.
class Renames {
 public:
  Renames() = default;
  /// `from` and `to` expand in step. Throws format_error when their braces do not.
  void add(std::string_view from, std::string_view to, const std::string& where) {
    const auto a = expand_braces(from, where), b = expand_braces(to, where);
    if (a.size() != b.size())
      throw format_error(where + ": '" + std::string(from) + "' stands for " + std::to_string(a.size()) + " names, '" +
                         std::string(to) + "' for " + std::to_string(b.size()));
    for (std::size_t i = 0; i < a.size(); ++i) pairs_.emplace_back(segments(a[i]), segments(b[i]));
  }
  bool empty() const { return pairs_.empty(); }
  /// The name in the other layout. Segments that one pair has replaced are left alone by those behind it.
  std::string operator()(std::string_view name) const {
    auto left = segments(name);
    std::vector<bool> done(left.size(), false);
    for (const auto& [from, to] : pairs_)
      for (std::size_t i = 0; from.size() > 0 && i + from.size() <= left.size(); ++i) {
        bool hit = true;
        for (std::size_t k = 0; k < from.size(); ++k) hit = hit && !done[i + k] && left[i + k] == from[k];
        if (!hit) continue;
        const auto at = std::ptrdiff_t(i), n = std::ptrdiff_t(from.size());
        left.erase(left.begin() + at, left.begin() + at + n);
        left.insert(left.begin() + at, to.begin(), to.end());
        done.erase(done.begin() + at, done.begin() + at + n);
        done.insert(done.begin() + at, to.size(), true);
        break;
      }
    return join(left, '.');
  }

 private:
  static std::vector<std::string> segments(std::string_view name) {
    return name.empty() ? std::vector<std::string>{} : split_at(name, '.');
  }
  std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> pairs_;
};

}  // namespace modelgrow::inline v0::detail
