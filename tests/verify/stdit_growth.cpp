// SPDX-License-Identifier: MIT
// The laws of growth on STDiT: the function is kept, gradients and Adam steps follow the small model, and growths that
// are wrong on purpose are caught by name.
#include <cmath>
#include <map>

#include <modelgrow/grafts/all.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/grow_channels.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/interpolate_positions.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/train/adamw.hpp>
#include <modelgrow/train/ema.hpp>
#include <modelgrow/verify/forward_check.hpp>

#include "tests/models/stdit_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/squares.hpp"

using namespace test;
using mg::Cpu;

namespace {

using Conv = mg::Graft<mg::grafts::TemporalConv>;

template <class T>
mg::Stdit<T, Cpu> random_model(std::uint64_t seed = 5) {
  mg::Stdit<T, Cpu> model(tiny_config());
  randomise(model, seed, 0.15);
  return model;
}

/// The growths that must be exact, one operator each and all together.
std::vector<std::pair<std::string, std::function<mg::Plan(const mg::Schema&)>>> exact_growths() {
  using namespace mg;
  return {
      {"insert", [](const Schema& s) { return plan(s, InsertBlocks{.every = 1}); }},
      {"suffix", [](const Schema& s) { return plan(s, InsertBlocks{.count = 2, .placement = Placement::suffix}); }},
      {"prefix", [](const Schema& s) { return plan(s, InsertBlocks{.count = 1, .placement = Placement::prefix}); }},
      {"ffn", [](const Schema& s) { return plan(s, Net2Wider{.space = "ffn", .to = 97, .noise_db = 20, .seed = 3}); }},
      {"hidden", [](const Schema& s) { return plan(s, Net2Wider{.space = "hidden", .to = 48}); }},
      {"hidden x3",
       [](const Schema& s) { return plan(s, Net2Wider{.space = "hidden", .to = 72, .splits = Splits::dyadic}); }},
      {"heads", [](const Schema& s) { return plan(s, Net2Wider{.space = "heads", .to = 4, .noise_db = 20}); }},
      {"conv", [](const Schema& s) { return plan(s, Conv{}); }},
      {"conv depthwise",
       [](const Schema& s) {
         return plan(s, Conv{{.kind = ConvKind::depthwise, .kernel = 5, .padding = Padding::centred}});
       }},
      {"all",
       [](const Schema& s) {
         return plan(s, InsertBlocks{.every = 2}, Net2Wider{.space = "ffn", .to = 71, .noise_db = 20}, Conv{},
                     Net2Wider{.space = "hidden", .to = 48, .noise_db = 30},
                     InsertBlocks{.count = 1, .placement = Placement::suffix});
       }},
  };
}

template <class T>
auto runner(const Inputs<T>& in) {
  return [&in](mg::Tape<T, Cpu>& tape, mg::Stdit<T, Cpu>& model) {
    return model.forward(tape, tape.constant(in.x), in.t, in.text(tape), in.text_2(tape));
  };
}

template <class T>
mg::ForwardCheck check(const mg::Plan& plan, mg::Stdit<T, Cpu> before, mg::Stdit<T, Cpu> after) {
  const Inputs<T> in(before.config);
  return mg::forward_check<T, Cpu>(plan, before, after, runner(in));
}

double step(mg::Stdit<double, Cpu>& model, mg::AdamW<double, Cpu>& optimizer, int k) {
  const Inputs<double> in(tiny_config(), 100 + 10 * std::uint64_t(k));
  const auto target = random_tensor<double>({2, 3, 4, 8, 8}, 5000 + std::uint64_t(k));
  mg::Tape<double, Cpu> tape;
  const auto loss = mg::mse(tape, runner(in)(tape, model), target);
  tape.backward(loss);
  optimizer.step(model, 1e-3);
  return loss.data()[0];
}

}  // namespace

