// SPDX-License-Identifier: MIT
// The laws of grafting a text encoder onto STDiT: every design changes nothing at step 0, bit for bit; exactly one
// factor of each branch is zero and learns at once; files and live models agree; later growth keeps the grafts.
#include <map>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/grafts/all.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/write.hpp>
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/models/stdit_config.hpp>
#include <modelgrow/train/ema.hpp>
#include <modelgrow/train/logit_anneal.hpp>
#include <modelgrow/train/parameter_groups.hpp>
#include <modelgrow/verify/forward_check.hpp>

#include "tests/models/stdit_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"
#include "tests/support/squares.hpp"

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

using mg::Graft;
using mg::grafts::CrossText, mg::grafts::DecoupledText, mg::grafts::GatedText, mg::grafts::JointText,
    mg::grafts::PooledText, mg::grafts::Refiner;
constexpr mg::grafts::TextOptions six{.width = 6, .max_length = 9};

struct Case {
  std::string name;
  std::function<mg::Plan(const mg::Schema&)> plan;
  std::vector<std::string> opens;  // ends of the new parameters that have a gradient at the first step
};

std::vector<Case> cases() {
  const auto with = [](auto... ops) { return [=](const mg::Schema& s) { return mg::plan(s, ops...); }; };
  const std::vector<std::string> proj{"cross_attn_2.proj.weight", "cross_attn_2.proj.bias"},
      gates{"adaLN_modulation.1.weight", "adaLN_modulation.1.bias"},
      gate{"cross_attn_2.gate", "cross_attn_2.proj.bias"};
  return {
      {"second cross-attention", with(Graft<CrossText>{six, 3}), proj},
      {"gated", with(Graft<GatedText>{six, 3}), gate},
      {"decoupled", with(Graft<DecoupledText>{six, 3}), {"v_linear.weight", "v_linear.bias"}},
      {"concatenated", with(Graft<JointText>{six, 3}), {}},
      {"pooled", with(Graft<PooledText>{{.width = 6}, 3}), {"y_pooler.proj.weight", "y_pooler.proj.bias"}},
      {"second cross-attention with a refiner", with(Graft<CrossText>{{.width = 6, .max_length = 9, .refiner = 2}, 3}),
       proj},
      {"refiner behind the first projection", with(Graft<Refiner>{}), gates},
      {"refiner beside a graft", with(Graft<GatedText>{six}, Graft<Refiner>{}), {gate[0], gate[1], gates[0], gates[1]}},
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

double squares(const auto& p) { return p.gradient.defined() ? mg::testing::sum_of_squares(p.gradient) : -1; }

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
  for (const auto& graft : cases()) {
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
  for (const auto& graft : cases()) {
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
  mg::grow(mg::plan(before, Graft<JointText>{{.width = 6}}), model);
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
  mg::set_text_bias(model, anneal(1));
  descend(model, 2);
  each_new([](double g) { CHECK(g > 0); });
  CHECK(at(model, "y_weight_2.weight").value.data()[0] == std::exp(0.9 * -8.0));
  mg::set_text_bias(model, anneal(10));
  CHECK(at(model, "y_weight_2.weight").value.data()[0] == 1);
  mg::set_text_bias(model, anneal(0));
  CHECK(at(model, "y_weight_2.weight").value.data()[0] == 0);
  CHECK(says(message_of<mg::shape_error>([] {
               auto plain = random_model<float>();
               mg::set_text_bias(plain, 0);
             }),
             "JointText"));
  CHECK(says(message_of<mg::shape_error>([&] { mg::set_text_bias(model, std::nan("")); }), "logit bias", "nan"));
  CHECK_THROWS_AS(mg::set_text_bias(model, INFINITY), mg::shape_error);
}

TEST_CASE("averages and files hold the weight of concatenated tokens that the model has") {
  const auto config = mg::with_grafts(tiny_config(), Graft<JointText>{six});
  auto model = random_model<double>(config);
  mg::set_text_bias(model, -INFINITY);
  mg::AdamW<double, Cpu> adam(model, {});
  mg::Ema<double, Cpu> ema(model, adam);
  mg::set_text_bias(model, -1);
  ema.update(model, adam);
  CHECK(ema.averages().at("y_weight_2.weight").data()[0] == std::exp(-1.0));
  const modelgrow::testing::Scratch scratch;
  mg::save(scratch / "model.safetensors", model);
  auto loaded = random_model<double>(config);
  mg::load(loaded, mg::Checkpoint::open(scratch / "model.safetensors"));
  CHECK(at(loaded, "y_weight_2.weight").value.data()[0] == std::exp(-1.0));
}

TEST_CASE("a graft can be trained alone first, but not its projector alone: the zero factor must learn with it") {
  const bool alone = GENERATE(false, true);
  auto model = random_model<double>();
  const mg::Schema before = mg::schema(model);
  mg::grow(mg::plan(before, Graft<CrossText>{{.width = 6}}), model);
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
  const modelgrow::testing::Scratch scratch;
  const auto before = random_model<float>();
  std::filesystem::create_directory(scratch / "base");
  mg::save(scratch / "base" / "model.safetensors", before);
  mg::detail::write_file(scratch / "base" / "config.json", mg::config_text(before.config));
  const auto in = mg::Checkpoint::open(scratch / "base");
  const mg::Plan plan = mg::plan(
      in,
      Graft<GatedText>{
          {.width = 6, .max_length = 9, .refiner = 1, .prompt = R"({"template": "a clip of {}", "layers": [-2]})"}, 3});
  CHECK(plan.write(in, scratch / "grown").max_residual == 0);
  const auto out = mg::Checkpoint::open(scratch / "grown");
  mg::StditConfig config;
  mg::read_config(config, out.config(), "grown");
  REQUIRE(config.grafts.size() == 1);
  CHECK(config.grafts[0].name == "GatedText");
  CHECK(mg::second_text(config.grafts)->prompt == R"({"template":"a clip of {}","layers":[-2]})");
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
  CHECK(later.grafts == config.grafts);
  CHECK(later.depth == 3);
}

TEMPLATE_TEST_CASE("models with trained grafts grow on exactly", "", double, float) {
  const mg::grafts::TextOptions refined{.width = 6, .max_length = 9, .refiner = 1};
  const int design = GENERATE(0, 1, 2, 3);
  const auto with = [](const auto& text) {
    return mg::with_grafts(tiny_config(), text, Graft<Refiner>{{.depth = 1}}, Graft<PooledText>{{.width = 6}});
  };
  const auto config = design == 0   ? with(Graft<CrossText>{refined})
                      : design == 1 ? with(Graft<GatedText>{refined})
                      : design == 2 ? with(Graft<DecoupledText>{refined})
                                    : with(Graft<JointText>{refined});
  auto before = random_model<TestType>(config);
  if (mg::takes_schedule(before)) mg::set_text_bias(before, -0.5);
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
  const auto plan = mg::plan(mg::schema(before), Graft<GatedText>{{.width = 6}});
  auto old = before, after = before;
  mg::grow(plan, after);
  mg::for_each_parameter(after, [](const std::string&, auto& p) { p.value = p.value.clone(); });
  at(after, "blocks.1.cross_attn_2.gate").value.data()[1] = 1e-3;
  const Inputs<double> in(after.config);
  const auto found = mg::forward_check<double, Cpu>(plan, old, after, runner(in));
  REQUIRE_FALSE(found.passed());
  CHECK(found.first_divergence()->name == "blocks.1.cross_attn_2");
}

TEST_CASE("grafts that make no sense are refused with the reason") {
  const auto s = mg::schema(random_model<float>());
  const auto refused = [&](auto&&... ops) { return message_of<mg::plan_error>([&] { mg::plan(s, ops...); }); };
  const Graft<CrossText> told{{.width = 6, .prompt = R"({"a": 1})"}};
  CHECK(says(refused(Graft<CrossText>{}), "width 0"));
  CHECK(says(refused(told, told), "already"));
  CHECK(says(refused(told, Graft<PooledText>{{.width = 7}}), "one encoder", "6", "7"));
  CHECK(says(refused(told, Graft<PooledText>{{.width = 6, .prompt = R"({"a": 2})"}}), R"({"a":1})", R"({"a":2})"));
  CHECK(says(refused(Graft<CrossText>{{.width = 6, .prompt = "read this"}}), "prompt", "JSON"));
}

TEST_CASE("configurations from before the record still open, and are written as records") {
  const auto parsed = [](const std::string& text) {
    mg::StditConfig c;
    mg::read_config(c, text, "here");
    return c;
  };
  const auto refused = [&](const std::string& text) { return message_of<mg::format_error>([&] { parsed(text); }); };
  CHECK(says(refused(R"({"second_text": {"caption_channels": 6, "entry": "sideways"}})"), "here", "sideways", "gated"));
  CHECK(says(refused(R"({"temporal_conv": {"kernel": 2.5}})"), "kernel", "2.5"));
  for (const char* entry : {"cross_attention", "gated", "decoupled", "concatenated"}) {
    INFO(entry);
    const std::string text =
        R"({"input_size": [4, 8, 8], "in_channels": 3, "hidden_size": 24, "depth": 2, "num_heads": 2,
            "mlp_ratio": 2.5, "pred_sigma": false, "caption_channels": 10, "model_max_length": 7,
            "temporal_conv": {"kind": "dense", "kernel": 5, "padding": "centred"}, "text_refiner": 1,
            "pooled_channels": 6, "second_prompt": {"a": 1}, "prompt": {"b": 2},
            "second_text": {"caption_channels": 6, "model_max_length": 9, "refiner": 1, "entry": ")" +
        std::string(entry) + "\"}}";
    const auto config = parsed(text);
    CHECK(config.grafts.size() == 5);
    CHECK(mg::second_text(config.grafts)->prompt == R"({"a":1})");
    CHECK(mg::first_prompt(config.grafts) == R"({"b":2})");
    const mg::Schema live = mg::schema(mg::Stdit<float, mg::Meta>(config));
    const mg::Names names = mg::names_of(live);
    for (const std::string& kept : {text, mg::config_text(config)}) {
      const mg::Schema read = mg::family_of(names, kept, "old").schema(names, kept, "old");
      CHECK(read.grafts == config.grafts);
      REQUIRE(read.parameters.size() == live.parameters.size());
      for (const auto& p : live.parameters) {
        INFO(p.name);
        const auto* q = read.find(p.name);
        REQUIRE(q);
        CHECK(q->info.purpose == p.info.purpose);
        CHECK(q->shape() == p.shape());
        for (std::size_t a = 0; a < p.info.axes.size(); ++a)
          for (const char* space : {"hidden", "heads", "ffn"})
            CHECK(q->info.axes[a].extent.mentions(space) == p.info.axes[a].extent.mentions(space));
      }
      CHECK(mg::plan(read, mg::InsertBlocks{.every = 1}).certificate().exactness == mg::Exactness::exact);
    }
  }
}
