// SPDX-License-Identifier: MIT
// Plans as data: JSON round trip, printing, the user's own operators; and every argument that makes no sense is
// refused.
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/plan_print.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tiny.hpp"

using namespace modelgrow;

namespace {

struct EveryOther {
  static constexpr std::string_view name = "EveryOther";
  std::string space;
  void apply(Plan& p) const {
    SpaceMap m{.space = space, .old_size = p.schema().space(space).space.size, .from = {}, .split = {}};
    for (std::int64_t i = 0; i < m.old_size; ++i)
      for (std::int64_t k = 0; k <= i % 2; ++k) m.from.push_back(i), m.split.push_back(i % 2 ? 0.5 : 1.0);
    p.remap({m});
  }
};

/// The message of the plan_error that f throws.
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const plan_error& e) {
    return e.what();
  }
  return "nothing was refused";
}
using modelgrow::testing::message_of;
using modelgrow::testing::says;

SpaceMap widen(const std::string& space, std::int64_t n, std::vector<std::int64_t> from, std::vector<double> split) {
  return SpaceMap{.space = space, .old_size = n, .from = std::move(from), .split = std::move(split)};
}

}  // namespace

TEST_CASE("a plan survives JSON with the same effect") {
  const auto s = tiny::schema(tiny::Config{});
  Plan p = plan(s, allow_approximate, InsertBlocks{.every = 1},
                Net2Wider{.space = "ffn", .to = 8, .noise_db = 20, .seed = 1u << 31}, EveryOther{.space = "ffn"},
                Net2Wider{.space = "hidden", .to = 18, .splits = Splits::dyadic});
  p.add({ParamSpec{.name = "blocks.1.extra.weight",
                   .dtype = DType::f64,
                   .info = {.axes = {out(p.schema().space("hidden").space), in(Space{.name = "new", .size = 4})},
                            .init = Init::normal(0.1)}},
         ParamSpec{.name = "blocks.1.extra2.weight",
                   .dtype = DType::f32,
                   .info = {.axes = {out(p.schema().space("hidden").space),
                                     in(3 * Extent(Space{.name = "new", .size = 4}) + Extent(2))},
                            .purpose = Purpose::closes}}},
        {SpaceSpec{.space = {.name = "new", .size = 4}, .rules = {.exact_if = "it rains"}}}, 77);
  p.rename("final.table", "last.table");
  CHECK(p.steps().back().by.empty());  // said by nobody but the user
  p.tie("final.copy", "last.table");
  p.drop("final.linear.bias");
  const auto text = to_json(p);
  const auto q = plan_from_json(text, s);
  CHECK(to_json(q) == text);
  CHECK(to_string(q) == to_string(p));
  const auto w = tiny::to_dict<double>(s, tiny::random_state(s));
  CHECK(grow_weights(q, w) == grow_weights(p, w));
  CHECK(grow_weights(p, w) == grow_weights(p, w));

  CHECK_THROWS_AS(plan_from_json("{}", s), format_error);
  CHECK_THROWS_AS(plan_from_json("[1", s), format_error);
  for (const char* bad :
       {R"({"verb":"remap"})", R"({"verb":"fly"})", R"({"verb":"insert","stacks":["blocks"],"at":"x","like":0})", "3",
        R"({"verb":"insert","stacks":["blocks"],"at":1.9,"like":0,"run":1})",
        R"({"verb":"insert","stacks":["blocks"],"at":1,"like":1e300,"run":1})",
        R"({"verb":"insert","stacks":["blocks"],"places":[[1,0],[1e300,0]],"run":1})",
        R"({"verb":"insert","stacks":["blocks"],"places":[[1,0.5]],"run":1})",
        R"({"verb":"add","constants":{"width":1e300},"spaces":[],"seed":1,"parameters":[]})",
        R"({"verb":"add","seed":1,"spaces":[],"parameters":[{"name":"x","dtype":"F99"}]})"})
    CHECK_THROWS_AS(plan_from_json(R"({"modelgrow_plan":2,"family":"tiny","steps":[)" + std::string(bad) + "]}", s),
                    format_error);
  CHECK_THROWS_AS(plan_from_json(R"({"modelgrow_plan":2,"family":"other","steps":[]})", s), plan_error);
  CHECK(says(message_of<format_error>([&] { plan_from_json(R"({"modelgrow_plan":1,"family":"tiny","steps":[]})", s); }),
             "version 1", "make it anew"));
}

