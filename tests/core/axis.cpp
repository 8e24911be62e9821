// SPDX-License-Identifier: MIT
// lift() against a reference that decodes every index by hand, for all small maps and a family of expressions.
#include <functional>
#include <numeric>
#include <set>

#include <modelgrow/core/axis.hpp>
#include <tests/support/catch.hpp>

using namespace modelgrow;

namespace {

/// All surjective maps from m new units to n old ones, with splits in equal parts.
std::vector<SpaceMap> all_maps(std::int64_t n, std::int64_t m) {
  std::vector<SpaceMap> maps;
  std::vector<std::int64_t> from(std::size_t(m), 0);
  const std::function<void(std::size_t)> fill = [&](std::size_t i) {
    if (i < from.size()) {
      for (from[i] = 0; from[i] < n; ++from[i]) fill(i + 1);
      return;
    }
    if (std::set<std::int64_t>(from.begin(), from.end()).size() != std::size_t(n)) return;
    SpaceMap map{.space = "s", .old_size = n, .from = from, .split = {}};
    for (auto f : from) map.split.push_back(1.0 / double(std::count(from.begin(), from.end(), f)));
    maps.push_back(map);
  };
  fill(0);
  return maps;
}

/// Decodes each new index into digits, sends the digits of the space back, encodes with the old sizes.
AxisMap reference(const Axis& axis, const SpaceMap& map) {
  AxisMap result;
  std::int64_t old_base = 0;
  for (const auto& term : axis.extent.terms()) {
    std::int64_t count = 1, old_count = 1;
    for (const auto& f : term) {
      count *= f.name == map.space ? map.new_size() : f.size;
      old_count *= f.size;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t rest = i, old_index = 0, stride = 1;
      double split = 1;
      for (auto f = term.rbegin(); f != term.rend(); ++f) {  // the last factor runs fastest
        const std::int64_t size = f->name == map.space ? map.new_size() : f->size;
        std::int64_t digit = rest % size;
        rest /= size;
        if (f->name == map.space) {
          split *= map.split[std::size_t(digit)];
          digit = map.from[std::size_t(digit)];
        }
        old_index += digit * stride;
        stride *= f->size;
      }
      result.from.push_back(old_base + old_index);
      result.weight.push_back(axis.role == Role::in ? split : 1);
      result.gradient.push_back(axis.role == Role::in ? 1 : split);
    }
    old_base += old_count;
  }
  return result;
}

/// Expressions over a space s of size n beside another space and constants.
std::vector<Extent> expressions(std::int64_t n) {
  const Space s{"s", n}, other{"o", 2};
  return {Extent(s),
          Extent(3) * s,
          Extent(s) * 3,
          Extent(other) * s,
          Extent(s) * other,
          Extent(3) * s * 2,
          Extent(2) * other * s * 2,
          Extent(s) * s,
          Extent(s) + 3,
          Extent(3) + s,
          Extent(s) + s,
          Extent(other) + Extent(2) * s + s,
          Extent(s) * 2 + Extent(3) * s + 1,
          (Extent(s) + 2) * (Extent(2) + s),
          Extent(other),
          Extent(5),
          Extent(other) * 3 + 2};
}

}  // namespace

