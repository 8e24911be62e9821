// SPDX-License-Identifier: MIT
// The definitions of swap_text_encoder.hpp.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/fields_json.hpp>
#include <modelgrow/families/text_records.hpp>
#include <modelgrow/grow/operators/swap_text_encoder.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void SwapTextEncoder::apply(Plan& plan) const {
  if (width <= 0 || max_length <= 0)
    throw plan_error("SwapTextEncoder: width " + std::to_string(width) + ", max_length " + std::to_string(max_length) +
                     "; expected the width of the encoder's states and a length");
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

MODELGROW_INLINE GraftRecord SwapTextEncoder::record(const Schema& now) const {
  SwapTextEncoder as_told = *this;
  as_told.prompt = detail::canonical_prompt(prompt, std::string(name));
  for (const auto& g : now.grafts)
    if (const auto old = detail::prompt_of(g); g.name == name && !old.empty() && prompt.empty())
      throw plan_error("SwapTextEncoder: the model knows how its text encoder was fed, " + old +
                       "; say how the new one is fed: argument 'prompt'");
  return {.name = std::string(name), .options = detail::fields_to_json(as_told).dump(), .tensors = {}};
}

}  // namespace modelgrow::inline v0
