// SPDX-License-Identifier: MIT
// The laws of grafting a text encoder onto STDiT: every design changes nothing at step 0, bit for bit; exactly one
// factor of each branch is zero and learns at once; files and live models agree; later growth keeps the grafts.
#include <map>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/graft_text_encoder.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/write.hpp>
#include <modelgrow/models/families.hpp>
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/models/stdit_config.hpp>
#include <modelgrow/train/ema.hpp>
#include <modelgrow/train/logit_anneal.hpp>
#include <modelgrow/train/parameter_groups.hpp>
#include <modelgrow/verify/forward_check.hpp>

#include "tests/models/stdit_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace test;
using mg::Cpu;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

template <class T>
mg::Stdit<T, Cpu> random_model(mg::StditConfig config = tiny_config()) {
  mg::Stdit<T, Cpu> model(config);
  randomise(model, 5, 0.15);
  return model;
}

struct Graft {
  std::string name;
  std::function<mg::Plan(const mg::Schema&)> plan;
  std::vector<std::string> opens;  // ends of the new parameters that have a gradient at the first step
};

std::vector<Graft> grafts() {
  using namespace mg;
  const auto graft = [](GraftTextEncoder g) {
    g.width = 6;
    g.max_length = 9;
    g.seed = 3;
    return [g](const Schema& s) { return plan(s, g); };
  };
  const std::vector<std::string> proj{"cross_attn_2.proj.weight", "cross_attn_2.proj.bias"},
      gates{"adaLN_modulation.1.weight", "adaLN_modulation.1.bias"};
  return {
      {"second cross-attention", graft({}), proj},
      {"gated", graft({.design = TextDesign::gated}), {"cross_attn_2.gate", "cross_attn_2.proj.bias"}},
      {"decoupled", graft({.design = TextDesign::decoupled}), {"v_linear.weight", "v_linear.bias"}},
      {"concatenated", graft({.design = TextDesign::concatenated}), {}},
      {"pooled", graft({.design = TextDesign::pooled}), {"y_pooler.proj.weight", "y_pooler.proj.bias"}},
      {"second cross-attention with a refiner", graft({.refiner = 2}), proj},
      {"refiner behind the first projection",
       [](const Schema& s) {
         return plan(s, ZeroInitLayer{.layer = "y_refiner", .arguments = {{"depth", "2"}}});
       },
       gates},
      {"refiner behind the projection of a graft",
       [](const Schema& s) {
         return plan(s, GraftTextEncoder{.width = 6, .design = TextDesign::gated}, ZeroInitLayer{.layer = "y_refiner"});
       },
       {"cross_attn_2.gate", "cross_attn_2.proj.bias", gates[0], gates[1]}},
  };
}

/// Captions of which one is dropped.
template <class T>
auto runner(const Inputs<T>& in) {
  return [&in](mg::Tape<T, Cpu>& tape, mg::Stdit<T, Cpu>& model) {
    auto text = in.text(tape), text_2 = in.text_2(tape);
    text.dropped = mg::Tensor<std::int32_t, Cpu>::from({2}, std::vector<std::int32_t>{0, 1});
    if (text_2.states.defined()) text_2.dropped = text.dropped;
    return model.forward(tape, tape.constant(in.x), in.t, text, text_2);
  };
}

double squares(const auto& p) {
  return p.gradient.defined() ? mg::Backend<Cpu>::sum_of_squares(p.gradient.size(), p.gradient.data()) : -1;
}

/// Trains by plain gradient descent, from the second step on with another target; returns the gradients of the last.
void descend(mg::Stdit<double, Cpu>& model, int steps) {
  const Inputs<double> in(model.config);
  for (int k = 0; k < steps; ++k) {
    mg::for_each_parameter(model, [](const std::string&, auto& p) { p.gradient = {}; });
    mg::Tape<double, Cpu> tape;
    tape.backward(mg::mse(tape, runner(in)(tape, model), random_tensor<double>({2, 3, 4, 8, 8}, 9)));
    if (k + 1 == steps) return;
    mg::for_each_parameter(model, [](const std::string&, auto& p) {
      if (!p.trained()) return;
      p.value = p.value.clone();
      mg::Backend<Cpu>::axpy(p.value.size(), -0.5, p.gradient.data(), p.value.data());
    });
  }
}

}  // namespace

