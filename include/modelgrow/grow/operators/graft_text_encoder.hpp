// SPDX-License-Identifier: MIT
// GraftTextEncoder: a model learns to read a second text encoder, such as a language model, behind the one it has
// (ModelGrow, arXiv 2412.18966). Every design is exact at step 0 and has one zero factor: it learns at once,
// but for concatenation, whose factor a schedule opens (LogitAnneal).
#pragma once
#include <string>

#include <modelgrow/grow/operators/zero_init_layer.hpp>

namespace modelgrow::inline v0 {

/// Where the second text enters. It works for every family that offers the layers cross_attn_2, y_pooler, y_refiner_2.
enum class TextDesign {
  cross_attention,  // a cross-attention of its own behind the first, closed by its projection (ModelGrow)
  gated,            // the same, closed by a tanh gate for each head (Lumina-T2X)
  decoupled,        // keys and values of its own inside the first cross-attention, closed by the values (IP-Adapter)
  concatenated,     // beside the first text's tokens in one softmax, closed by a logit bias that a schedule raises
  pooled,           // the mean of its tokens joins the time embedding, closed by a linear map (Lumina, Flux)
};

struct GraftTextEncoder {
  static constexpr std::string_view name = "GraftTextEncoder";
  std::int64_t width = 0;         // of the encoder's hidden states
  std::int64_t max_length = 128;  // tokens of a prompt
  TextDesign design = TextDesign::cross_attention;
  std::int64_t refiner = 0;  // blocks of a token refiner behind the projector
  std::string prompt = {};   // JSON that says how the encoder is fed; kept in config.json
  std::uint64_t seed = 0;

  /// Throws plan_error when the family lacks the layers, when they are there already, and for sizes that make no sense.
  void apply(Plan& plan) const {
    if (width <= 0 || max_length <= 0)
      throw plan_error("GraftTextEncoder: width " + std::to_string(width) + ", max_length " +
                       std::to_string(max_length) + "; expected the width of the encoder's states and a length");
    SchemaOption::Arguments arguments{{"caption_channels", std::to_string(width)}};
    if (!prompt.empty()) arguments["prompt"] = prompt;
    const bool pooled = design == TextDesign::pooled;
    if (pooled && refiner > 0)
      throw plan_error("GraftTextEncoder: a pooled text has no tokens to refine; leave refiner at 0");
    if (!pooled) {
      constexpr std::string_view entries[] = {"cross_attention", "gated", "decoupled", "concatenated"};
      arguments["entry"] = entries[int(design)];
      arguments["model_max_length"] = std::to_string(max_length);
    }
    ZeroInitLayer{.layer = pooled ? "y_pooler" : "cross_attn_2", .arguments = arguments, .seed = seed}.apply(plan);
    if (refiner > 0)
      ZeroInitLayer{.layer = "y_refiner_2", .arguments = {{"depth", std::to_string(refiner)}}, .seed = seed}.apply(
          plan);
  }
};

}  // namespace modelgrow::inline v0
