// SPDX-License-Identifier: MIT
// The model whose training step is timed: STDiT with its text encoder, as benchmarks/peers/bench_step.py has it.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/models/stdit_config.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/ops/mse.hpp>

namespace step {

namespace mg = modelgrow;

inline constexpr std::int64_t caption_bytes = 22;  // 24 tokens with their begin and end marks

/// HIDDENxDEPTHxHEADSxBATCH; clips have 8 frames of 32 x 32.
struct Size {
  long hidden = 96, depth = 3, heads = 3, batch = 8;
  /// Throws option_error.
  static Size of(const std::string& text) {
    Size s;
    if (std::sscanf(text.c_str(), "%ldx%ldx%ldx%ld", &s.hidden, &s.depth, &s.heads, &s.batch) != 4 || s.batch < 1)
      throw mg::option_error("'" + text + "' is no size; expected HIDDENxDEPTHxHEADSxBATCH, such as " + Size{}.name());
    return s;
  }
  std::string name() const {
    return std::to_string(hidden) + "x" + std::to_string(depth) + "x" + std::to_string(heads) + "x" +
           std::to_string(batch);
  }
  mg::StditConfig video() const {
    return {.input_size = {8, 32, 32},
            .in_channels = 3,
            .patch_size = {1, 4, 4},
            .hidden_size = hidden,
            .depth = depth,
            .num_heads = heads,
            .pred_sigma = false,
            .caption_channels = mg::ByteEncoderConfig{}.width,
            .model_max_length = mg::ByteEncoderConfig{}.max_length};
  }
};

template <class D>
mg::Var<float, D> loss(mg::Tape<float, D>& tape, mg::TextToVideo<float, D>& model, const mg::FlowBatch<float, D>& b) {
  const std::vector<std::string> captions(std::size_t(b.noisy.dim(0)), std::string(caption_bytes, 'x'));
  const auto text = model.text_encoder->encode(tape, captions);
  return mg::mse(tape, model.transformer.forward(tape, tape.constant(b.noisy), b.time, text), b.target);
}

}  // namespace step