TEMPLATE_TEST_CASE("every graft leaves STDiT as it is, bit for bit", "", double, float) {
  for (const auto& graft : grafts()) {
    INFO(graft.name);
    auto before = random_model<TestType>(), after = before;
    const mg::Plan plan = graft.plan(mg::schema(before));
    CHECK(plan.certificate().exactness == mg::Exactness::exact);
    mg::grow(plan, after);
    const Inputs<TestType> in(after.config);
    const auto found = mg::forward_check<TestType, Cpu>(plan, before, after, runner(in));
    CHECK(found.passed());
    CHECK(found.output.max_abs == 0);
    CHECK(mg::count_parameters(after) > mg::count_parameters(before));
    CHECK(mg::to_json(mg::plan_from_json(mg::to_json(plan), mg::schema(before))) == mg::to_json(plan));
  }
}

TEST_CASE("grafts learn at once: exactly one factor of each branch is zero") {
  for (const auto& graft : grafts()) {
    if (graft.opens.empty()) continue;
    auto model = random_model<double>();
    const mg::Schema before = mg::schema(model);
    mg::grow(graft.plan(before), model);
    const auto opens = [&](const std::string& path) {
      return std::ranges::any_of(graft.opens, [&](const auto& end) { return path.ends_with(end); });
    };
    descend(model, 1);
    std::size_t open = 0;
    mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
      if (!p.trained() || before.find(path)) return;
      INFO(graft.name << ": " << path << " at the first step");
      open += opens(path);
      if (opens(path))
        CHECK(squares(p) > 1e-12);
      else
        CHECK(squares(p) == 0);
    });
    CHECK(open >= graft.opens.size());
    // Two steps later everything learns (a bias of keys never does: softmax does not see it). A refiner behind a
    // projection that is itself behind a zero factor opens a step later than that.
    descend(model, 4);
    mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
      if (!p.trained() || before.find(path) || path.ends_with(".bias")) return;
      INFO(graft.name << ": " << path << " later");
      CHECK(squares(p) > 0);
    });
  }
}

TEST_CASE("concatenated tokens learn as their logit bias rises, which the optimizer leaves alone") {
  auto model = random_model<double>();
  const mg::Schema before = mg::schema(model);
  mg::grow(mg::plan(before, mg::GraftTextEncoder{.width = 6, .design = mg::TextDesign::concatenated}), model);
  const auto each_new = [&](auto&& check) {
    mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
      if (!p.trained() || before.find(path)) return;
      INFO(path);
      check(squares(p));
    });
  };
  CHECK(mg::count_parameters(model) == before.trained_elements() + (6 + 1) * 24 + (24 + 1) * 24);
  descend(model, 1);
  each_new([](double g) { CHECK(g == 0); });
  const mg::LogitAnneal anneal{.steps = 10};
  model.set_text_bias(anneal(1));
  descend(model, 2);
  each_new([](double g) { CHECK(g > 0); });
  CHECK(model.y_weight_2->weight.value.data()[0] == std::exp(0.9 * -8.0));
  model.set_text_bias(anneal(10));
  CHECK(model.y_weight_2->weight.value.data()[0] == 1);
  model.set_text_bias(anneal(0));
  CHECK(model.y_weight_2->weight.value.data()[0] == 0);
  CHECK(says(message_of<mg::shape_error>([] { random_model<float>().set_text_bias(0); }), "concatenated"));
  CHECK(says(message_of<mg::shape_error>([&] { model.set_text_bias(std::nan("")); }), "logit bias", "nan"));
  CHECK_THROWS_AS(model.set_text_bias(INFINITY), mg::shape_error);
}