TEMPLATE_TEST_CASE("every exact growth keeps the function of STDiT", "", double, float) {
  for (const auto& [name, growth] : exact_growths()) {
    INFO(name);
    const auto before = random_model<TestType>();
    auto after = before;
    const mg::Plan plan = growth(mg::schema(before));
    CHECK(plan.certificate().exactness == mg::Exactness::exact);
    const mg::Report report = mg::grow(plan, after);
    CHECK(report.max_residual == 0);
    const auto found = check(plan, before, after);
    INFO(found);
    CHECK(found.passed());
    CHECK(mg::count_parameters(after) == report.parameters_after);
    // The same from the plan as text.
    auto again = before;
    mg::grow(mg::plan_from_json(mg::to_json(plan), mg::schema(before)), again);
    bool equal = true;
    std::map<std::string, std::vector<TestType>> values;
    mg::for_each_parameter(after, [&](const std::string& path, const auto& p) {
      values[path].assign(p.value.data(), p.value.data() + p.value.size());
    });
    mg::for_each_parameter(again, [&](const std::string& path, const auto& p) {
      equal = equal && std::equal(values[path].begin(), values[path].end(), p.value.data());
    });
    CHECK(equal);
  }
}

TEST_CASE("new channels of a clip are not felt, stand behind mean and variance, and learn") {
  auto config = tiny_config();
  config.pred_sigma = true;
  mg::Stdit<double, Cpu> before(config);
  randomise(before, 5, 0.15);
  auto after = before;
  const mg::Plan plan =
      mg::plan(mg::schema(before), mg::GrowChannels{.to = 5}, mg::Net2Wider{.space = "ffn", .to = 97});
  CHECK(plan.certificate().exactness == mg::Exactness::exact);
  mg::grow(plan, after);
  CHECK(after.config.in_channels == 5);
  CHECK(after.config.out_channels() == 10);
  const Inputs<double> in(config);
  Inputs<double> more(after.config);  // random in the new channels
  const std::int64_t clip = in.x.size() / 6;
  for (std::int64_t b = 0; b < 2; ++b) std::copy_n(in.x.data() + 3 * b * clip, 3 * clip, more.x.data() + 5 * b * clip);
  const auto old = run(before, in), now = run(after, more);
  REQUIRE(old.shape() == mg::Shape{2, 6, 4, 8, 8});
  REQUIRE(now.shape() == mg::Shape{2, 10, 4, 8, 8});
  double difference = 0, largest = 0;
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t c = 0; c < 10; ++c)
      for (std::int64_t i = 0; i < clip; ++i) {
        const double was = c % 5 < 3 ? old.data()[(6 * b + 3 * (c / 5) + c % 5) * clip + i] : 0;
        difference = std::max(difference, std::abs(now.data()[(10 * b + c) * clip + i] - was));
        largest = std::max(largest, std::abs(was));
      }
  CHECK(largest > 0.1);
  CHECK(difference < 1e-13 * largest);
  mg::Tape<double, Cpu> tape;
  tape.backward(mg::mse(tape, runner(more)(tape, after), random_tensor<double>(now.shape(), 99)));
  // [24, 5, 1, 2, 2] and [4 places, 2 halves, 5, 24]: one weight of a new channel each.
  CHECK(at(after, "x_embedder.proj.weight").gradient.data()[4 * 4] != 0);
  CHECK(at(after, "final_layer.linear.weight").gradient.data()[4 * 24] != 0);
}

TEST_CASE("a live STDiT takes longer clips of finer grids") {
  auto before = random_model<double>();
  auto after = before;
  mg::grow(mg::plan(mg::schema(before), mg::allow_approximate, mg::InterpolatePositions{.to = 7},
                    mg::InterpolatePositions{.space = "height", .to = 8},
                    mg::InterpolatePositions{.space = "width", .to = 6}),
           after);
  CHECK(after.config.input_size == std::array<std::int64_t, 3>{7, 16, 12});
  const auto &old = at(before, "pos_embed").value, &now = at(after, "pos_embed").value;
  REQUIRE(now.shape() == mg::Shape{1, 48, 24});
  // Row 1, column 0 of 8 x 6 lies at row 0.25, column 0 (held at the border) of 4 x 4.
  CHECK(std::abs(now.data()[6 * 24] - (0.75 * old.data()[0] + 0.25 * old.data()[4 * 24])) < 1e-15);
  CHECK(run(after, Inputs<double>(after.config)).shape() == mg::Shape{2, 3, 7, 16, 12});
}

