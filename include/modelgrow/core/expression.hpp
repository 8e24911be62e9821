// SPDX-License-Identifier: MIT
// "3*heads*head_dim + ffn", "8*hidden/3", "min(depth, 4)": how family texts and plans write sizes. An expression is
// parsed, printed, evaluated, solved for its one unknown, and turned into the extent of an axis.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/axis.hpp>

namespace modelgrow::inline v0 {

/// Sizes by name: spaces, numbers of blocks, constants.
using Sizes = std::map<std::string, std::int64_t, std::less<>>;

/// A size as a formula: numbers and names with + - * / (of whole numbers, towards zero), min(a, b) and parentheses.
class Expression {
 public:
  /// Throws format_error that begins with `where` and shows the place.
  static Expression parse(std::string_view text, const std::string& where);

  /// Nothing when a name is unknown; throws format_error for a division by zero.
  std::optional<std::int64_t> value(const Sizes& known) const;
  /// Learns the one name that is unknown, if there is exactly one and it stands once or squared, from the value of the
  /// whole.
  /// True when something was learned; false when that cannot be, or when no whole number fits.
  bool solve(std::int64_t whole, Sizes& known) const;
  /// As the extent of an axis: names in `spaces` may grow, all others become constants. Throws format_error where a
  /// space stands in anything but a sum of products, and for unknown names.
  Extent extent(const Sizes& sizes, const std::set<std::string, std::less<>>& spaces, const std::string& where) const;
  /// The names in it, in order, each once.
  std::vector<std::string> names() const;
  /// The text it was parsed from.
  const std::string& text() const { return text_; }
  bool operator==(const Expression& other) const { return text_ == other.text_; }

 private:
  enum class Kind { number, name, sum, difference, product, quotient, least };
  struct Node {
    Kind kind = Kind::number;
    std::int64_t number = 0;
    std::string name = {};
    std::vector<Node> parts = {};  // two, of an operation
  };
  class Parser;
  static std::optional<std::int64_t> value(const Node& n, const Sizes& known);
  static bool solve(const Node& n, std::int64_t whole, Sizes& known);
  static void collect(const Node& n, std::vector<std::string>& names);
  static Extent extent(const Node& n, const Sizes& sizes, const std::set<std::string, std::less<>>& spaces,
                       const std::string& where);
  std::string text_;
  Node root_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/core/expression_inl.hpp>
#endif