TEST_CASE("averages and files hold the weight of concatenated tokens that the model has") {
  auto config = tiny_config();
  config.second_text = {
      .caption_channels = 6, .model_max_length = 9, .entry = mg::StditConfig::TextEntry::concatenated};
  auto model = random_model<double>(config);
  model.set_text_bias(-INFINITY);
  mg::AdamW<double, Cpu> adam(model, {});
  mg::Ema<double, Cpu> ema(model, adam);
  model.set_text_bias(-1);
  ema.update(model, adam);
  CHECK(ema.averages().at("y_weight_2.weight").data()[0] == std::exp(-1.0));
  const modelgrow::testing::TemporaryDirectory scratch;
  mg::save(scratch / "model.safetensors", model);
  auto loaded = random_model<double>(config);
  mg::load(loaded, mg::Checkpoint::open(scratch / "model.safetensors"));
  CHECK(loaded.y_weight_2->weight.value.data()[0] == std::exp(-1.0));
}

TEST_CASE("a graft can be trained alone first, but not its projector alone: the zero factor must learn with it") {
  const bool alone = GENERATE(false, true);
  auto model = random_model<double>();
  const mg::Schema before = mg::schema(model);
  mg::grow(mg::plan(before, mg::GraftTextEncoder{.width = 6}), model);
  const auto old = model;
  mg::for_each_parameter(model, [](const std::string&, auto& p) { p.value = p.value.clone(); });
  mg::freeze(model, "*");
  mg::unfreeze(model, alone ? "y_embedder_2.*" : "*_2.*");
  descend(model, 4);
  std::map<std::string, double> moved;
  mg::for_each_parameter(old, [&](const std::string& path, const auto& p) {
    mg::for_each_parameter(model, [&](const std::string& other, const auto& q) {
      if (path == other) moved[path] = relative_difference(q.value, p.value);
    });
  });
  for (const auto& [path, by] : moved) {
    INFO(path);
    if (before.find(path) || path.ends_with("y_embedding"))
      CHECK(by == 0);
    else if (path == "y_embedder_2.y_proj.fc1.weight" || path == "blocks.0.cross_attn_2.kv_linear.weight")
      CHECK((by > 0) == !alone);
  }
}

TEST_CASE("a graft on disk is the graft of the live model, and the prompt travels with it") {
  const modelgrow::testing::TemporaryDirectory scratch;
  const auto before = random_model<float>();
  std::filesystem::create_directory(scratch / "base");
  mg::save(scratch / "base" / "model.safetensors", before);
  mg::detail::write_file(scratch / "base" / "config.json", mg::config_text(before.config));
  const auto in = mg::Checkpoint::open(scratch / "base");
  const mg::Plan plan = mg::plan(in, mg::GraftTextEncoder{.width = 6,
                                                          .max_length = 9,
                                                          .design = mg::TextDesign::gated,
                                                          .refiner = 1,
                                                          .prompt = R"({"template": "a clip of {}", "layers": [-2]})",
                                                          .seed = 3});
  CHECK(plan.write(in, scratch / "grown").max_residual == 0);
  const auto out = mg::Checkpoint::open(scratch / "grown");
  mg::StditConfig config;
  mg::read_config(config, out.config(), "grown");
  CHECK(config.second_text.entry == mg::StditConfig::TextEntry::gated);
  CHECK(config.second_text.refiner == 1);
  CHECK(config.second_prompt == R"({"template":"a clip of {}","layers":[-2]})");
  mg::Stdit<float, Cpu> loaded(config);
  mg::load(loaded, out);
  auto live = before;
  mg::grow(mg::plan_from_json(mg::to_json(plan), mg::schema(before)), live);
  CHECK(live.config == config);
  const Inputs<float> inputs(config);
  CHECK(relative_difference(run(loaded, inputs), run(live, inputs)) == 0);
  // It stays through later growth of the file.
  const mg::Plan more = mg::plan(out, mg::InsertBlocks{.every = 2});
  more.write(out, scratch / "more");
  mg::StditConfig later;
  mg::read_config(later, mg::Checkpoint::open(scratch / "more").config(), "more");
  CHECK(later.second_prompt == config.second_prompt);
  CHECK(later.depth == 3);
}

