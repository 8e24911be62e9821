// SPDX-License-Identifier: MIT
// STDiT against the upstream class, and its gradients against finite differences.
#include "stdit_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace test;
using mg::Cpu;

namespace {
const std::string golden_path = std::string(MODELGROW_SOURCE_DIR) + "/tests/golden/stdit1.safetensors";

mg::StditConfig parse(const std::string& text) {
  mg::StditConfig c;
  mg::read_config(c, text, "here");
  return c;
}
mg::StditConfig golden_config(const mg::Checkpoint& file) { return parse(file.metadata().at("config")); }

template <class T>
mg::Tensor<T, Cpu> golden(const mg::Checkpoint& file, const char* name, mg::Shape shape) {
  const auto values = mg::values_of<T>(file.tensor(name));
  return mg::Tensor<T, Cpu>::from(std::move(shape), values);
}

/// Error of the model on the golden inputs, relative to the largest output. Upstream's time features are float32, and
/// releases of torch differ there by an ulp of exp, which alone moves the output by 6e-5. `Features::upstream` takes
/// the features that torch 1.13 gave when the file was made: a change of features is a change of the first bias.
enum class Features { ours, upstream };

template <class T>
double golden_error(Features features) {
  const auto file = mg::Checkpoint::open(golden_path);
  const auto stored =
      mg::Checkpoint::open(std::string(MODELGROW_SOURCE_DIR) + "/tests/golden/time_features.safetensors");
  const auto theirs = golden<T>(stored, "time_features", {2, 256});
  const auto x = golden<T>(file, "in.x", {2, 4, 4, 8, 8}), y = golden<T>(file, "in.y", {2, 6, 20});
  const auto t = golden<T>(file, "in.timestep", {2}), out = golden<T>(file, "out", {2, 8, 4, 8, 8});
  mg::Tensor<T, Cpu> ours({2, 256}), result(out.shape());
  mg::Backend<Cpu>::time_features(2, 256, t.data(), ours.data());
  const auto* mask = reinterpret_cast<const std::int64_t*>(file.tensor("in.mask").data);

  for (int b = 0; b < 2; ++b) {
    mg::Stdit<T, Cpu> model(golden_config(file));
    mg::load(model, file, mg::LoadOptions{.prefix = "w."});
    auto& first = model.t_embedder.first;
    for (std::int64_t i = 0; features == Features::upstream && i < first.bias.value.size(); ++i)
      for (int j = 0; j < 256; ++j)
        first.bias.value.data()[i] +=
            first.weight.value.data()[i * 256 + j] * (theirs.data()[b * 256 + j] - ours.data()[b * 256 + j]);
    mg::Tensor<std::int32_t, Cpu> lengths({1});
    lengths.data()[0] = std::int32_t(std::count(mask + 6 * b, mask + 6 * b + 6, 1));
    mg::Tape<T, Cpu> tape(mg::Tape<T, Cpu>::Mode::infer);
    const auto clip = tape.constant(x.view(b * 1024, {1, 4, 4, 8, 8}));
    const auto text = tape.constant(y.view(b * 120, {1, 6, 20}));
    const auto v = model.forward(tape, clip, t.view(b, {1}), {text, lengths, {}}).value();
    std::copy(v.data(), v.data() + v.size(), result.data() + b * v.size());
  }
  return relative_difference(result, golden<double>(file, "out", out.shape()));
}
}  // namespace

TEST_CASE("STDiT agrees with Open-Sora 1.0") {
  CHECK(golden_error<double>(Features::upstream) < 2 * 4.9e-7);
  CHECK(golden_error<float>(Features::upstream) < 1e-4);
  CHECK(golden_error<double>(Features::ours) < 1e-4);
}

TEST_CASE("position tables agree with the buffers Open-Sora stores") {
  const auto file = mg::Checkpoint::open(golden_path);
  const mg::Stdit<double, Cpu> fresh(golden_config(file));
  const auto stored = golden<double>(file, "w.pos_embed", {1, 16, 48});
  const auto stored_t = golden<double>(file, "w.pos_embed_temporal", {1, 4, 48});
  CHECK(relative_difference(fresh.pos_embed.value, stored) < 1e-7);  // stored as float32
  CHECK(relative_difference(fresh.pos_embed_temporal.value, stored_t) < 1e-7);
}

