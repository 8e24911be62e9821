// SPDX-License-Identifier: MIT
// What the examples train: a text-to-video model by rectified flow on captioned clips, with caption dropout.
#pragma once
#include <modelgrow/data/augment.hpp>
#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/verify/forward_check.hpp>

#include "clip_data.hpp"
#include "prompt_reader.hpp"

namespace example {

/// Loss and validation of one kind of training; everything random is a function of (seed, step). Noise levels lean as
/// the clips need it, or as is said.
struct FlowTask : PromptReader {
  const ClipData& data;
  mg::Batches batches;
  mg::FlowMatching flow;
  mg::Augmentation augmentation;
  double caption_dropout = 0.1;
  double first_text_dropout = 0;  // of captions that the second encoder keeps, so that training needs it

  FlowTask(const ClipData& data, std::uint64_t batch, std::uint64_t seed, mg::Augmentation augmentation = {},
           std::optional<double> noise_shift = {});

  /// Training loss of one step.
  mg::Var<float, Device> loss(Tape& tape, Model& model, std::uint64_t step) const;

  /// Whose captions the validation clips are shown with. A model that listens does worse with those of other clips or
  /// with none, and one that understands does well with words that it was never trained on.
  enum class Captions { own, others, keywords, none };

  /// Mean loss over all validation clips at fixed noise and noise levels spread evenly before the shift.
  double validation_loss(Tape& tape, Model& model, Captions captions = Captions::own, std::size_t rounds = 2) const;

  /// The same with these captions, one for each validation clip. Throws shape_error for another number of them.
  double validation_loss(Tape& tape, Model& model, const std::vector<std::string>& captions,
                         std::size_t rounds = 2) const;

  /// Both transformers side by side on the first batch of training.
  mg::ForwardCheck compare(const mg::Plan& plan, Model& before, Model& after) const;

 private:
  enum class Shown { captions, null_captions };
  double validation_loss(Tape& tape, Model& model, const std::vector<std::string>& captions, std::size_t rounds,
                         Shown shown) const;
};

}  // namespace example