TEMPLATE_TEST_CASE("models with trained grafts grow on exactly", "", double, float) {
  using Entry = mg::StditConfig::TextEntry;
  auto config = tiny_config();
  config.second_text = {.caption_channels = 6,
                        .model_max_length = 9,
                        .entry = GENERATE(Entry::cross_attention, Entry::gated, Entry::decoupled, Entry::concatenated),
                        .refiner = 1};
  config.text_refiner = 1;
  config.pooled_channels = 6;
  auto before = random_model<TestType>(config);
  if (config.second_text.entry == Entry::concatenated) before.set_text_bias(-0.5);
  const auto s = mg::schema(before);
  for (const mg::Plan& plan :
       {mg::plan(s, mg::InsertBlocks{.every = 1}), mg::plan(s, mg::Net2Wider{.space = "hidden", .to = 48}),
        mg::plan(s, mg::Net2Wider{.space = "ffn", .to = 97, .noise_db = 20, .seed = 3})}) {
    auto old = before, after = before;
    mg::grow(plan, after);
    const Inputs<TestType> in(config);
    const auto found = mg::forward_check<TestType, Cpu>(plan, old, after, runner(in));
    INFO(found);
    CHECK(found.passed());
    CHECK(plan.certificate().exactness == mg::Exactness::exact);
  }
}

TEST_CASE("grafts that are wrong on purpose are caught") {
  const auto before = random_model<double>();
  const auto plan = mg::plan(mg::schema(before), mg::GraftTextEncoder{.width = 6, .design = mg::TextDesign::gated});
  auto old = before, after = before;
  mg::grow(plan, after);
  mg::for_each_parameter(after, [](const std::string&, auto& p) { p.value = p.value.clone(); });
  after.blocks[1].gated_attn_2->gate.value.data()[1] = 1e-3;
  const Inputs<double> in(after.config);
  const auto found = mg::forward_check<double, Cpu>(plan, old, after, runner(in));
  REQUIRE_FALSE(found.passed());
  CHECK(found.first_divergence()->name == "blocks.1.cross_attn_2");
}

TEST_CASE("grafts that make no sense are refused with the reason") {
  const auto s = mg::schema(random_model<float>());
  const auto refused = [&](auto&&... ops) { return message_of<mg::plan_error>([&] { mg::plan(s, ops...); }); };
  using mg::GraftTextEncoder;
  const GraftTextEncoder six{.width = 6, .prompt = R"({"a": 1})"};
  CHECK(says(refused(GraftTextEncoder{}), "width 0"));
  CHECK(says(refused(six, six), "is there already"));
  CHECK(says(refused(GraftTextEncoder{.width = 6, .design = mg::TextDesign::pooled, .refiner = 1}), "no tokens"));
  CHECK(says(refused(six, GraftTextEncoder{.width = 7, .design = mg::TextDesign::pooled}), "one encoder", "6", "7"));
  CHECK(says(refused(six, GraftTextEncoder{.width = 6, .design = mg::TextDesign::pooled, .prompt = R"({"a": 2})"}),
             R"({"a":1})", R"({"a":2})"));
  CHECK(says(refused(GraftTextEncoder{.width = 6, .prompt = "read this"}), "prompt", "JSON"));
  CHECK(says(refused(mg::ZeroInitLayer{.layer = "y_refiner_2"}), "cross_attn_2 first"));
  CHECK(says(refused(mg::ZeroInitLayer{.layer = "cross_attn_2",
                                       .arguments = {{"caption_channels", "6"}, {"entry", "sideways"}}}),
             "'sideways'", "decoupled"));
  const auto parsed = [](const std::string& text) {
    return message_of<mg::format_error>([&] {
      mg::StditConfig c;
      mg::read_config(c, text, "here");
    });
  };
  CHECK(says(parsed(R"({"second_text": {"caption_channels": 6, "entry": "sideways"}})"), "here", "sideways", "gated"));
  CHECK(says(parsed(R"({"pooled_channels": 5, "second_text": {"caption_channels": 6}})"), "here", "one encoder"));
}