TEST_CASE("gradients of the whole model agree with finite differences") {
  using namespace mg::grafts;
  using mg::Graft, mg::with_grafts;
  const TextOptions text{.width = 6, .max_length = 5}, refined{.width = 6, .max_length = 5, .refiner = 1};
  const Graft<TemporalConv> dense{}, depthwise{{.kind = mg::ConvKind::depthwise}};
  const auto base = tiny_config();
  const int graft = GENERATE(0, 1, 2, 3, 4, 5);
  const auto config =
      graft == 0   ? base
      : graft == 1 ? with_grafts(base, depthwise, Graft<TemporalAttention>{{.frames = 4}}, Graft<CrossText>{text},
                                 Graft<Refiner>{{.depth = 1}}, Graft<PooledText>{{.width = 6}}, Graft<PooledCaption>{})
      : graft == 2 ? with_grafts(base, dense, Graft<GatedText>{refined})
      : graft == 3 ? with_grafts(base, dense, Graft<DecoupledText>{refined})
      : graft == 4 ? with_grafts(base, dense, Graft<JointText>{refined})
                   : with_grafts(base, mg::MixtureOfExperts{.experts = 3, .active = 3});  // no choice, which jumps
  mg::Stdit<double, Cpu> model(config);
  model.activations = GENERATE(mg::Activations::keep, mg::Activations::recompute);
  randomise(model, 3, 0.12);
  // Gates nearly closed would leave gradients behind them that drown in the rounding of the loss.
  mg::for_each_parameter(model, [](const std::string& path, auto& p) {
    if (path.ends_with("gate")) mg::Backend<Cpu>::axpy(p.value.size(), 9.0, p.value.clone().data(), p.value.data());
  });
  if (mg::takes_schedule(model)) mg::set_text_bias(model, -0.5);
  const Inputs<double> in(config);
  const auto target = random_tensor<double>({2, 3, 4, 8, 8}, 99);
  mg::testing::check_parameter_gradients(model, [&](mg::Tape<double, Cpu>& tape) {
    return mg::mse(tape, model.forward(tape, tape.constant(in.x), in.t, in.text(tape), in.text_2(tape)), target);
  });
}

TEST_CASE("recomputing activations gives the same gradients, bit by bit") {
  const auto config = tiny_config();
  const Inputs<float> in(config);
  const auto target = random_tensor<float>({2, 3, 4, 8, 8}, 99);
  const auto gradients = [&](mg::Activations activations) {
    mg::Stdit<float, Cpu> model(config);
    model.activations = activations;
    randomise(model, 3);
    mg::Tape<float, Cpu> tape;
    tape.backward(mg::mse(tape, model.forward(tape, tape.constant(in.x), in.t, in.text(tape)), target));
    std::vector<float> all;
    mg::for_each_parameter(model, [&](const std::string&, auto& p) {
      if (p.trained()) all.insert(all.end(), p.gradient.data(), p.gradient.data() + p.gradient.size());
    });
    return all;
  };
  const auto keep = gradients(mg::Activations::keep), again = gradients(mg::Activations::recompute);
  CHECK((keep == again));
}

TEST_CASE("inputs that do not fit are refused with both shapes") {
  const auto config = tiny_config();
  mg::Stdit<float, Cpu> model(config);
  randomise(model, 1);
  Inputs<float> in(config);
  const auto message = [&]() -> std::string {
    try {
      run(model, in);
    } catch (const mg::shape_error& e) {
      return e.what();
    }
    return "no error";
  };
  CHECK(message() == "no error");
  SECTION("clip") {
    in.x = random_tensor<float>({2, 3, 4, 8, 6}, 1);
    CHECK(message().find("[2, 3, 4, 8, 6]") != std::string::npos);
    CHECK(message().find("[batch, 3, 4, 8, 8]") != std::string::npos);
  }
  SECTION("text width") {
    in.states = random_tensor<float>({2, 5, 11}, 1);
    CHECK(message().find("up to 7, 10") != std::string::npos);
  }
  SECTION("text length") {
    in.states = random_tensor<float>({2, 8, 10}, 1);
    CHECK(message().find("crop longer captions") != std::string::npos);
  }
}

