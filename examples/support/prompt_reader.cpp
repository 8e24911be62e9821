// SPDX-License-Identifier: MIT
// Prompts read by both encoders, and samples of them.
#include "prompt_reader.hpp"

#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/diffusion/clip_prediction.hpp>
#include <modelgrow/diffusion/guidance.hpp>
#include <modelgrow/diffusion/samplers.hpp>
#include <modelgrow/ops/first_channels.hpp>

namespace example {

PromptReader::Texts PromptReader::read(Tape& tape, Model& model, const std::vector<std::string>& captions) const {
  const auto read_from = [&](const TextSource& source, const char* which) -> mg::TextStates<float, Device> {
    if (!source)
      throw mg::error("this model reads a language model as its " + std::string(which) +
                      " text encoder, and this program has given it none: prompt --llm samples from such a model");
    const auto padded = source(captions);
    return {tape.constant(mg::to_device<Device>(padded.states)), mg::to_device<Device>(padded.lengths), {}};
  };
  Texts texts;
  texts.first = model.text_encoder ? model.text_encoder->encode(tape, captions) : read_from(first_text, "first");
  if (mg::second_text(model.transformer.config.grafts)) texts.second = read_from(second_text, "second");
  return texts;
}

mg::Tensor<float, mg::Cpu> PromptReader::sample(Tape& tape, Model& model, std::vector<std::string> captions,
                                                double guidance, std::int64_t steps, std::uint64_t seed) const {
  const auto n = std::int64_t(captions.size());
  captions.insert(captions.end(), captions.begin(), captions.begin() + n);  // once more, dropped, for guidance
  mg::Tensor<std::int32_t, mg::Cpu> dropped({2 * n});
  for (std::int64_t i = 0; i < 2 * n; ++i) dropped.data()[i] = i >= n;
  return tape.without_recording([&] {
    auto texts = read(tape, model, captions);
    drop(texts, dropped);
    const auto velocity = [&](const mg::Tensor<float, Device>& x, const mg::Tensor<float, Device>& time) {
      return velocity_of(tape, model, x, time, texts).value();
    };
    const auto& s = model.transformer.config.input_size;
    const auto noise = mg::gaussian_noise<float, Device>({n, model.transformer.config.in_channels, s[0], s[1], s[2]},
                                                         mg::Rng(seed, mg::hash_name("sample")));
    const auto sigmas = mg::FlowSchedule{.steps = steps, .shift = noise_shift}.sigmas();
    return mg::to_cpu(mg::sample_euler(noise, std::span<const double>(sigmas), mg::guided(velocity, guidance)));
  });
}

void PromptReader::drop(Texts& texts, const mg::Tensor<std::int32_t, mg::Cpu>& which) {
  texts.first.dropped = texts.second.dropped = mg::to_device<Device>(which);
}

mg::Var<float, Device> PromptReader::velocity_of(Tape& tape, Model& model, const mg::Tensor<float, Device>& x,
                                                 const mg::Tensor<float, Device>& time, const Texts& texts) {
  const mg::StditConfig& config = model.transformer.config;
  const auto predicted = mg::first_channels(
      tape, model.transformer.forward(tape, tape.constant(x), time, texts.first, texts.second), config.in_channels);
  return config.prediction == mg::Prediction::clip ? mg::velocity_of_clip(tape, x, time, predicted) : predicted;
}

}  // namespace example
