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
  std::int64_t size() const {
    std::int64_t n = 0;
    for (const auto& t : terms_) n += size_of(t);
    return n;
  }
  bool mentions(std::string_view space) const {
    for (const auto& t : terms_)
      for (const auto& f : t)
        if (f.name == space) return true;
    return false;
  }
  static std::int64_t size_of(const Product& product) {
    std::int64_t n = 1;
    for (const auto& f : product) n *= f.size;
    return n;
  }

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
inline std::string to_string(const Extent& extent) {
  std::string text;
  for (const auto& term : extent.terms()) {
    text += text.empty() ? "" : " + ";
    for (std::size_t i = 0; i < term.size(); ++i)
      text += (i ? "*" : "") + (term[i].name.empty() ? std::to_string(term[i].size) : term[i].name);
  }
  return text;
}

/// Sizes of the chunks of an axis, in order: "6*hidden" has six, "3*heads*64 + ffn" four.
inline std::vector<std::int64_t> chunks_of(const Extent& extent) {
  std::vector<std::int64_t> chunks;
  for (const auto& term : extent.terms()) {
    std::int64_t times = 1, size = 1;
    bool leading = true;
    for (const auto& factor : term) {
      leading = leading && factor.name.empty();
      (leading ? times : size) *= factor.size;
    }
    if (leading) std::swap(times, size);  // a number is one chunk
    chunks.insert(chunks.end(), std::size_t(times), size);
  }
  return chunks;
}

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

inline Shape shape_of(const Axes& axes) {
  Shape s;
  for (const auto& a : axes) s.push_back(a.size());
  return s;
}

/// How one space grows: new unit j is a copy of old unit from[j]; its consumers take split[j] of the old weight.
/// The splits of all copies of one unit sum to 1, so every consumer computes the same sum as before. Consumers of a
/// unit with split 0 start at zero and learn from there (their moments, too).
struct SpaceMap {
  std::string space;
  std::int64_t old_size = 0;
  std::vector<std::int64_t> from;
  std::vector<double> split;
  std::int64_t new_size() const { return std::int64_t(from.size()); }
};

/// How one axis grows: new index -> old index, with the factor of a weight and of its gradient.
/// A consumer column is scaled by its split and keeps its gradient; a producer row is copied and sees the split of
/// its consumers in its gradient (growth-maths, section 4: covariance).
struct AxisMap {
  std::vector<std::int64_t> from;
  std::vector<double> weight, gradient;
};

/// Lifts the map of one space to an axis: a Kronecker product inside each chunk, chunks one after another.
inline AxisMap lift(const Axis& axis, const SpaceMap& map) {
  AxisMap all;
  std::int64_t base = 0;
  for (const auto& term : axis.extent.terms()) {
    AxisMap done{.from = {0}, .weight = {1.0}, .gradient = {1.0}};
    for (const auto& factor : term) {
      const bool hit = factor.name == map.space;
      if (hit && factor.size != map.old_size)
        throw shape_error("space '" + map.space + "' has size " + std::to_string(factor.size) + " in axis " +
                          to_string(axis.extent) + " but the map starts from " + std::to_string(map.old_size));
      const std::int64_t size = hit ? map.new_size() : factor.size;
      AxisMap next;
      next.from.reserve(done.from.size() * std::size_t(size));
      for (std::size_t p = 0; p < done.from.size(); ++p)
        for (std::int64_t i = 0; i < size; ++i) {
          const double split = hit ? map.split[std::size_t(i)] : 1.0;
          next.from.push_back(done.from[p] * factor.size + (hit ? map.from[std::size_t(i)] : i));
          next.weight.push_back(done.weight[p] * (axis.role == Role::in ? split : 1.0));
          const double share = axis.role == Role::in ? (split > 0 ? 1.0 : 0.0) : split;
          next.gradient.push_back(done.gradient[p] * share);
        }
      done = std::move(next);
    }
    for (auto i : done.from) all.from.push_back(base + i);
    all.weight.insert(all.weight.end(), done.weight.begin(), done.weight.end());
    all.gradient.insert(all.gradient.end(), done.gradient.begin(), done.gradient.end());
    base += Extent::size_of(term);
  }
  return all;
}

}  // namespace modelgrow::inline v0
