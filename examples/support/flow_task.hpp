// SPDX-License-Identifier: MIT
// What the examples train: a text-to-video model by rectified flow on captioned clips, with caption dropout.
#pragma once
#include <numeric>

#include <modelgrow/data/augment.hpp>
#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/diffusion/guidance.hpp>
#include <modelgrow/diffusion/samplers.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/ops/first_channels.hpp>
#include <modelgrow/ops/mse.hpp>

#include "clip_data.hpp"

namespace example {

/// Noise levels lean this much towards noise (shift_sigma): in small clips of large flat areas the picture shows
/// through nearly to the end, and only above that does a model need the caption.
inline constexpr double noise_shift = 5.0;

/// Loss, validation and sampling of one kind of training; everything random is a function of (seed, step).
template <class T, class D>
struct FlowTask {
  const ClipData& data;
  mg::Batches batches;
  mg::FlowMatching flow;
  mg::Augmentation augmentation;
  double caption_dropout = 0.1;

  FlowTask(const ClipData& d, std::uint64_t batch, std::uint64_t seed, mg::Augmentation a = {})
      : data(d), batches(d.train.count(), batch, seed), flow{.shift = noise_shift, .seed = seed}, augmentation(a) {
    augmentation.seed = seed;
  }

  /// Training loss of one step.
  mg::Var<T, D> loss(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, std::uint64_t step) const {
    const auto indices = batches.at(step);
    const std::uint64_t first = step * batches.batch();
    auto clips = data.train.gather(indices);
    for (std::uint64_t i = 0; i < indices.size(); ++i)
      mg::augment(std::span(clips.data() + i * data.train.clip_size(), data.train.clip_size()), data.train.channels,
                  data.train.size, augmentation, first + i);
    const auto batch = mg::training_batch<T, D>(flow, std::move(clips), first);
    auto text = model.text_encoder.encode(tape, data.train.gather_captions(indices));
    text.dropped =
        mg::to_device<D>(mg::caption_dropout(caption_dropout, flow.seed, first, std::int64_t(indices.size())));
    return error(tape, model, batch, text);
  }

  /// Whose captions the validation clips are shown with. A model that listens does worse with those of other clips.
  enum class Captions { own, others };

  /// Mean loss over all validation clips at fixed noise and noise levels spread evenly before the shift.
  double validation_loss(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, Captions captions = Captions::own,
                         std::size_t rounds = 2) const {
    constexpr std::size_t chunk = 32;
    mg::FlowMatching fixed = flow;
    fixed.seed = 12345;  // one noise for every run that is compared
    return tape.without_recording([&] {
      const ClipSet& set = data.validation;
      double sum = 0;
      for (std::size_t round = 0; round < rounds; ++round)
        for (std::size_t from = 0; from < set.count(); from += chunk) {
          std::vector<std::size_t> indices(std::min(chunk, set.count() - from));
          std::iota(indices.begin(), indices.end(), from);
          const auto batch =
              mg::validation_batch<T, D>(fixed, set.gather(indices), round * set.count() + from, 2 * chunk + 1);
          if (captions == Captions::others)
            for (auto& i : indices) i = (i + set.count() / 2) % set.count();
          const auto text = model.text_encoder.encode(tape, set.gather_captions(indices));
          sum += double(mg::to_cpu(error(tape, model, batch, text).value()).data()[0]) * double(indices.size());
        }
      return sum / double(rounds * set.count());
    });
  }

  /// Clips [n, 3, T, H, W] for captions, by `steps` Euler steps with classifier-free guidance.
  mg::Tensor<T, mg::Cpu> sample(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, std::vector<std::string> captions,
                                double guidance, std::int64_t steps, std::uint64_t seed) const {
    const auto n = std::int64_t(captions.size());
    captions.insert(captions.end(), captions.begin(), captions.begin() + n);  // once more, dropped, for guidance
    mg::Tensor<std::int32_t, mg::Cpu> dropped({2 * n});
    for (std::int64_t i = 0; i < 2 * n; ++i) dropped.data()[i] = i >= n;
    return tape.without_recording([&] {
      auto text = model.text_encoder.encode(tape, captions);
      text.dropped = mg::to_device<D>(dropped);
      const auto velocity = [&](const mg::Tensor<T, D>& x, const mg::Tensor<mg::Stat<T>, D>& time) {
        return velocity_of(tape, model, x, time, text).value();
      };
      const auto& s = model.transformer.config.input_size;
      const auto noise = mg::gaussian_noise<T, D>({n, model.transformer.config.in_channels, s[0], s[1], s[2]},
                                                  mg::Rng(seed, mg::hash_name("sample")));
      const auto sigmas = mg::FlowSchedule{.steps = steps, .shift = noise_shift}.sigmas();
      return mg::to_cpu(mg::sample_euler(noise, std::span<const double>(sigmas), mg::guided(velocity, guidance)));
    });
  }

 private:
  static mg::Var<T, D> error(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, const mg::FlowBatch<T, D>& batch,
                             const mg::TextStates<T, D>& text) {
    return mg::mse(tape, velocity_of(tape, model, batch.noisy, batch.time, text), batch.target);
  }
  /// The model's prediction, without the variance that some models predict beside it.
  static mg::Var<T, D> velocity_of(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, const mg::Tensor<T, D>& x,
                                   const mg::Tensor<mg::Stat<T>, D>& time, const mg::TextStates<T, D>& text) {
    return mg::first_channels(tape, model.transformer.forward(tape, tape.constant(x), time, text),
                              model.transformer.config.in_channels);
  }
};

}  // namespace example