TEST_CASE("lift agrees with decoding by hand for every small map and expression") {
  long cases = 0;
  for (std::int64_t n = 1; n <= 3; ++n)
    for (std::int64_t m = n; m <= 5; ++m)
      for (const auto& map : all_maps(n, m))
        for (const auto& e : expressions(n))
          for (Axis axis : {out(e), in(e), each(e), fixed(e)}) {
            const AxisMap got = lift(axis, map), want = reference(axis, map);
            const bool equal = got.from == want.from && got.weight == want.weight && got.gradient == want.gradient;
            INFO(to_string(e) << ", " << n << " to " << m);
            REQUIRE(equal);
            ++cases;
          }
  CHECK(cases > 10'000);
}

TEST_CASE("a consumer of copied units computes the same sum") {
  for (std::int64_t n = 1; n <= 3; ++n)
    for (std::int64_t m = n; m <= 5; ++m)
      for (const auto& map : all_maps(n, m))
        for (const auto& e : expressions(n)) {
          const std::int64_t size = e.size();
          const AxisMap columns = lift(in(e), map), rows = lift(out(e), map);
          REQUIRE(rows.from == columns.from);
          double before = 0, after = 0;  // w = 1, 2, 3 ...; x = squares
          for (std::int64_t i = 0; i < size; ++i) before += double(i + 1) * double(i * i + 1);
          for (std::size_t j = 0; j < columns.from.size(); ++j) {
            const double i = double(columns.from[j]);
            after += (i + 1) * columns.weight[j] * (i * i + 1) * rows.weight[j];
          }
          REQUIRE_THAT(after, WithinRel(before, 1e-13));
        }
}

TEST_CASE("gradient factors are the transpose of the forward map") {
  // Loss L(w) of the small axis equals L(E w') of the grown one, so dL/dw' = E^T dL/dw under the chain rule of copies:
  // a copied row shares the gradient of its consumers by their split; a scaled column keeps it.
  const SpaceMap map{.space = "s", .old_size = 2, .from = {0, 1, 0, 0}, .split = {0.5, 1, 0.25, 0.25}};
  const AxisMap rows = lift(out(Space{"s", 2}), map), columns = lift(in(Space{"s", 2}), map);
  CHECK(rows.gradient == map.split);
  CHECK(rows.weight == std::vector<double>{1, 1, 1, 1});
  CHECK(columns.weight == map.split);
  CHECK(columns.gradient == std::vector<double>{1, 1, 1, 1});
}

TEST_CASE("fused query, key and value stay in their chunks") {
  const SpaceMap map{.space = "heads", .old_size = 2, .from = {0, 1, 1}, .split = {1, 0.5, 0.5}};
  const AxisMap m = lift(out(Extent(3) * Space{"heads", 2} * 2), map);
  CHECK(m.from == std::vector<std::int64_t>{0, 1, 2, 3, 2, 3, 4, 5, 6, 7, 6, 7, 8, 9, 10, 11, 10, 11});
}

TEST_CASE("a map of the wrong size is refused with the axis in the message") {
  const SpaceMap map{.space = "s", .old_size = 3, .from = {0, 1, 2}, .split = {1, 1, 1}};
  try {
    lift(in(Extent(3) * Space{"s", 2}), map);
    FAIL("not refused");
  } catch (const shape_error& e) {
    const std::string text = e.what();
    CHECK(text.find("'s' has size 2") != text.npos);
    CHECK(text.find("3*s") != text.npos);
  }
  CHECK(lift(in(Space{"t", 2}), map).from == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("extents: size, names, algebra") {
  const Space h{"heads", 4}, f{"ffn", 7};
  const Extent e = Extent(3) * h * 64 + f;
  CHECK(e.size() == 3 * 4 * 64 + 7);
  CHECK(to_string(e) == "3*heads*64 + ffn");
  CHECK(e.mentions("heads"));
  CHECK(e.mentions("ffn"));
  CHECK_FALSE(e.mentions("hidden"));
  CHECK_FALSE(e.mentions("3"));
  CHECK(((Extent(h) + f) * 2) == (Extent(h) * 2 + Extent(f) * 2));
  CHECK(Extent(h) * f != Extent(f) * h);  // layouts differ
  CHECK(Extent(5).terms().size() == 1);
  const Axes axes{out(e), in(f), each(h), fixed(9)};
  CHECK(shape_of(axes) == Shape{775, 7, 4, 9});
  CHECK(name(axes[0].role) == "out");
  CHECK(name(axes[1].role) == "in");
  CHECK(name(axes[2].role) == "each");
  CHECK(name(axes[3].role) == "fixed");
}
