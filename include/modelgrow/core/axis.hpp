// SPDX-License-Identifier: MIT
// Spaces and axes: every dimension of every parameter is an expression over named spaces of hidden units, with a role.
// `3 * heads * head_dim` is a product (chunk-major: three runs), `attn + ffn` a concatenation. Growing a model is one
// index map per space, lifted by lift() to each axis that mentions the space.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/core/shape.hpp>

namespace modelgrow::inline v0 {

/// A named set of hidden units and its size; an empty name is a constant that never grows.
struct Space {
  std::string name;
  std::int64_t size = 1;
  bool operator==(const Space&) const = default;
};

/// A sum of products of spaces: the size and structure of one axis.
class Extent {
 public:
  using Product = std::vector<Space>;

  Extent(std::int64_t constant) { terms_.push_back(Product(1, Space{.name = {}, .size = constant})); }
  Extent(Space space) { terms_.push_back(Product(1, std::move(space))); }

  const std::vector<Product>& terms() const { return terms_; }
  std::vector<Product>& terms() { return terms_; }
  std::int64_t size() const;
  bool mentions(std::string_view space) const;
  static std::int64_t size_of(const Product& product);

  friend Extent operator*(const Extent& a, const Extent& b) {
    Extent r;
    for (const auto& x : a.terms_)
      for (const auto& y : b.terms_) {
        r.terms_.push_back(x);
        r.terms_.back().insert(r.terms_.back().end(), y.begin(), y.end());
      }
    return r;
  }
  friend Extent operator+(Extent a, const Extent& b) {
    a.terms_.insert(a.terms_.end(), b.terms_.begin(), b.terms_.end());
    return a;
  }
  bool operator==(const Extent&) const = default;

 private:
  Extent() = default;
  std::vector<Product> terms_;
};

/// "3*heads*64 + ffn", the way schemas and errors print an axis.
std::string to_string(const Extent& extent);

/// Sizes of the chunks of an axis, in order: "6*hidden" has six, "3*heads*64 + ffn" four.
std::vector<std::int64_t> chunks_of(const Extent& extent);

/// What an axis does with its space: written (rows), summed over (columns), one value per unit, or never grown.
enum class Role { out, in, each, fixed };

constexpr std::string_view name(Role r) {
  constexpr std::string_view names[] = {"out", "in", "each", "fixed"};
  return names[static_cast<int>(r)];
}

/// One dimension of a parameter.
struct Axis {
  Role role = Role::fixed;
  Extent extent = Extent(1);
  std::int64_t size() const { return extent.size(); }
  bool operator==(const Axis&) const = default;
};
using Axes = std::vector<Axis>;

inline Axis out(Extent e) { return Axis{.role = Role::out, .extent = std::move(e)}; }
inline Axis in(Extent e) { return Axis{.role = Role::in, .extent = std::move(e)}; }
inline Axis each(Extent e) { return Axis{.role = Role::each, .extent = std::move(e)}; }
inline Axis fixed(Extent e) { return Axis{.role = Role::fixed, .extent = std::move(e)}; }

Shape shape_of(const Axes& axes);

/// Which side of a silent unit starts at zero: what writes it; or of channels of the data (unread), which need not be
/// zeros, what reads them and what gives them out. Units inside of heads are unwritten, and queries make up for the
/// scale of the softmax.
enum class Silence { unwritten, unread, in_heads };

/// A share of an old unit in a new one.
struct Blend {
  std::int64_t unit = 0;
  double weight = 1;
};

/// How one space grows: new unit j is a copy of old unit from[j]; its consumers take split[j] of the old weight.
/// The splits of all copies of one unit sum to 1, so every consumer computes the same sum as before. Consumers of a
/// unit with split 0 start at zero and learn from there (their moments, too).
/// Silent units are no copies: one side of them is zero (see Silence), so that the model does not feel them, and the
/// other is as that of unit from[j].
/// A blended unit is a weighted sum of old ones; from[j] is the nearest. No copies are exact then.
struct SpaceMap {
  std::string space;
  std::int64_t old_size = 0;
  std::vector<std::int64_t> from;
  std::vector<double> split;      // 1 of a silent unit
  std::vector<bool> silent = {};  // by new unit; empty: none is
  Silence silence = Silence::unwritten;
  std::vector<std::vector<Blend>> blend = {};  // by new unit; empty: none is blended
  std::int64_t new_size() const { return std::int64_t(from.size()); }
};

/// How one axis grows: new index -> old index, with the factor of a weight and of its gradient.
/// A consumer column is scaled by its split and keeps its gradient; a producer row is copied and sees the split of
/// its consumers in its gradient (growth-maths, section 4: covariance).
/// Where silent units come in, weights are scaled before anything divides them, by 0 where they start at zero.
struct AxisMap {
  std::vector<std::int64_t> from;
  std::vector<double> weight, gradient;
  std::vector<double> scale = {};              // empty: 1
  std::vector<std::vector<Blend>> blend = {};  // by new index, of old ones; empty: from
  std::vector<bool> fresh = {};                // belongs to a silent unit; empty: none does
};

/// Lifts the map of one space to an axis: a Kronecker product inside each chunk, chunks one after another.
AxisMap lift(const Axis& axis, const SpaceMap& map);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/core/axis_inl.hpp>
#endif