TEST_CASE("a plan lists blocks as ranges and steps") {
  const auto text = [](std::int64_t depth, InsertBlocks how) {
    return to_string(plan(tiny::schema(tiny::Config{.depth = depth}), how));
  };
  const std::string rest = ".mlp.fc2.bias";
  CHECK(says(text(5, {.every = 1}), "blocks.{1,3..9}" + rest, "blocks.{2,4..8}" + rest));
  CHECK(says(text(6, {.at = {3}}), "blocks.{0-2}" + rest, "blocks.{4-6}" + rest));
  CHECK(says(text(6, {.at = {1, 2}}), "blocks.{1,3}" + rest, "blocks.{2,4-7}" + rest));
}

TEST_CASE("a size that no model comes near is refused before anything is made of it") {
  const auto s = tiny::schema(tiny::Config{});
  const std::int64_t slip = 99'999'999'999;
  CHECK(says(message_of<plan_error>([&] { plan(s, Net2Wider{.space = "ffn", .to = slip}); }), "'ffn' of 99999999999",
             "at most 16777216"));
  CHECK(says(message_of<plan_error>([&] { plan(s, InsertBlocks{.count = slip}); }), "a count of 99999999999"));
}

TEST_CASE("a plan says what it will do") {
  const auto s = tiny::schema(tiny::Config{});
  const auto text =
      to_string(plan(s, InsertBlocks{.every = 1}, Net2Wider{.space = "hidden", .to = 12}, EveryOther{.space = "ffn"}));
  INFO(text);
  CHECK(says(text, "InsertBlocks: insert blocks 1,3 of blocks, closed copies of blocks 0-1"));
  CHECK(says(text, "EXACT (every weight is divided by powers of two)"));
  CHECK(says(text, "grow hidden 6 -> 12, heads 2 -> 4"));
  CHECK(says(text, "blocks.{1,3}.mlp.fc2.bias"));
  CHECK(says(text, "[5, 6] -> [7, 12]"));
  CHECK(says(text, "copies of a unit with equal splits stay equal"));
}

TEST_CASE("a failing operator leaves the plan as it was") {
  Plan p(tiny::schema(tiny::Config{}));
  const auto before = to_json(p);
  CHECK_THROWS_AS(p.apply(InsertBlocks{.at = {1, 0}}), plan_error);
  CHECK(to_json(p) == before);
}

