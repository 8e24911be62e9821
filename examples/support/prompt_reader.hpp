// SPDX-License-Identifier: MIT
// What a text-to-video model makes of prompts: the states of its text encoders, its prediction, and sampled clips.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/text/caption_states.hpp>

#include "clip_data.hpp"
#include "model.hpp"

namespace example {

/// States of a text encoder that is no part of the model, such as a language model.
using TextSource = std::function<mg::PaddedStates<float>(std::span<const std::string>)>;

/// The prompts of one model; `first_text` is needed for models without an encoder of their own, `second_text` for those
/// that read a second one.
struct PromptReader {
  TextSource first_text = {}, second_text = {};
  double noise_shift = usual_noise_shift;

  /// What the encoders of a model make of captions.
  struct Texts {
    mg::TextStates<float, Device> first, second;
  };
  /// Throws modelgrow::error when the model reads an encoder that there is not.
  Texts read(Tape& tape, Model& model, const std::vector<std::string>& captions) const;
  /// Clips [n, channels, T, H, W] for captions, by `steps` Euler steps with classifier-free guidance.
  mg::Tensor<float, mg::Cpu> sample(Tape& tape, Model& model, std::vector<std::string> captions, double guidance,
                                    std::int64_t steps, std::uint64_t seed) const;

  /// Gives the null caption of both encoders to the captions whose flag is set.
  static void drop(Texts& texts, const mg::Tensor<std::int32_t, mg::Cpu>& which);
  /// The velocity that the model predicts, without the variance that some models predict beside it.
  static mg::Var<float, Device> velocity_of(Tape& tape, Model& model, const mg::Tensor<float, Device>& x,
                                            const mg::Tensor<float, Device>& time, const Texts& texts);
};

}  // namespace example
