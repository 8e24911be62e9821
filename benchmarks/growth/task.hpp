// SPDX-License-Identifier: MIT
// What every run is trained on: rectified flow on the clips of a world, with caption dropout; its validation and its
// samples. Everything random is a function of (seed, step).
#pragma once
#include <algorithm>

#include <modelgrow/diffusion/clip_prediction.hpp>
#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/diffusion/guidance.hpp>
#include <modelgrow/diffusion/samplers.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/ops/first_channels.hpp>
#include <modelgrow/ops/mse.hpp>
#include <modelgrow/train/flops.hpp>
#include <modelgrow/train/seeds.hpp>

#include "second_text.hpp"
#include "settings.hpp"
#include "world.hpp"

namespace growth {

template <mg::Device D>
using ModelOn = mg::TextToVideo<float, D>;

/// Clips for a model of this configuration.
inline mg::ClipSize size_of(const mg::StditConfig& video) {
  return {int(video.input_size[0]), int(video.input_size[1]), int(video.input_size[2])};
}

/// The captions of a batch that are not read, as flags [n]: by the text encoder, by the language model.
template <mg::Device D>
struct Unread {
  mg::Tensor<std::int32_t, D> first, second;
};

/// The velocity that a model predicts for noisy clips [n, C, T, H, W].
template <mg::Device D>
mg::Var<float, D> velocity(mg::Tape<float, D>& tape, ModelOn<D>& model, const mg::Tensor<float, D>& noisy,
                           const mg::Tensor<float, D>& time, const std::vector<std::string>& captions,
                           const Unread<D>& unread, const SecondText* second) {
  if (!model.text_encoder)
    throw mg::error("this model has no text encoder of its own; the growth benchmark trains pipelines that have one");
  auto text = model.text_encoder->encode(tape, captions);
  text.dropped = unread.first;
  const mg::StditConfig& config = model.transformer.config;
  mg::TextStates<float, D> text_2;
  if (mg::second_text(config.grafts)) {
    if (!second)
      throw mg::error("this model reads a language model: name its states in the experiment, as \"language_model\"");
    text_2 = second->read<D>(tape, captions);
    text_2.dropped = unread.second;
  }
  const auto predicted = mg::first_channels(
      tape, model.transformer.forward(tape, tape.constant(noisy), time, text, text_2), config.in_channels);
  return config.prediction == mg::Prediction::clip ? mg::velocity_of_clip(tape, noisy, time, predicted) : predicted;
}

/// Loss, validation and samples of one run.
template <mg::Device D>
class Task {
 public:
  /// `second` may be null for models that read one text encoder.
  Task(const World& world, const Training& training, std::uint64_t seed, const SecondText* second)
      : world_(world),
        second_(second),
        training_(training),
        flow_{.shift = training.noise_shift, .seed = mg::stream_seed(seed, "noise")},
        dropout_seed_(mg::stream_seed(seed, "caption dropout")),
        alone_seed_(mg::stream_seed(seed, "language model alone")) {}

  /// Training loss of one step.
  mg::Var<float, D> loss(mg::Tape<float, D>& tape, ModelOn<D>& model, std::int64_t step) const {
    const std::uint64_t first = first_of(step);
    const ClipBatch batch = training_batch(world_, first, std::size_t(training_.batch));
    const auto flow = mg::training_batch<float, D>(flow_, batch.clips, first);
    const auto dropped = mg::caption_dropout(training_.caption_dropout, dropout_seed_, first, training_.batch);
    const auto alone = mg::caption_dropout(second_ ? second_->alone() : 0, alone_seed_, first, training_.batch);
    const auto unread = this->unread(dropped, [&](std::int64_t i) { return alone.data()[i] != 0; });
    return mg::mse(tape, velocity<D>(tape, model, flow.noisy, flow.time, batch.captions, unread, second_), flow.target);
  }

  /// The loss of one step on the device that only counts.
  mg::Var<float, mg::FlopCounter> counted_loss(mg::Tape<float, mg::FlopCounter>& tape,
                                               ModelOn<mg::FlopCounter>& counted, std::int64_t step) const {
    using Counter = mg::FlopCounter;
    const auto& video = counted.transformer.config;
    const auto& s = video.input_size;
    std::vector<std::string> captions;
    for (std::int64_t i = 0; i < training_.batch; ++i)
      captions.push_back(world_.caption(first_of(step) + std::uint64_t(i)));
    const mg::Tensor<float, Counter> clips({training_.batch, video.in_channels, s[0], s[1], s[2]}),
        time({training_.batch});
    const mg::Tensor<std::int32_t, Counter> dropped({training_.batch});
    return mg::mse(tape, velocity<Counter>(tape, counted, clips, time, captions, {dropped, dropped}, second_), clips);
  }
  /// Operations of one step: the step itself, run on the device that only counts.
  double flops(ModelOn<mg::FlopCounter>& counted, std::int64_t step) const {
    return mg::training_flops<float>([&](auto& tape) { return counted_loss(tape, counted, step); });
  }

