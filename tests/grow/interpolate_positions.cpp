// SPDX-License-Identifier: MIT
// Tables of positions at another length: linear tables stay linear, old points that are met are kept, the step is
// declared, and what numbers no positions is refused.
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/operators/interpolate_positions.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/write.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/random_folder.hpp"
#include "tests/support/releases.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tiny.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// A table [1, positions, hidden] of line(j) = 3 + 2 j - c in channel c.
Schema toy(std::int64_t positions) {
  const Space frames{.name = "frames", .size = positions}, hidden{.name = "hidden", .size = 2};
  Schema s;
  s.family = "toy";
  s.parameters = {
      ParamSpec{.name = "table", .dtype = DType::f64, .info = {.axes = {fixed(1), each(frames), each(hidden)}}},
      ParamSpec{.name = "out.weight", .dtype = DType::f64, .info = {.axes = {out(2), in(hidden)}}}};
  s.spaces = {SpaceSpec{.space = frames, .rules = {.copies = Copies::positions}}, SpaceSpec{.space = hidden}};
  return s;
}
tiny::State<double> lines(std::int64_t positions) {
  tiny::State<double> w{{"table", {}}, {"out.weight", {1, 2, 3, 4}}};
  for (std::int64_t j = 0; j < positions; ++j)
    for (int c = 0; c < 2; ++c) w["table"].push_back(3 + 2 * double(j) - c);
  return w;
}
std::vector<double> table(const Plan& p, std::int64_t positions) {
  return tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), lines(positions)))).at("table");
}

}  // namespace

TEST_CASE("A line of positions stays one at another length", "[interpolate_positions]") {
  const Plan ends = plan(toy(4), allow_approximate, InterpolatePositions{.to = 7, .align = Align::ends});
  const auto t = table(ends, 4);
  REQUIRE(t.size() == 14);
  for (std::size_t j = 0; j < 7; ++j)
    for (std::size_t c = 0; c < 2; ++c) CHECK(t[2 * j + c] == 3 + double(j) - double(c));
  const Plan cells = plan(toy(4), allow_approximate, InterpolatePositions{.to = 8});
  const auto u = table(cells, 4);  // positions -0.25, 0.25, 0.75 .. 3.25, held at the ends
  CHECK(u[0] == 3);
  CHECK(u[2] == 3.5);
  CHECK(u[4] == 4.5);
  CHECK(u[14] == 9);
  const Plan shorter = plan(toy(4), allow_approximate, InterpolatePositions{.to = 2});
  CHECK(table(shorter, 4) == std::vector<double>{4, 3, 8, 7});
  CHECK(table(plan(toy(4), allow_approximate, InterpolatePositions{.to = 1, .align = Align::ends}), 4) ==
        std::vector<double>{6, 5});
  // Twice is once after the other, and channels grow beside.
  const Plan twice = plan(toy(4), allow_approximate, InterpolatePositions{.to = 7, .align = Align::ends},
                          Net2Wider{.space = "hidden", .to = 3}, InterpolatePositions{.to = 13, .align = Align::ends});
  const auto v = table(twice, 4);
  REQUIRE(v.size() == 39);
  for (std::size_t j = 0; j < 13; ++j) CHECK_THAT(v[3 * j], WithinAbs(3 + 0.5 * double(j), 1e-14));
  CHECK(to_json(plan_from_json(to_json(twice), toy(4))) == to_json(twice));
  CHECK(table(plan_from_json(to_json(twice), toy(4)), 4) == v);
}