TEST_CASE("a configuration survives JSON and refuses nonsense") {
  const mg::StditConfig config{.input_size = {4, 8, 10},
                               .in_channels = 3,
                               .patch_size = {2, 4, 5},
                               .hidden_size = 24,
                               .depth = 2,
                               .num_heads = 2,
                               .mlp_ratio = 2.5,
                               .pred_sigma = false,
                               .caption_channels = 10,
                               .model_max_length = 7,
                               .space_scale = 0.5,
                               .time_scale = 0.25,
                               .grafts = {{.name = "TemporalConv",
                                           .options = R"({"kernel":5})",
                                           .tensors = {{"a", "fixed 1; closes"}},
                                           .replaces = {"b"}}},
                               .prediction = mg::Prediction::clip};
  const mg::StditConfig standard;
  // Names every field: a new one does not compile until it is here, and is seen only off its default.
  const auto differ = [](const auto&... pairs) { return ((pairs.first != pairs.second) && ...); };
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = config;
  const auto& [A, B, C, D, E, F, G, H, I, J, K, L, M, N] = standard;
  CHECK(differ(std::pair(a, A), std::pair(b, B), std::pair(c, C), std::pair(d, D), std::pair(e, E), std::pair(f, F),
               std::pair(g, G), std::pair(h, H), std::pair(i, I), std::pair(j, J), std::pair(k, K), std::pair(l, L),
               std::pair(m, M), std::pair(n, N)));
  CHECK(parse(mg::config_text(config)) == config);
  CHECK_THROWS_AS(parse("[]"), mg::format_error);
  CHECK_THROWS_AS(parse(R"({"depth": "many"})"), mg::format_error);
  CHECK_THROWS_AS(parse(R"({"hidden_size": 10, "num_heads": 3})"), mg::format_error);
  CHECK(parse(R"({"space_scale": null, "depth": null, "input_size": null, "temporal_conv": null, "second_text": null,)"
              R"( "second_prompt": null, "prompt": null})") == standard);
  CHECK(parse(R"({"depth": 2.0})").depth == 2);
  CHECK_THROWS_WITH(parse(R"({"depth": 2.9})"), "here: 'depth' is 2.9; expected a whole number");
  CHECK_THROWS_WITH(parse(R"({"depth": 1e300})"), "here: 'depth' is 1e+300; expected a whole number");
  CHECK_THROWS_AS(parse(R"({"caption_channels": 18446744073709551615})"), mg::format_error);
  CHECK_THROWS_WITH(parse(R"({"in_channels": 9007199254740992})"),
                    "here: [STDiT config] a size of 9007199254740992, which no model comes near");
  for (const char* ratio : {"1e300", "-1e300"})
    CHECK_THROWS_AS(parse(std::string(R"({"mlp_ratio": )") + ratio + "}"), mg::format_error);
  CHECK_THROWS_WITH(parse(R"({"depth": true})"), "here: 'depth' is true; expected a whole number");
  CHECK_THROWS_WITH(parse(R"({"mlp_ratio": true})"), "here: 'mlp_ratio' is true; expected a number");
  CHECK_THROWS_WITH(parse(R"({"pred_sigma": 1})"), "here: 'pred_sigma' is 1; expected true or false");
  CHECK_THROWS_WITH(parse(R"({"patch_size": [1, 2]})"), "here: 'patch_size' is [1,2]; expected a list of 3");
  CHECK_THROWS_AS(parse(R"({"patch_size": [1, 2, 2.5]})"), mg::format_error);
  CHECK(mg::config_text(standard).find("prediction_type") == std::string::npos);  // upstream's class does not know it
  CHECK(parse(R"({"prediction_type": "flow_prediction"})") == standard);
  auto of_clips = standard;
  of_clips.prediction = mg::Prediction::clip;
  CHECK(parse(mg::config_text(of_clips)) == of_clips);
  CHECK(parse(R"({"prediction_type": "sample"})") == of_clips);
  CHECK_THROWS_WITH(parse(R"({"prediction_type": "epsilon"})"),
                    "here: 'epsilon' is not one of flow_prediction, sample");
  CHECK_THROWS_AS(parse(R"({"temporal_conv": {"kind": "sideways"}})"), mg::format_error);
}