TEST_CASE("mistakes are refused with a reason") {
  const auto s = tiny::schema(tiny::Config{});
  const auto with = [&](const auto&... ops) { return refusal([&] { plan(s, ops...); }); };

  SECTION("spaces") {
    CHECK(says(with(Net2Wider{.space = "fnn", .to = 9}), "its spaces are: hidden (6), heads (2), ffn (5)"));
    CHECK(says(with(Net2Wider{.space = "hidden", .to = 9}), "LayerNorm runs across it; nearest sizes: 12"));
    CHECK(says(with(Net2Wider{.space = "hidden", .to = 16}), "nearest sizes: 12 or 18"));
    CHECK(says(with(Net2Wider{.space = "heads", .to = 3}), "LayerNorm"));  // tied to hidden
    CHECK(says(with(Net2Wider{.space = "ffn", .to = 5}), "would not widen"));
    CHECK(says(with(Net2Wider{.space = "ffn", .to = 8, .noise_db = 3}), "10 to 200 dB"));
    CHECK(says(with(Net2Wider{.space = "ffn", .to = 8, .map = UnitMap::interleaved}), "multiple of 5"));
    Plan p(s);
    CHECK(says(refusal([&] {
                 p.remap({widen("hidden", 6, {0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5}, std::vector<double>(12, 0.5))});
               }),
               "'heads', which is tied to it, 2 -> 2; grow both"));
    CHECK(says(refusal([&] {
                 p.remap({widen("ffn", 4, {0, 1, 2, 3}, {1, 1, 1, 1})});
               }),
               "starts from 4 units; the space has 5"));
    CHECK(says(refusal([&] { p.remap({widen("ffn", 5, {0, 1, 2, 3, 5}, {1, 1, 1, 1, 1})}); }), "copies unit 5 of 5"));
    CHECK(says(refusal([&] { p.remap({widen("ffn", 5, {0, 1, 2, 3, 4, 4}, {1, 1, 1, 1, 1, 1})}); }), "add up to 2"));
    CHECK(says(refusal([&] {
                 p.remap({widen("ffn", 5, {0, 1, 2, 3, 4, 4}, {1, 1, 1, 1, 1.5, -0.5})});
               }),
               "0 < split <= 1"));
    CHECK(says(refusal([&] { p.remap({widen("ffn", 5, {0, 1, 2, 3}, {1, 1, 1, 1})}); }), "left out"));
    CHECK(says(refusal([&] { p.remap({widen("ffn", 5, {0}, {})}); }), "0 splits"));
    CHECK(says(refusal([&] { p.remap({}); }), "at least one space"));
    CHECK(says(refusal([&] {
                 p.remap({widen("ffn", 5, {0, 1, 2, 3, 4}, {1, 1, 1, 1, 1}),
                          widen("ffn", 5, {0, 1, 2, 3, 4}, {1, 1, 1, 1, 1})});
               }),
               "twice"));
  }
  SECTION("blocks") {
    CHECK(says(with(InsertBlocks{.at = {0}}), "only block 0 receives the table of positions"));
    CHECK(says(with(InsertBlocks{.stack = "layers", .every = 1}), "its stacks are: blocks"));
    CHECK(says(with(InsertBlocks{.at = {3}}), "position 3 does not exist"));
    CHECK(says(with(InsertBlocks{.every = 3}), "expected 1 to 2"));
    CHECK(says(with(InsertBlocks{}), "exactly one of"));
    CHECK(says(with(InsertBlocks{.every = 1, .count = 1}), "exactly one of"));
    CHECK(says(with(InsertBlocks{.count = -1}), "at least 1"));
    Plan p(s);
    CHECK(says(refusal([&] { p.insert("blocks", 1, 2); }), "no block 2 to copy"));
    CHECK(says(refusal([&] { p.insert("blocks", -1, 0); }), "position -1"));
    auto open = s;
    for (auto& q : open.parameters)
      if (q.info.purpose == Purpose::closes) q.info.purpose = Purpose::weight;
    CHECK(says(refusal([&] { plan(open, InsertBlocks{.at = {1}}); }), "no closing parameter"));
  }
  SECTION("names") {
    Plan p(s);
    CHECK(says(refusal([&] { p.rename("final.tabel", "x"); }), "nearest names are 'final.table'"));
    CHECK(says(refusal([&] { p.rename("final.table", "pos"); }), "already"));
    CHECK(says(refusal([&] { p.drop("final.table"); }), "trained parameter is removed"));
    CHECK(says(refusal([&] { p.tie("pos", "final.table"); }), "of shape [4, 6]"));
    CHECK(says(refusal([&] { p.tie("pos", "pos"); }), "itself"));
    p.drop("pos");
    CHECK(p.certificate().exactness == Exactness::exact_if);
  }
  SECTION("new parameters") {
    Plan p(s);
    const Extent hidden = s.space("hidden").space;
    const auto spec = [&](const char* name, Axes axes, Init init, Purpose purpose) {
      return ParamSpec{
          .name = name, .dtype = DType::f32, .info = {.axes = std::move(axes), .init = init, .purpose = purpose}};
    };
    const auto closer = spec("blocks.0.new.b.weight", {out(hidden), in(hidden)}, Init::zeros(), Purpose::closes);
    CHECK(says(
        refusal([&] {
          p.add({spec("blocks.0.new.a.weight", {out(hidden), in(hidden)}, Init::zeros(), Purpose::weight), closer});
        }),
        "no gradient would ever reach"));
    CHECK(says(refusal([&] {
                 p.add({spec("blocks.0.new.gain", {each(hidden)}, Init::zeros(), Purpose::weight), closer});
               }),
               "no gradient would ever reach"));
    CHECK(says(refusal([&] { p.add({spec("blocks.0.new.b.weight", {out(hidden)}, Init::ones(), Purpose::closes)}); }),
               "does not start at zero"));
    CHECK(says(refusal([&] {
                 p.add({closer, spec("blocks.1.new.a.weight", {out(hidden)}, Init::ones(), Purpose::weight)});
               }),
               "nothing closes the branch 'new' of the new parameter 'blocks.1.new.a.weight' in blocks.1"));
    CHECK(says(refusal([&] { p.add({spec("new", {out(hidden)}, Init::ones(), Purpose::weight)}); }),
               "nothing closes the branch 'new' of the new parameter 'new'"));
    CHECK(says(refusal([&] { p.add({spec("pos", {out(hidden)}, Init::ones(), Purpose::buffer)}); }), "already"));
    CHECK(says(refusal([&] { p.add({closer, closer}); }), "given twice"));
    CHECK(says(refusal([&] { p.add({}); }), "nothing was given"));
    CHECK(says(refusal([&] {
                 p.add({spec("new", {out(Space{.name = "hidden", .size = 7})}, Init::zeros(), Purpose::closes)});
               }),
               "7 units of space 'hidden'; it has 6"));
    CHECK(says(refusal([&] {
                 p.add({spec("new", {out(Space{.name = "nowhere", .size = 7})}, Init::zeros(), Purpose::closes)});
               }),
               "no space named 'nowhere'"));
    CHECK(says(refusal([&] { p.add({closer}, {SpaceSpec{.space = {.name = "ffn", .size = 3}, .rules = {}}}); }),
               "space 'ffn' already"));
    auto integer = closer;
    integer.dtype = DType::i32;
    CHECK(says(refusal([&] { p.add({integer}); }), "expected F64, F32, F16 or BF16"));
    p.add({closer, spec("blocks.0.new.b.bias", {out(hidden)}, Init::zeros(), Purpose::closes),
           spec("blocks.0.new.a.weight", {out(hidden), in(hidden)}, Init::xavier(), Purpose::weight),
           spec("blocks.0.new.a.bias", {out(hidden)}, Init::zeros(), Purpose::weight)});
    CHECK(p.certificate().exactness == Exactness::exact);
  }
  SECTION("schemas") {
    auto twice = s;
    twice.parameters.push_back(twice.parameters[0]);
    CHECK(says(refusal([&] { Plan{twice}; }), "twice"));
    auto torn = s;
    torn.spaces[0].space.size = 7;
    CHECK(says(refusal([&] { Plan{torn}; }), "has 6 units; it has 7"));
    auto rigid = s;
    for (auto& q : rigid.parameters)
      if (q.name == "final.table") q.info.axes[1].role = Role::fixed;
    CHECK(says(refusal([&] { plan(rigid, Net2Wider{.space = "hidden", .to = 12}); }), "is fixed"));
  }
}

