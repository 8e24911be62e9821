// SPDX-License-Identifier: MIT
// The definitions of expression.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>

#include <modelgrow/core/checked.hpp>
#include <modelgrow/core/expression.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

/// Recursive descent, one level of precedence a function.
class Expression::Parser {
 public:
  Parser(std::string_view text, const std::string& where) : text_(text), where_(where) {}
  Node all() {
    Node n = sum();
    if (at_ != text_.size()) fail("the end or an operator");
    return n;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    throw format_error(where_ + ": '" + std::string(text_) + "' is no size: expected " + expected + " at character " +
                       std::to_string(at_ + 1));
  }
  void skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    skip();
    return true;
  }
  static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.'; }
  static bool digit(char c) { return c >= '0' && c <= '9'; }
  static Node pair(Kind kind, Node a, Node b) {
    Node n{.kind = kind};
    n.parts.push_back(std::move(a));
    n.parts.push_back(std::move(b));
    return n;
  }
  Node sum() {
    Node n = product();
    for (;;) {
      if (take('+'))
        n = pair(Kind::sum, std::move(n), product());
      else if (take('-'))
        n = pair(Kind::difference, std::move(n), product());
      else
        return n;
    }
  }
  Node product() {
    Node n = factor();
    for (;;) {
      if (take('*'))
        n = pair(Kind::product, std::move(n), factor());
      else if (take('/'))
        n = pair(Kind::quotient, std::move(n), factor());
      else
        return n;
    }
  }
  Node factor() {
    if (++depth_ > 64) fail("less nesting");
    Node n = primary();
    --depth_;
    return n;
  }
  Node primary() {
    if (take('(')) {
      Node n = sum();
      if (!take(')')) fail("')'");
      return n;
    }
    skip();
    const std::size_t begin = at_;
    while (at_ < text_.size() && (letter(text_[at_]) || digit(text_[at_]))) ++at_;
    const std::string word(text_.substr(begin, at_ - begin));
    if (word.empty()) fail("a number or a name");
    skip();
    if (word.find_first_not_of("0123456789") == word.npos) {
      if (word.size() > 15) fail("a smaller number");
      return Node{.kind = Kind::number, .number = std::stoll(word)};
    }
    if (digit(word[0])) fail("a name that begins with a letter");
    if (word != "min") return Node{.kind = Kind::name, .name = word};
    if (!take('(')) fail("'(' behind min");
    Node a = sum();
    if (!take(',')) fail("','");
    Node n = pair(Kind::least, std::move(a), sum());
    if (!take(')')) fail("')'");
    return n;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

MODELGROW_INLINE Expression Expression::parse(std::string_view text, const std::string& where) {
  // Every operator is a level of the tree, and a product of sums has terms without number.
  if (text.size() > 500)
    throw format_error(where + ": '" + std::string(text.substr(0, 40)) + "..' is no size: it has " +
                       std::to_string(text.size()) + " characters; expected at most 500");
  Expression e;
  e.text_ = text;
  e.root_ = Parser(text, where).all();
  return e;
}

MODELGROW_INLINE std::optional<std::int64_t> Expression::value(const Sizes& known) const { return value(root_, known); }
MODELGROW_INLINE bool Expression::solve(std::int64_t whole, Sizes& known) const { return solve(root_, whole, known); }

MODELGROW_INLINE std::optional<std::int64_t> Expression::value(const Node& n, const Sizes& known) {
  if (n.kind == Kind::number) return n.number;
  if (n.kind == Kind::name) {
    const auto it = known.find(n.name);
    return it == known.end() ? std::nullopt : std::optional(it->second);
  }
  const auto a = value(n.parts[0], known), b = value(n.parts[1], known);
  if (!a || !b) return std::nullopt;
  switch (n.kind) {
    case Kind::sum:
      return detail::checked_sum(*a, *b);
    case Kind::difference:
      return detail::checked_difference(*a, *b);
    case Kind::product:
      return detail::checked_product(*a, *b);
    case Kind::least:
      return std::min(*a, *b);
    default:
      return detail::checked_quotient(*a, *b);
  }
}

MODELGROW_INLINE bool Expression::solve(const Node& n, std::int64_t whole, Sizes& known) {
  if (n.kind == Kind::number) return false;
  if (n.kind == Kind::name) return whole >= 0 && known.emplace(n.name, whole).second;
  const auto a = value(n.parts[0], known), b = value(n.parts[1], known);
  if (!a && n.kind == Kind::product && n.parts[0].kind == Kind::name && n.parts[1].name == n.parts[0].name) {
    const std::int64_t side = whole > 0 ? std::llround(std::sqrt(double(whole))) : 0;
    return side > 0 && whole / side == side && whole % side == 0 && known.emplace(n.parts[0].name, side).second;
  }
  if (bool(a) == bool(b)) return false;
  const Node& unknown = n.parts[a ? 1 : 0];
  const std::int64_t other = a ? *a : *b;
  switch (n.kind) {
    case Kind::sum:
      return solve(unknown, detail::checked_difference(whole, other), known);
    case Kind::difference:
      return solve(unknown, a ? detail::checked_difference(other, whole) : detail::checked_sum(whole, other), known);
    case Kind::product:
      return other > 0 && whole % other == 0 && solve(unknown, whole / other, known);
    default:
      return false;  // a quotient or a minimum has many arguments
  }
}

MODELGROW_INLINE std::vector<std::string> Expression::names() const {
  std::vector<std::string> all;
  collect(root_, all);
  return all;
}

MODELGROW_INLINE void Expression::collect(const Node& n, std::vector<std::string>& names) {
  if (n.kind == Kind::name && std::find(names.begin(), names.end(), n.name) == names.end()) names.push_back(n.name);
  for (const auto& p : n.parts) collect(p, names);
}

MODELGROW_INLINE Extent Expression::extent(const Sizes& sizes, const std::set<std::string, std::less<>>& spaces,
                                           const std::string& where) const {
  return extent(root_, sizes, spaces, where + ": '" + text_ + "'");
}

MODELGROW_INLINE Extent Expression::extent(const Node& n, const Sizes& sizes,
                                           const std::set<std::string, std::less<>>& spaces, const std::string& where) {
  if (n.kind == Kind::sum) return extent(n.parts[0], sizes, spaces, where) + extent(n.parts[1], sizes, spaces, where);
  if (n.kind == Kind::product) {
    const Extent a = extent(n.parts[0], sizes, spaces, where), b = extent(n.parts[1], sizes, spaces, where);
    if (a.terms().size() * b.terms().size() > 1000)
      throw format_error(where +
                         ": multiplied out it has more than 1000 terms; give the sums in it names of their own");
    return a * b;
  }
  if (n.kind == Kind::name && spaces.contains(n.name)) {
    const auto it = sizes.find(n.name);
    if (it == sizes.end()) throw format_error(where + ": the size of space '" + n.name + "' is unknown");
    return Extent(Space{.name = n.name, .size = it->second});
  }
  std::vector<std::string> used;
  collect(n, used);
  for (const auto& name : used)
    if (spaces.contains(name))
      throw format_error(where + ": space '" + name +
                         "' stands in a difference, quotient or minimum, which cannot grow unit by unit; give the " +
                         "whole of it a name of its own under 'spaces'");
  const auto constant = value(n, sizes);
  if (!constant) throw format_error(where + ": the size of '" + (used.empty() ? "" : used[0]) + "' is unknown");
  return Extent(*constant);
}

}  // namespace modelgrow::inline v0