TEST_CASE("a grown STDiT with its optimizer follows the small one for five Adam steps") {
  const auto growth = GENERATE(0, 1, 2, 3);
  auto small = random_model<double>();
  mg::AdamW<double, Cpu> optimizer(small, {.weight_decay = 0.1});
  mg::Ema<double, Cpu> ema(small, optimizer, {.decay = 0.9});
  for (int k = 0; k < 3; ++k) {
    step(small, optimizer, k);
    ema.update(small, optimizer);
  }
  auto grown = small;
  mg::for_each_parameter(grown, [](const std::string&, auto& p) { p.value = p.value.clone(), p.gradient = {}; });
  auto optimizer_grown = optimizer;
  auto ema_grown = ema;
  const auto s = mg::schema(small);
  const mg::Plan plan = growth == 0   ? mg::plan(s, mg::Net2Wider{.space = "ffn", .to = 97})
                        : growth == 1 ? mg::plan(s, mg::Net2Wider{.space = "hidden", .to = 48})
                        : growth == 2 ? mg::plan(s, mg::Net2Wider{.space = "hidden", .to = 72})
                                      : mg::plan(s, mg::Net2Wider{.space = "ffn", .to = 120, .map = mg::UnitMap::tiled},
                                                 mg::Net2Wider{.space = "hidden", .to = 48});
  CHECK(plan.trajectory().exactness == mg::Exactness::exact);
  mg::grow(plan, grown, optimizer_grown, ema_grown);
  for (int k = 3; k < 8; ++k) {
    const double a = step(small, optimizer, k), b = step(grown, optimizer_grown, k);
    INFO("growth " << growth << " step " << k << " losses " << a << " " << b);
    CHECK(std::abs(a - b) <= 1e-8 * std::abs(a));
  }
  const Inputs<double> in(tiny_config());
  CHECK(relative_difference(run(grown, in), run(small, in)) < 1e-8);
}

TEST_CASE("without the learning-rate multipliers the trajectory is another") {
  auto small = random_model<double>();
  mg::AdamW<double, Cpu> optimizer(small, {});
  for (int k = 0; k < 3; ++k) step(small, optimizer, k);
  auto grown = small;
  mg::for_each_parameter(grown, [](const std::string&, auto& p) { p.value = p.value.clone(), p.gradient = {}; });
  auto optimizer_grown = optimizer;
  mg::grow(mg::plan(mg::schema(small), mg::Net2Wider{.space = "hidden", .to = 48}), grown, optimizer_grown);
  for (auto& [path, state] : optimizer_grown.states()) state.set_multipliers({1.0}, {1.0});
  for (int k = 3; k < 8; ++k) {
    step(small, optimizer, k);
    step(grown, optimizer_grown, k);
  }
  const Inputs<double> in(tiny_config());
  CHECK(relative_difference(run(grown, in), run(small, in)) > 1e-3);
}

TEST_CASE("growths that STDiT cannot survive are refused with the reason") {
  const auto s = mg::schema(random_model<float>());
  const auto message = [&](auto&&... ops) -> std::string {
    try {
      mg::plan(s, ops...);
    } catch (const mg::plan_error& e) {
      return e.what();
    }
    return "accepted";
  };
  using Catch::Matchers::Contains;
  CHECK_THAT(message(mg::InsertBlocks{.at = {0}}), Contains("temporal position table"));
  CHECK_THAT(message(mg::Net2Wider{.space = "hidden", .to = 36}), Contains("LayerNorm") && Contains("48"));
  CHECK_THAT(message(mg::Net2Wider{.space = "heads", .to = 3}), Contains("4"));
  CHECK_THAT(message(mg::Net2Wider{.space = "fnn", .to = 100}), Contains("hidden") && Contains("ffn"));
  CHECK_THAT(message(mg::Net2Wider{.space = "ffn", .to = 10}), Contains("60"));
  CHECK_THAT(message(Conv{{.kernel = 4}}), Contains("3 or 5"));
  CHECK_THAT(message(mg::Graft<mg::grafts::CrossText>{}), Contains("width 0"));
}

