// SPDX-License-Identifier: MIT
// The whole training path on a small text-to-video pipeline: flow matching with dropped captions learns, resumes bit
// for bit with activations recomputed or not, and costs what its layers cost.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/diffusion/guidance.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/models/byte_encoder_json.hpp>
#include <modelgrow/models/stdit_config.hpp>
#include <modelgrow/models/stdit_json.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/ops/mse.hpp>
#include <modelgrow/train/flops.hpp>
#include <modelgrow/train/trainer.hpp>

#include <algorithm>
#include <map>
#include <numeric>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"

namespace mg = modelgrow;
using mg::testing::Scratch;
template <class D>
using Pipeline = mg::TextToVideo<float, D>;

namespace {

constexpr std::int64_t batch = 4;

template <class D>
Pipeline<D> pipeline() {
  return Pipeline<D>(mg::StditConfig{.input_size = {2, 8, 8},
                                     .in_channels = 3,
                                     .patch_size = {1, 4, 4},
                                     .hidden_size = 32,
                                     .depth = 2,
                                     .num_heads = 2,
                                     .pred_sigma = false,
                                     .caption_channels = 16,
                                     .model_max_length = 12},
                     mg::ByteEncoderConfig{.width = 16, .depth = 1, .num_heads = 2, .max_length = 12});
}

/// Clips of one brightness, which the caption names.
template <class D>
mg::Var<float, D> loss(Pipeline<D>& model, mg::Tape<float, D>& tape, std::int64_t step) {
  const mg::FlowMatching flow{.seed = 11};
  mg::Tensor<float, mg::Cpu> clips(mg::Shape{batch, 3, 2, 8, 8});
  std::vector<std::string> captions;
  for (std::int64_t b = 0; b < batch; ++b) {
    const bool bright = mg::Rng(5).below(std::uint64_t(step * batch + b), 2);
    captions.push_back(bright ? "bright" : "dark");
    for (std::int64_t i = 0; i < 384; ++i) clips.data()[b * 384 + i] = bright ? 0.9f : -0.9f;
  }
  const auto first = std::uint64_t(step * batch);
  const auto flow_batch = mg::training_batch<float, D>(flow, clips, first);
  auto text = model.text_encoder->encode(tape, captions);
  text.dropped = mg::to_device<D>(mg::caption_dropout(0.2, 11, first, batch));
  return mse(tape, model.transformer.forward(tape, tape.constant(flow_batch.noisy), flow_batch.time, text),
             flow_batch.target);
}

using Model = Pipeline<mg::Cpu>;
using Trainer = mg::Trainer<Model, float, mg::Cpu>;

std::vector<double> train(Model& model, std::int64_t steps, const std::filesystem::path& directory, bool resume) {
  Trainer trainer(model, {.steps = steps,
                          .schedule = {.peak = 3e-3, .warmup = 5},
                          .adamw = {.clip_norm = 1.0},
                          .ema = mg::EmaOptions{},
                          .directory = directory});
  if (resume) trainer.resume(directory);
  std::vector<double> losses;
  trainer.every(1, [&](const mg::StepReport& r) { losses.push_back(r.loss); });
  trainer.run([&](auto& tape, std::int64_t step) { return loss(model, tape, step); });
  return losses;
}

}  // namespace

TEST_CASE("a text-to-video pipeline learns, and a resumed run repeats the losses bit for bit") {
  const Scratch directory;
  const auto activations = GENERATE(mg::Activations::keep, mg::Activations::recompute);
  const auto fresh = [&] {
    Model model = pipeline<mg::Cpu>();
    mg::initialise(model, 1);
    model.transformer.activations = activations;
    return model;
  };
  Model whole = fresh(), first = fresh(), second = fresh();
  const auto expected = train(whole, 60, {}, false);
  const auto mean = [](auto begin) { return std::accumulate(begin, begin + 10, 0.0) / 10; };
  CHECK(mean(expected.end() - 10) < 0.7 * mean(expected.begin()));  // it knows the clips, not yet the noise

  auto losses = train(first, 25, directory / "latest", false);
  const auto rest = train(second, 60, directory / "latest", true);
  losses.insert(losses.end(), rest.begin(), rest.end());
  CHECK(losses == expected);
}