TEST_CASE("Interpolation is declared, and points that are met are checked", "[interpolate_positions]") {
  const Schema s = toy(4);
  const Plan p = plan(s, allow_approximate, InterpolatePositions{.to = 7, .align = Align::ends});
  CHECK(p.certificate() ==
        Certificate{.exactness = Exactness::approximate, .reason = "the positions of 'frames' are interpolated"});
  const auto old = tiny::to_dict<double>(s, lines(4));
  auto now = grow_weights(p, old);
  const auto residual = [&] {
    const auto a = modelgrow::detail::views_of(old), b = modelgrow::detail::views_of(now);
    return check_weights(p, TensorSet(a, "old"), TensorSet(b, "new")).max_residual;
  };
  CHECK(residual() == 0);
  const double wrong = 100;
  std::memcpy(now["table"].bytes.data() + 4 * sizeof wrong, &wrong, sizeof wrong);  // position 2, which is old 1
  CHECK(residual() > 1);
}

TEST_CASE("Open-Sora's temporal table grows on disk with its configuration", "[interpolate_positions]") {
  const TemporaryDirectory scratch;
  for (const auto& r : releases("stdit1")) {
    if (!r.tiny()) continue;
    random_folder(scratch.path() / "base", r, DType::f32);
    const auto in = Checkpoint::open(scratch.path() / "base");
    const Schema s = family_of(in.names(), in.config(), "tiny").schema(in);
    const std::int64_t to = 2 * s.space("frames").space.size;
    const Plan p = plan(s, allow_approximate, InterpolatePositions{.to = to});
    const Report report = p.write(in, scratch.path() / "grown");
    CHECK(report.read_back);
    CHECK(report.max_residual == 0);
    const auto grown = Checkpoint::open(scratch.path() / "grown");
    CHECK(family_of(grown.names(), grown.config(), "grown").schema(grown).space("frames").space.size == to);
    return;
  }
  FAIL("no tiny release of stdit1");
}

TEST_CASE("What numbers no positions of a table is refused", "[interpolate_positions]") {
  const Schema s = toy(4);
  const auto refusal = [](const Schema& from, const auto&... ops) {
    return message_of<plan_error>([&] { plan(from, ops...); });
  };
  CHECK(says(refusal(s, InterpolatePositions{.to = 8}), "does not keep the function", "are interpolated",
             "allow_approximate"));
  CHECK(says(refusal(s, InterpolatePositions{.to = 4}), "'frames' has 4 positions; 4 is no other number"));
  CHECK(says(refusal(s, InterpolatePositions{}), "0 is no other number"));
  CHECK(says(refusal(s, InterpolatePositions{.space = "hidden", .to = 8}), "numbers no positions of a stored table",
             "there are 'frames'"));
  CHECK(says(refusal(tiny::schema(tiny::Config{}), InterpolatePositions{.to = 8}), "the family has no such table"));
  CHECK(says(refusal(s, Net2Wider{.space = "frames", .to = 8}), "cannot grow and keep the function"));
  const auto said = [&](const auto& change, double noise = 0) {
    Plan p = plan(s, allow_approximate);
    SpaceMap m{.space = "frames", .old_size = 4, .from = {0, 1, 2, 3}, .split = {1, 1, 1, 1}};
    for (std::int64_t j = 0; j < 4; ++j) m.blend.push_back({Blend{.unit = j}});
    change(m);
    return message_of<plan_error>([&] { p.remap({m}, Noise{.db = noise}); });
  };
  CHECK(said([](auto&) {}) == "");
  CHECK(says(said([](auto& m) { m.blend.pop_back(); }), "4 splits and 3 blends"));
  CHECK(says(said([](auto&) {}, 20), "neither noisy nor silent"));
  CHECK(says(said([](auto& m) { m.blend[2][0].unit = 4; }), "unit 2 blends unit 4 of 4"));
  CHECK(says(said([](auto& m) { m.blend[2][0].weight = 0.5; }), "add up to 0.5"));
  CHECK(says(said([](auto& m) {
               m.space = "hidden", m.old_size = 2, m.from = {0, 1}, m.split = {1, 1}, m.blend = {{{0, 1}}, {{1, 1}}};
             }),
             "axis hidden of 'out.weight' is no row of a table"));
}
