// SPDX-License-Identifier: MIT
// A tiny STDiT with its byte encoder, trained and sampled on any device in any type: everything a run meets, so that
// devices can be compared step by step.
#pragma once
#include <modelgrow/core/rng.hpp>
#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/diffusion/guidance.hpp>
#include <modelgrow/diffusion/samplers.hpp>
#include <modelgrow/models/byte_encoder_json.hpp>
#include <modelgrow/models/stdit_config.hpp>
#include <modelgrow/models/stdit_json.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/ops/mse.hpp>
#include <modelgrow/train/trainer.hpp>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace modelgrow::testing {

/// What is compared: loss and gradient norm of every step, the gradients of the first, and a clip sampled at the end.
struct TinyRun {
  std::vector<double> losses, norms;
  std::map<std::string, std::vector<double>> gradients;
  std::vector<double> clip;
};

struct TinyRunOptions {
  ConvKind conv = ConvKind::depthwise;
  Activations activations = Activations::keep;
  std::int64_t steps = 2;
  bool graph = false;        // TrainerOptions::graph
  std::int64_t experts = 0;  // 0: no mixtures; all of them see each token, as rounding would change a choice
};

/// The same numbers, in double, on the host.
template <class T, Device D>
std::vector<double> doubles(const Tensor<T, D>& t) {
  const auto host = to_cpu(t);
  std::vector<double> values;
  for (const T& v : host.span()) values.push_back(double(Stat<T>(v)));
  return values;
}

/// Trains from the same weights on the same data; weights start random, the zero-initialised ones too.
template <class T, Device D>
TinyRun tiny_run(const TinyRunOptions& options) {
  StditConfig video;
  video.input_size = {4, 8, 8};
  video.in_channels = 3;
  video.hidden_size = 24;
  video.depth = 2;
  video.num_heads = 2;
  video.mlp_ratio = 2.5;
  video.pred_sigma = false;
  video.caption_channels = 12;
  video.model_max_length = 14;
  video = with_grafts(video, Graft<grafts::TemporalConv>{{.kind = options.conv}},
                      Graft<grafts::CrossText>{{.width = 12, .max_length = 14}});
  if (options.experts > 0)
    video = with_grafts(video, MixtureOfExperts{.experts = options.experts, .active = options.experts});
  TextToVideo<T, D> model(video, ByteEncoderConfig{.width = 12, .depth = 1, .num_heads = 2, .max_length = 14});
  model.transformer.activations = options.activations;
  for_each_parameter(model, [](const std::string& path, auto& p) {
    const Rng rng(11, hash_name(path));
    std::vector<double> values;
    // Numbers that bf16 can hold, so that all types start from the same model.
    for (std::int64_t i = 0; i < p.value.size(); ++i)
      values.push_back(float(bf16(float(0.1 * rng.normal(std::uint64_t(i))))));
    assign(p.value, values);
  });

  const std::vector<std::string> captions{"a red square", "up"};
  const auto predict = [&](Tape<T, D>& tape, const Tensor<T, D>& x, const Tensor<Stat<T>, D>& time,
                           const std::vector<std::string>& texts, const std::vector<std::int32_t>& dropped) {
    auto text = model.text_encoder->encode(tape, texts);
    text.dropped = to_device<D>(Tensor<std::int32_t, Cpu>::from({std::int64_t(dropped.size())}, dropped));
    return model.transformer.forward(tape, tape.constant(x), time, text, text);
  };
  Tensor<float, Cpu> clips({2, 3, 4, 8, 8});
  for (std::int64_t i = 0; i < clips.size(); ++i) clips.data()[i] = float(Rng(3).normal(std::uint64_t(i)));

  TinyRun run;
  Trainer<TextToVideo<T, D>, T, D> trainer(model,
                                           TrainerOptions{.steps = options.steps,
                                                          .schedule = {.peak = 1e-3},
                                                          .adamw = {.eps = 1e-2, .weight_decay = 0.1, .clip_norm = 1.0},
                                                          .ema = EmaOptions{.decay = 0.9},
                                                          .graph = options.graph});
  trainer.every(1, [&](const StepReport& report) {
    run.losses.push_back(report.loss);
    run.norms.push_back(report.gradient_norm);
  });
  const auto loss = [&](Tape<T, D>& tape, std::int64_t i) {
    const std::vector<double> sigmas{0.5, 0.25};  // times 500 and 250, which bf16 can hold
    const auto batch = add_noise<T, D>(FlowMatching{}, clips, sigmas, std::uint64_t(2 * i));
    return mse(tape, predict(tape, batch.noisy, batch.time, captions, {0, 1}), batch.target);
  };
  {  // the gradients of the first step, by hand
    Tape<T, D> tape;
    tape.backward(loss(tape, 0));
    for_each_parameter(model, [&](const std::string& path, auto& p) {
      if (!p.gradient.defined()) return;
      run.gradients[path] = doubles(p.gradient);
      p.gradient.zero();
    });
  }
  trainer.run(loss);

  const auto averages = trainer.ema()->use_in(model);
  const auto velocity = guided(
      [&](const Tensor<T, D>& x, const Tensor<Stat<T>, D>& time) {
        Tape<T, D> tape(Tape<T, D>::Mode::infer);
        return predict(tape, x, time, {captions[0], captions[0]}, {0, 1}).value();
      },
      3.0);
  const auto noise = gaussian_noise<T, D>(Shape{1, 3, 4, 8, 8}, Rng(9));
  run.clip = doubles(sample_euler(noise, FlowSchedule{.steps = 2}.sigmas(), velocity));
  return run;
}

/// |a - b| / |b| in the Euclidean norm; infinite for values that are not numbers.
inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return difference < HUGE_VAL ? std::sqrt(difference / size) : HUGE_VAL;
}

/// All gradients of a run as one vector: those of queries and keys alone are small differences of large numbers.
inline std::vector<double> all_gradients(const TinyRun& run) {
  std::vector<double> all;
  for (const auto& [path, values] : run.gradients) all.insert(all.end(), values.begin(), values.end());
  return all;
}

/// Largest distances from a run in double on the CPU.
struct TinyRunBounds {
  double loss, gradient, clip;
};
inline constexpr TinyRunBounds double_bounds{.loss = 1e-13, .gradient = 1e-12, .clip = 1e-13};
inline constexpr TinyRunBounds float_bounds{.loss = 1e-6, .gradient = 1e-6, .clip = 1e-6};
inline constexpr TinyRunBounds bf16_bounds{.loss = 0.01, .gradient = 0.05, .clip = 0.01};

inline void check_tiny_run(const TinyRun& device, const TinyRun& reference, const TinyRunBounds& bounds) {
  REQUIRE(reference.losses.size() == device.losses.size());
  REQUIRE(reference.gradients.size() > 50);
  CHECK(reference.losses.front() > reference.losses.back());
  CHECK(distance(device.losses, reference.losses) <= bounds.loss);
  CHECK(distance(device.norms, reference.norms) <= bounds.gradient);
  CHECK(distance(all_gradients(device), all_gradients(reference)) <= bounds.gradient);
  CHECK(distance(device.clip, reference.clip) <= bounds.clip);
}

}  // namespace modelgrow::testing
