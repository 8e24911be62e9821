// SPDX-License-Identifier: MIT
// SwapTextEncoder: a model reads another text encoder in place of the one it has. Not exact: what reads the states is
// new. align_text() (text/align_text.hpp) fills it in from the old layer and a map between the states.
#pragma once
#include <string>

#include <modelgrow/detail/fields_json.hpp>
#include <modelgrow/families/text_records.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// It works for every family that says where its text enters, behind allow_approximate.
struct SwapTextEncoder {
  static constexpr std::string_view name = "SwapTextEncoder";
  static constexpr std::string_view summary = "read another text encoder in place of the first (not exact)";
  std::int64_t width = 0;         // of the new encoder's hidden states
  std::int64_t max_length = 128;  // tokens of a prompt, where the model stores a caption of that length
  std::string prompt = {};        // JSON that says how the encoder is fed; kept in config.json
  std::uint64_t seed = 0;

  static void describe(auto& self, auto& v) {
    v("width", self.width, "of the new encoder's hidden states");
    v("max_length", self.max_length, "tokens of a prompt");
    v("prompt", self.prompt, "JSON that says how the encoder is fed; travels with the weights");
    v("seed", self.seed, "of the new parameters");
  }

  /// Throws plan_error when the family does not say where its text enters, for sizes that make no sense, for a model
  /// that knows how its encoder was fed and is not told how the new one is, and without allow_approximate.
  void apply(Plan& plan) const {
    if (width <= 0 || max_length <= 0)
      throw plan_error("SwapTextEncoder: width " + std::to_string(width) + ", max_length " +
                       std::to_string(max_length) + "; expected the width of the encoder's states and a length");
    const Schema now = plan.schema();
    const TextInput& text = now.text_input;
    if (text.width.empty())
      throw plan_error("SwapTextEncoder: family '" + now.family + "' does not say where its text enters");
    Add add{.parameters = {}, .spaces = {}, .seed = seed, .graft = record(now)};
    const auto anew = [&](const std::string& tensor) -> ParamSpec& {
      for (auto& p : add.parameters)
        if (p.name == tensor) return p;
      plan.drop(tensor, "the model reads another text encoder");
      return add.parameters.emplace_back(*now.find(tensor));
    };
    constexpr std::string_view weight = ".weight";
    for (const auto& [tensor, axis] : text.width) {
      anew(tensor).info.axes[axis].extent = width;
      if (tensor.ends_with(weight))
        if (const auto bias = tensor.substr(0, tensor.size() - weight.size()) + ".bias"; now.find(bias)) anew(bias);
    }
    for (const auto& [tensor, axis] : text.length) anew(tensor).info.axes[axis].extent = max_length;
    if (!text.width_name.empty()) add.constants[text.width_name] = width;
    if (!text.length_name.empty() && !text.length.empty()) add.constants[text.length_name] = max_length;
    plan.say(add);
  }

 private:
  /// What later users must know: how the new encoder is fed.
  GraftRecord record(const Schema& now) const {
    SwapTextEncoder as_told = *this;
    as_told.prompt = detail::canonical_prompt(prompt, std::string(name));
    for (const auto& g : now.grafts)
      if (const auto old = detail::prompt_of(g); g.name == name && !old.empty() && prompt.empty())
        throw plan_error("SwapTextEncoder: the model knows how its text encoder was fed, " + old +
                         "; say how the new one is fed: argument 'prompt'");
    return {.name = std::string(name), .options = detail::fields_to_json(as_told).dump(), .tensors = {}};
  }
};

}  // namespace modelgrow::inline v0