TEST_CASE("approximate growth needs permission and says what is lost") {
  const auto s = tiny::schema(tiny::Config{});
  const auto p = plan(s, allow_approximate, Net2Wider{.space = "hidden", .to = 9, .map = UnitMap::random});
  CHECK(p.certificate().exactness == Exactness::approximate);
  CHECK(says(to_string(p), "APPROXIMATE (units of 'hidden' are copied 1 to 2 times, but LayerNorm runs across it"));
}

TEST_CASE("what is known about the trajectory") {
  const auto s = tiny::schema(tiny::Config{});
  const auto claim = [&](const auto& op) { return plan(s, op).trajectory().exactness; };
  CHECK(claim(Net2Wider{.space = "hidden", .to = 18}) == Exactness::exact);
  CHECK(claim(Net2Wider{.space = "hidden", .to = 18, .splits = Splits::dyadic}) == Exactness::approximate);
  CHECK(claim(Net2Wider{.space = "ffn", .to = 18, .splits = Splits::dyadic}) == Exactness::exact);
  CHECK(claim(Net2Wider{.space = "ffn", .to = 10, .noise_db = 20}) == Exactness::approximate);
  auto conditional = s;
  conditional.spaces[2].rules.exact_if = "the table is stored";
  CHECK(says(refusal([&] { plan(conditional, Net2Wider{.space = "ffn", .to = 9}); }), "only if the table is stored",
             "accept_conditions"));
  CHECK(plan(conditional, accept_conditions, Net2Wider{.space = "ffn", .to = 9}).certificate() ==
        Certificate{.exactness = Exactness::exact_if, .reason = "the table is stored"});
}