TEST_CASE("what is built wrong on purpose is caught, and the forward check names the place") {
  const auto before = random_model<double>();
  auto after = before;
  const mg::Plan plan =
      mg::plan(mg::schema(before), mg::InsertBlocks{.every = 2}, mg::Net2Wider{.space = "ffn", .to = 97}, Conv{});
  mg::grow(plan, after);
  REQUIRE(check(plan, before, after).passed());
  mg::for_each_parameter(after, [](const std::string&, auto& p) { p.value = p.value.clone(); });
  std::string place;
  SECTION("bias of a closed projection left open") {
    after.blocks[2].attn.proj.bias.value.data()[0] = 0.3;
    place = "blocks.2.attn";
  }
  SECTION("gate table zeroed instead of the projections: the shared time embedding keeps the gate open") {
    auto& block = after.blocks[2];
    block.attn.proj.weight.value = before.blocks[1].attn.proj.weight.value.clone();
    for (int slot : {2, 5})
      for (int c = 0; c < 24; ++c) block.scale_shift_table.value.data()[slot * 24 + c] = 0;
    place = "blocks.2.attn";
  }
  SECTION("temporal convolution that does not start at zero") {
    at(after, "blocks.1.conv_temp.weight").value.data()[5] = 0.1;
    place = "blocks.1.conv_temp";
  }
  SECTION("split that does not add up") {
    after.blocks[1].mlp.dense->fc2.weight.value.data()[0] *= 1.5;
    place = "blocks.1.mlp";
  }
  SECTION("heads scrambled by a flat map over the fused qkv") {
    auto& w = after.blocks[1].attn.qkv.weight.value;
    for (int i = 0; i < 24; ++i) std::swap(w.data()[i], w.data()[12 * 24 + i]);
    place = "blocks.1.attn";
  }
  const auto found = check(plan, before, after);
  REQUIRE_FALSE(found.passed());
  CHECK(found.first_divergence()->name == place);
  CHECK_THROWS_AS(found.require(), mg::check_error);
}

TEST_CASE("new blocks and layers learn: exactly one factor of each branch is zero") {
  auto model = random_model<double>();
  const mg::Plan plan =
      mg::plan(mg::schema(model), mg::InsertBlocks{.every = 2}, Conv{}, mg::Graft<mg::grafts::CrossText>{{.width = 6}});
  mg::grow(plan, model);
  const Inputs<double> in(model.config);
  mg::Tape<double, Cpu> tape;
  tape.backward(mg::mse(tape, runner(in)(tape, model), random_tensor<double>({2, 3, 4, 8, 8}, 9)));
  const auto norm = [](const auto& p) { return mg::testing::sum_of_squares(p.gradient); };
  auto& fresh = model.blocks[2];
  CHECK(norm(fresh.attn.proj.weight) > 0);
  CHECK(norm(fresh.attn_temp.proj.weight) > 0);
  CHECK(norm(fresh.cross_attn.proj.weight) > 0);
  CHECK(norm(fresh.mlp.dense->fc2.weight) > 0);
  CHECK(norm(at(model, "blocks.2.conv_temp.weight")) > 0);
  CHECK(norm(at(model, "blocks.2.cross_attn_2.proj.weight")) > 0);
  CHECK(norm(fresh.attn.qkv.weight) == 0);  // behind the zero factor: opens with the second step
  CHECK(norm(fresh.mlp.dense->fc1.weight) == 0);
}

TEST_CASE("zero gate and zero projection together would be a dead saddle") {
  auto model = random_model<double>();
  auto& block = model.blocks[1];
  const auto zero = [](auto& p) { p.value.zero(); };
  zero(block.mlp.dense->fc2.weight);
  zero(block.mlp.dense->fc2.bias);
  zero(model.t_block.weight);
  zero(model.t_block.bias);
  zero(block.scale_shift_table);
  const Inputs<double> in(model.config);
  mg::Tape<double, Cpu> tape;
  tape.backward(mg::mse(tape, runner(in)(tape, model), random_tensor<double>({2, 3, 4, 8, 8}, 9)));
  const auto norm = [](const auto& p) { return mg::testing::sum_of_squares(p.gradient); };
  CHECK(norm(block.mlp.dense->fc2.weight) == 0);
  CHECK(norm(block.mlp.dense->fc1.weight) == 0);
}

TEST_CASE("twins part after one Adam step when noise was given, and never without") {
  const double noise = GENERATE(0.0, 20.0);
  auto model = random_model<double>();
  mg::AdamW<double, Cpu> optimizer(model, {});
  step(model, optimizer, 0);
  mg::grow(mg::plan(mg::schema(model),
                    mg::Net2Wider{.space = "ffn", .to = 120, .noise_db = noise, .map = mg::UnitMap::tiled}),
           model, optimizer);
  for (int k = 1; k < 4; ++k) step(model, optimizer, k);
  const auto& w = model.blocks[0].mlp.dense->fc1.weight.value;  // [120, 24]: rows i and i + 60 are twins
  double apart = 0;
  for (int i = 0; i < 60 * 24; ++i) apart = std::max(apart, std::abs(w.data()[i] - w.data()[i + 60 * 24]));
  if (noise > 0)
    CHECK(apart > 1e-4);
  else
    CHECK(apart < 1e-14);
}
