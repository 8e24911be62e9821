// SPDX-License-Identifier: MIT
// Tables of positions at another length: linear tables stay linear, grids that are stored flat are those of torch, old
// points that are met are kept, the step is declared, and what numbers no positions is refused.
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
#include "tests/support/scratch.hpp"
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

/// A table [1, extent, 1] of these values.
struct Grid {
  Schema schema;
  StateDict values;
  Grid(const Extent& extent, const std::vector<double>& numbers) {
    schema.family = "toy";
    schema.parameters = {
        ParamSpec{.name = "table", .dtype = DType::f64, .info = {.axes = {fixed(1), each(extent), fixed(1)}}}};
    std::set<std::string> seen;
    for (const auto& term : extent.terms())
      for (const auto& space : term)
        if (!space.name.empty() && seen.insert(space.name).second)
          schema.spaces.push_back(SpaceSpec{.space = space, .rules = {.copies = Copies::positions}});
    values = tiny::to_dict<double>(schema, {{"table", numbers}});
  }
  std::vector<double> grown(const auto&... operators) const {
    return tiny::from_dict(grow_weights(plan(schema, allow_approximate, operators...), values)).at("table");
  }
};
void same(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK_THAT(found[i], WithinAbs(expected[i], 1e-14));
}

TEST_CASE("Grids that are stored flat become those of torch.nn.functional.interpolate", "[interpolate_positions]") {
  const Space side{.name = "side", .size = 3};
  const Grid square(Extent(side) * side, {4, 1, 7, 2, 9, 3, 8, 5, 6});
  same(square.grown(InterpolatePositions{.space = "side", .to = 5}),
       {4, 2.8, 1, 4.6, 7, 3.2, 3.6, 4.2, 4.92, 5.4, 2, 4.8, 9, 5.4, 3, 5.6, 6, 6.6, 5.52, 4.8, 8, 6.8, 5, 5.6, 6});
  same(square.grown(InterpolatePositions{.space = "side", .to = 5, .align = Align::ends}),
       {4, 2.5, 1, 4, 7, 3, 4, 5, 5, 5, 2, 5.5, 9, 6, 3, 5, 6, 7, 5.75, 4.5, 8, 6.5, 5, 5.5, 6});
  // Frames, height and width one after another, in any order, behind two rows that are no positions.
  const Space t{.name = "frames", .size = 2}, h{.name = "height", .size = 3}, w{.name = "width", .size = 2};
  const Grid clip(Extent(2) + Extent(t) * h * w, {-1, -2, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8});
  same(clip.grown(InterpolatePositions{.to = 3}, InterpolatePositions{.space = "height", .to = 2},
                  InterpolatePositions{.space = "width", .to = 4}),
       {-1,    -2,    3.25,  2.6875, 1.5625, 1,    4.75,  5.3125, 6.4375, 7, 3,      3.03125, 3.09375,
        3.125, 4.875, 5.375, 6.375,  6.875,  2.75, 3.375, 4.625,  5.25,   5, 5.4375, 6.3125,  6.75});
  const auto ends = Align::ends;
  same(clip.grown(InterpolatePositions{.space = "width", .to = 4, .align = ends},
                  InterpolatePositions{.space = "height", .to = 2, .align = ends},
                  InterpolatePositions{.to = 3, .align = ends}),
       {-1,  -2, 3,       7. / 3,  5. / 3, 1, 5,       19. / 3, 23. / 3, 9, 2.5, 17. / 6, 19. / 6,
        3.5, 5,  37. / 6, 22. / 3, 8.5,    2, 10. / 3, 14. / 3, 6,       5, 6,   7,       8});
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
  const Scratch scratch;
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

TEST_CASE("Grids of families grow on disk, and rows of text stay", "[interpolate_positions]") {
  const Scratch scratch;
  const auto table = [](const Checkpoint& c, const std::string& name) { return values_of<double>(c.tensor(name)); };
  struct Case {
    std::string release, tensor;
    std::vector<std::string> spaces;  // of the grid, outermost first; a square has one
    std::size_t rows_before;          // of the grid
    std::vector<std::pair<std::string, std::string>> config;
  };
  const Case cases[] = {
      {"tiny, as stabilityai/stable-diffusion-3-medium",
       "pos_embed.pos_embed",
       {"side", "side"},
       0,
       {{"pos_embed_max_size", "12"}}},
      {"tiny, as THUDM/CogVideoX-5b-I2V",
       "patch_embed.pos_embedding",
       {"frames", "height", "width"},
       5,
       {{"sample_frames", "29"}, {"sample_height", "12"}, {"sample_width", "16"}}},
      {"tiny, as hpcai-tech/Open-Sora 1.0 STDiT-XL/2 16x256x256",
       "pos_embed",
       {"height", "width"},
       0,
       {{"input_size", "[4,16,16]"}}},
      {"tiny, as Latte-XL/2 conditioned on classes", "pos_embed", {"side", "side"}, 0, {{"input_size", "16"}}},
      {"tiny, as nvidia/Cosmos-1.0-Diffusion-7B-Text2World",
       "learnable_pos_embed.pos_emb_h",
       {"height"},
       0,
       {{"max_size", "[4,24,16]"}}}};
  std::size_t seen = 0;
  for (const auto& r : releases())
    for (const auto& c : cases) {
      if (r.name != c.release) continue;
      ++seen;
      INFO(r.name);
      const auto base = scratch / ("base" + std::to_string(seen)), grown = scratch / ("grown" + std::to_string(seen));
      random_folder(base, r, DType::f32);
      const auto in = Checkpoint::open(base);
      Plan p = plan(family_of(in.names(), in.config(), "tiny").schema(in), allow_approximate);
      std::vector<std::int64_t> sizes;
      for (const auto& s : c.spaces) sizes.push_back(p.source().space(s).space.size);
      for (const auto& s : std::set<std::string>(c.spaces.begin(), c.spaces.end()))
        p.apply(InterpolatePositions{.space = s, .to = 2 * p.source().space(s).space.size});
      const Report report = p.write(in, grown);
      CHECK(report.read_back);
      CHECK(report.max_residual == 0);
      const auto out = Checkpoint::open(grown);
      const auto config = modelgrow::detail::parse_json(out.config(), "grown");
      for (const auto& [key, value] : c.config) CHECK(config[key].dump() == value);
      // Twice as fine: 1/4 and 3/4 of two neighbours along each axis, or the one at the border.
      const auto old = table(in, c.tensor), now = table(out, c.tensor);
      const auto width = std::size_t(in.names().dim(c.tensor, -1));
      const std::size_t before = c.rows_before * width;
      CHECK(std::equal(old.begin(), old.begin() + std::ptrdiff_t(before), now.begin()));
      REQUIRE(now.size() - before == (old.size() - before) << sizes.size());
      double worst = 0;
      for (std::size_t i = before; i < now.size(); ++i) {
        double sum = 0;
        for (std::size_t corner = 0; corner < std::size_t(1) << sizes.size(); ++corner) {
          double weight = 1;
          std::size_t row = (i - before) / width, source = 0, stride = 1;
          for (std::size_t a = sizes.size(); a-- > 0;) {
            const std::int64_t n = sizes[a], j = std::int64_t(row % std::size_t(2 * n));
            const bool far = corner >> a & 1;
            const std::int64_t near_unit = j / 2,
                               far_unit = std::clamp<std::int64_t>(near_unit + (j % 2 ? 1 : -1), 0, n - 1);
            weight *= far ? 0.25 : 0.75;
            source += stride * std::size_t(far ? far_unit : near_unit);
            stride *= std::size_t(n), row /= std::size_t(2 * n);
          }
          sum += weight * old[before + source * width + (i - before) % width];
        }
        worst = std::max(worst, std::abs(sum - now[i]));
      }
      CHECK(worst < 1e-6);
    }
  CHECK(seen == std::size(cases));
}

TEST_CASE("Every family numbers its positions, or says what computes them", "[interpolate_positions]") {
  for (const auto& r : releases()) {
    INFO(r.name);
    const Names names(r.tensors, r.name);
    const Schema s = family_of(names, r.config, r.name).schema(names, r.config, r.name);
    const auto message =
        message_of<plan_error>([&] { plan(s, allow_approximate, InterpolatePositions{.space = "nothing", .to = 7}); });
    const bool stored = std::any_of(s.spaces.begin(), s.spaces.end(),
                                    [](const auto& x) { return x.rules.copies == Copies::positions; });
    CHECK(says(message, "'nothing' of family '" + s.family + "'", stored ? "; there are '" : s.positions));
    CHECK((stored || s.positions.size() > 40));
    if (s.family == "pixart") CHECK(says(message, "computes its table from sample_size and interpolation_scale"));
  }
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
  const Space side{.name = "side", .size = 3};
  CHECK(says(refusal(Grid(Extent(side) * side, std::vector<double>(9)).schema,
                     InterpolatePositions{.space = "side", .to = 5000}),
             "a table 'table' of 25000000", "look at the number"));
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
