// SPDX-License-Identifier: MIT
// What a text-to-video model makes of prompts: the states of its text encoders, its prediction, and sampled clips.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <modelgrow/diffusion/guidance.hpp>
#include <modelgrow/diffusion/samplers.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/ops/first_channels.hpp>
#include <modelgrow/text/caption_states.hpp>

namespace example {
namespace mg = modelgrow;

/// Noise levels lean this much towards noise (shift_sigma): in small clips of large flat areas the picture shows
/// through nearly to the end, and only above that does a model need the caption.
inline constexpr double noise_shift = 5.0;

/// States of a second text encoder, for models that read one.
template <class T>
using SecondText = std::function<mg::PaddedStates<T>(std::span<const std::string>)>;

/// One model's prompts; `second_text` is needed for models that read a second encoder.
template <class T, class D>
struct PromptReader {
  SecondText<T> second_text = {};

  /// What the encoders of a model make of captions.
  struct Texts {
    mg::TextStates<T, D> first, second;
  };
  /// Throws modelgrow::error when the model reads a second encoder and there is none.
  Texts read(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, const std::vector<std::string>& captions) const {
    Texts texts{model.text_encoder.encode(tape, captions), {}};
    if (!model.transformer.config.takes_second_text()) return texts;
    if (!second_text)
      throw mg::error("this model reads a second text encoder: give its model or a cache of its states (--llm)");
    const auto padded = second_text(captions);
    texts.second = {tape.constant(mg::to_device<D>(padded.states)), mg::to_device<D>(padded.lengths), {}};
    return texts;
  }

  /// Clips [n, 3, T, H, W] for captions, by `steps` Euler steps with classifier-free guidance.
  mg::Tensor<T, mg::Cpu> sample(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, std::vector<std::string> captions,
                                double guidance, std::int64_t steps, std::uint64_t seed) const {
    const auto n = std::int64_t(captions.size());
    captions.insert(captions.end(), captions.begin(), captions.begin() + n);  // once more, dropped, for guidance
    mg::Tensor<std::int32_t, mg::Cpu> dropped({2 * n});
    for (std::int64_t i = 0; i < 2 * n; ++i) dropped.data()[i] = i >= n;
    return tape.without_recording([&] {
      auto texts = read(tape, model, captions);
      drop(texts, dropped);
      const auto velocity = [&](const mg::Tensor<T, D>& x, const mg::Tensor<mg::Stat<T>, D>& time) {
        return velocity_of(tape, model, x, time, texts).value();
      };
      const auto& s = model.transformer.config.input_size;
      const auto noise = mg::gaussian_noise<T, D>({n, model.transformer.config.in_channels, s[0], s[1], s[2]},
                                                  mg::Rng(seed, mg::hash_name("sample")));
      const auto sigmas = mg::FlowSchedule{.steps = steps, .shift = noise_shift}.sigmas();
      return mg::to_cpu(mg::sample_euler(noise, std::span<const double>(sigmas), mg::guided(velocity, guidance)));
    });
  }

  /// Gives the null caption of both encoders to the captions whose flag is set.
  static void drop(Texts& texts, const mg::Tensor<std::int32_t, mg::Cpu>& which) {
    texts.first.dropped = texts.second.dropped = mg::to_device<D>(which);
  }
  /// The model's prediction, without the variance that some models predict beside it.
  static mg::Var<T, D> velocity_of(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, const mg::Tensor<T, D>& x,
                                   const mg::Tensor<mg::Stat<T>, D>& time, const Texts& texts) {
    return mg::first_channels(tape, model.transformer.forward(tape, tape.constant(x), time, texts.first, texts.second),
                              model.transformer.config.in_channels);
  }
};

}  // namespace example