TEST_CASE("a run of another function in the same shapes is not resumed, and stays as it is") {
  const Scratch directory;
  Model model = pipeline<mg::Cpu>();
  mg::initialise(model, 1);
  train(model, 2, directory / "latest", false);
  const auto config = directory / "latest" / "transformer" / "config.json";
  const std::string saved = mg::detail::read_file(config);
  const auto refusal = [&](auto&& change) {
    auto video = model.transformer.config;
    auto text = model.text_encoder->config;
    change(video, text);
    Model other(video, text);
    Trainer trainer(other, {.steps = 4, .ema = mg::EmaOptions{}, .directory = directory / "latest"});
    return mg::testing::message_of<mg::format_error>([&] { trainer.resume(directory / "latest"); }) + "\n" +
           mg::testing::message_of<mg::format_error>([&] { trainer.start_from(directory / "latest"); });
  };
  using mg::testing::says;
  const auto both = [](const std::string& part) { return part + " in this model"; };
  CHECK(says(refusal([](auto& video, auto&) { video.num_heads = 4; }), "transformer/config.json",
             both("'num_heads' is 2 there and 4")));
  CHECK(says(refusal([](auto& video, auto&) { video.time_scale = 2; }), both("'time_scale' is 1.0 there and 2.0")));
  CHECK(says(refusal([](auto& video, auto&) { video.depth = 3; }), both("'depth' is 2 there and 3")));
  CHECK(says(refusal([](auto&, auto& text) { text.num_heads = 4; }), "text_encoder/config.json",
             both("'num_heads' is 2 there and 4")));
  const std::string said = refusal([](auto& video, auto&) { video.num_heads = 4; });
  CHECK(says(said.substr(said.find('\n')), "'num_heads' is 2 there and 4"));  // start_from() as well
  CHECK(mg::detail::read_file(config) == saved);
  // A key that is left out has the value that the family gives it.
  auto shorter = mg::detail::parse_json(saved, "config");
  shorter.erase("time_scale");
  mg::detail::write_file(config, shorter.dump());
  CHECK(train(model, 3, directory / "latest", true).size() == 1);
}

TEST_CASE("after blocks were inserted they can be trained alone: all of them move, and nothing else does") {
  Model model = pipeline<mg::Cpu>();
  mg::initialise(model, 1);
  train(model, 10, {}, false);  // gates open
  mg::grow(mg::plan(model.transformer, mg::InsertBlocks{.at = {1}}), model.transformer);
  mg::freeze(model, "*");
  mg::unfreeze(model, "transformer.blocks.1.*");
  std::map<std::string, std::vector<float>> before;
  mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
    before.emplace(path, std::vector<float>(p.value.span().begin(), p.value.span().end()));
  });
  train(model, 3, {}, false);
  std::size_t inserted = 0;
  mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
    const bool moved = !std::ranges::equal(before.at(path), p.value.span());
    const bool in_new = path.starts_with("transformer.blocks.1.");
    INFO(path);
    CHECK(moved == (in_new && mg::is_trained(p.info.purpose)));
    inserted += in_new;
  });
  CHECK(inserted > 10);
}

TEST_CASE("training makes the model listen: from noise alone it predicts what the caption says") {
  Model model = pipeline<mg::Cpu>();
  mg::initialise(model, 1);
  train(model, 300, {}, false);
  mg::Tape<float, mg::Cpu> tape(mg::Tape<float, mg::Cpu>::Mode::infer);
  const std::vector<std::string> captions{"bright", "dark"};
  const auto noise = mg::gaussian_noise<float>({1, 3, 2, 8, 8}, mg::Rng(7));
  mg::Tensor<float, mg::Cpu> both({2, 3, 2, 8, 8}), time({2});
  for (std::int64_t i = 0; i < both.size(); ++i) both.data()[i] = noise.data()[i % noise.size()];
  for (float& t : time.span()) t = float(mg::time_scale);
  const auto text = model.text_encoder->encode(tape, captions);
  const auto velocity = model.transformer.forward(tape, tape.constant(both), time, text).value();
  double apart = 0;  // velocity = noise - clip, and the clips are 1.8 apart
  for (std::int64_t i = 0; i < noise.size(); ++i) apart += velocity.data()[noise.size() + i] - velocity.data()[i];
  CHECK(apart / double(noise.size()) > 1.2);
}

TEST_CASE("the counted cost of a step is that of its layers") {
  using Count = mg::FlopCounter;
  auto model = pipeline<Count>();
  const double counted = mg::inference_flops([&](auto& tape) { return loss<Count>(model, tape, 0); });
  // Multiply-adds by hand: 8 tokens a clip (2 frames of 4), captions padded to 8 bytes.
  const double b = batch, tokens = 8 * b, text = 8 * b, c = 32, w = 16;
  const double encoder = text * 12 * w * w + 2 * b * 8 * 8 * w;
  const double embedders = tokens * 48 * c + b * (256 * c + c * c + 6 * c * c) + text * (w * c + c * c);
  const double attention = tokens * 4 * c * c * 3 - (tokens - text) * 2 * c * c;  // qkv and proj, 2 self and 1 cross
  const double scores = 2 * (tokens * 4 * c + tokens * 2 * c + tokens * 8 * c);
  const double block = attention + scores + tokens * 8 * c * c;
  const double final_layer = tokens * c * 48;
  CHECK(counted == 2 * (encoder + embedders + 2 * block + final_layer));
  const double training = mg::training_flops([&](auto& tape) { return loss<Count>(model, tape, 0); });
  CHECK(training > 2.8 * counted);
  CHECK(training < 3.1 * counted);
  model.transformer.activations = mg::Activations::recompute;
  CHECK(mg::training_flops([&](auto& tape) { return loss<Count>(model, tape, 0); }) == training + 2 * 2 * block);
}