  /// Mean loss over all validation clips, at noise and noise levels that are the same for every run; with these
  /// captions in place of their own.
  double validation_loss(mg::Tape<float, D>& tape, ModelOn<D>& model, std::int64_t rounds,
                         const std::vector<std::string>& instead = {}) const {
    constexpr std::size_t chunk = 32;
    constexpr std::uint64_t levels = 2 * chunk + 1;
    mg::FlowMatching fixed = flow_;
    fixed.seed = 12345;
    const std::size_t count = world_.validation().size();
    return tape.without_recording([&] {
      double sum = 0;
      for (std::int64_t round = 0; round < rounds; ++round)
        for (std::size_t from = 0; from < count; from += chunk) {
          const std::size_t n = std::min(chunk, count - from);
          ClipBatch batch = validation_batch(world_, from, n);
          if (!instead.empty())
            batch.captions.assign(instead.begin() + std::ptrdiff_t(from), instead.begin() + std::ptrdiff_t(from + n));
          const auto flow = mg::validation_batch<float, D>(fixed, batch.clips,
                                                           std::uint64_t(round) * count + std::uint64_t(from), levels);
          const auto unread = this->unread(mg::Tensor<std::int32_t, mg::Cpu>::zeros({std::int64_t(n)}),
                                           [&](auto i) { return foreign(model, batch.captions[std::size_t(i)]); });
          const auto loss = mg::mse(
              tape, velocity<D>(tape, model, flow.noisy, flow.time, batch.captions, unread, second_), flow.target);
          sum += double(mg::to_cpu(loss.value()).data()[0]) * double(n);
        }
      return sum / double(rounds * std::int64_t(count));
    });
  }

  /// Clips [n, C, T, H, W] for prompts, by Euler steps with classifier-free guidance.
  mg::Tensor<float, mg::Cpu> sample(mg::Tape<float, D>& tape, ModelOn<D>& model, std::vector<std::string> prompts,
                                    const Measuring& how, std::uint64_t seed) const {
    const auto n = std::int64_t(prompts.size());
    const auto copy = prompts;
    prompts.insert(prompts.end(), copy.begin(), copy.end());  // once more, dropped, for guidance
    mg::Tensor<std::int32_t, mg::Cpu> flags({2 * n});
    for (std::int64_t i = 0; i < 2 * n; ++i) flags.data()[i] = i >= n;
    const auto unread = this->unread(flags, [&](auto i) { return foreign(model, prompts[std::size_t(i)]); });
    const auto& video = model.transformer.config;
    const auto& s = video.input_size;
    return tape.without_recording([&] {
      const auto predict = [&](const mg::Tensor<float, D>& x, const mg::Tensor<float, D>& time) {
        return velocity<D>(tape, model, x, time, prompts, unread, second_).value();
      };
      const auto noise = mg::gaussian_noise<float, D>({n, video.in_channels, s[0], s[1], s[2]},
                                                      mg::Rng(seed, mg::hash_name("sample")));
      const auto sigmas = mg::FlowSchedule{.steps = how.sample_steps, .shift = training_.noise_shift}.sigmas();
      return mg::to_cpu(mg::sample_euler(noise, std::span<const double>(sigmas), mg::guided(predict, how.guidance)));
    });
  }

 private:
  /// Those dropped, and for the text encoder those that the language model reads alone.
  Unread<D> unread(const mg::Tensor<std::int32_t, mg::Cpu>& dropped, const auto& alone) const {
    mg::Tensor<std::int32_t, mg::Cpu> first(dropped.shape());
    for (std::int64_t i = 0; i < dropped.size(); ++i) first.data()[i] = dropped.data()[i] != 0 || alone(i);
    return {mg::to_device<D>(first), mg::to_device<D>(dropped)};
  }
  bool foreign(const ModelOn<D>& model, const std::string& caption) const {
    return second_ && second_->alone() > 0 && !knows(model.text_encoder->config, caption);
  }

  std::uint64_t first_of(std::int64_t step) const { return std::uint64_t(step) * std::uint64_t(training_.batch); }

  const World& world_;
  const SecondText* second_;
  Training training_;
  mg::FlowMatching flow_;
  std::uint64_t dropout_seed_, alone_seed_;
};

}  // namespace growth
