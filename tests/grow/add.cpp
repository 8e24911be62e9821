// SPDX-License-Identifier: MIT
// New layers change nothing at first, and every one of their branches has a gradient in its closing factor, so that
// training opens it; a layer that nothing would open is refused.
#include <cmath>

#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2deeper.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "tests/support/catch.hpp"
#include "tiny.hpp"

using namespace modelgrow;

namespace {

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const plan_error& e) {
    return e.what();
  }
  return "nothing was refused";
}
bool says(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }
double largest(const std::vector<double>& v) {
  double most = 0;
  for (double x : v) most = std::max(most, std::abs(x));
  return most;
}

}  // namespace

TEST_CASE("new layers keep the function and can be trained") {
  const tiny::Config c;
  const auto s = tiny::schema(c);
  const Plan p = plan(s, tiny::AddConv{}, Net2Wider{.space = "hidden", .to = 12, .noise_db = 20},
                      tiny::AddCross{.text = 5, .seed = 4}, InsertBlocks{.every = 1},
                      Net2Wider{.space = "text", .to = 8}, Net2Deeper{.stack = "blocks", .at = 4, .like = 0});
  CHECK(p.certificate().exactness == Exactness::exact);
  const auto w = tiny::random_state(s);
  const auto grown = tiny::from_dict(grow_weights(p, tiny::to_dict<double>(s, w)));
  const auto config = tiny::config_of(p.schema());
  CHECK(config.depth == 5);
  CHECK(tiny::distance(tiny::forward(c, w), tiny::forward(config, grown)) <= 1e-12);
  CHECK(largest(grown.at("blocks.0.cross.q.weight")) > 0.01);

  // In every new branch, only what closes it has a gradient yet, and it has one.
  const auto g = tiny::gradient(config, grown, 0);
  for (const char* block : {"blocks.0.", "blocks.1.", "blocks.4."}) {
    const std::string b = block;
    CHECK(largest(g.at(b + "conv.weight")) > 1e-6);
    CHECK(largest(g.at(b + "cross.proj.weight")) > 1e-6);
    CHECK(largest(g.at(b + "cross.q.weight")) == 0);
    CHECK(largest(g.at(b + "cross.kv.weight")) == 0);
  }
  for (const char* closed : {"blocks.1.attn.proj.weight", "blocks.1.mlp.fc2.weight", "blocks.4.mlp.fc2.bias"})
    CHECK(largest(g.at(closed)) > 1e-6);
  for (const char* inside : {"blocks.1.attn.qkv.weight", "blocks.1.mlp.fc1.weight", "blocks.4.scale_shift_table"})
    CHECK(largest(g.at(inside)) == 0);
}

TEST_CASE("a layer is added with its seed, in the type that it asks for") {
  auto s = tiny::schema(tiny::Config{});
  for (auto& p : s.parameters) p.dtype = DType::bf16;
  const tiny::AddCross layer{.text = 3, .seed = 1};
  const auto p = plan(s, layer), q = plan(s, layer), other = plan(s, tiny::AddCross{.text = 3, .seed = 2});
  const auto d = tiny::to_dict<bf16>(s, tiny::random_state(s));
  const auto a = grow_weights(p, d), b = grow_weights(q, d), c = grow_weights(other, d);
  CHECK(a == b);
  CHECK(a.at("text_embedder.weight").dtype == DType::bf16);
  CHECK_FALSE(a.at("text_embedder.weight") == c.at("text_embedder.weight"));
  // Xavier: uniform in +-sqrt(6 / (rows + columns)).
  const auto v = tiny::numbers(a.at("text_embedder.weight"));
  CHECK(largest(v) <= std::sqrt(6.0 / 9) * 1.01);
  CHECK(largest(v) > std::sqrt(6.0 / 9) * 0.7);
}

TEST_CASE("averages and optimizer know new layers") {
  const auto s = tiny::schema(tiny::Config{});
  const auto p = plan(s, tiny::AddCross{.text = 3, .seed = 1});
  const auto w = tiny::to_dict<float>(s, tiny::random_state(s));
  auto averages = tiny::to_dict<double>(s, tiny::random_state(s, 2));
  averages.erase("pos");
  const auto grown = grow_weights(p, averages, Absent::leave_out);
  CHECK(grown.at("text_embedder.weight").dtype == DType::f64);
  CHECK_FALSE(grown.contains("pos"));
  const auto a = tiny::numbers(grown.at("text_embedder.weight")),
             b = tiny::numbers(grow_weights(p, w).at("text_embedder.weight"));
  CHECK(tiny::distance(b, a) < 1e-7);
}

TEST_CASE("layers that make no sense are refused") {
  const auto s = tiny::schema(tiny::Config{});
  CHECK(says(refusal([&] { plan(s, tiny::AddConv{}, tiny::AddConv{}); }), "nothing was given to add"));
  const auto adding = [&](std::vector<ParamSpec> p) { return refusal([&] { Plan(s).add(std::move(p)); }); };
  const auto spec = [&](const char* name, Init init, Purpose purpose) {
    return ParamSpec{
        .name = name,
        .dtype = DType::f32,
        .info = {
            .axes = {out(s.space("hidden").space), in(s.space("hidden").space)}, .init = init, .purpose = purpose}};
  };
  CHECK(says(adding({spec("blocks.0.n.weight", Init::zeros(), Purpose::closes),
                     spec("blocks.0.n.m.weight", Init::zeros(), Purpose::weight)}),
             "no gradient would ever reach either"));
  CHECK(says(adding({spec("blocks.0.n.weight", Init::xavier(), Purpose::closes)}), "does not start at zero"));
  CHECK(says(adding({spec("blocks.0.n.weight", Init::xavier(), Purpose::weight)}), "nothing closes"));
  CHECK(says(adding({spec("pos", Init::zeros(), Purpose::closes)}), "there is a parameter 'pos' already"));
  const auto with_space = [&](std::int64_t size) {
    Add verb{.parameters = {spec("blocks.0.n.weight", Init::zeros(), Purpose::closes)}, .spaces = {}};
    verb.spaces.push_back({.space = {.name = "new", .size = size}});
    return refusal([&] { Plan(s).say(verb); });
  };
  CHECK(!says(with_space(3), "the new space"));
  CHECK(says(with_space(0), "the new space 'new' has 0 units"));
  CHECK(says(with_space(-1), "the new space 'new' has -1 units"));
  CHECK(says(with_space(INT64_MAX), "the new space 'new' of 9223372036854775807; expected at most 16777216"));
}
