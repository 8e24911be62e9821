// SPDX-License-Identifier: MIT
// The definitions of swap_text_encoder.hpp.
#pragma once
#include <modelgrow/checkpoint/affine_map_file.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/fields_json.hpp>
#include <modelgrow/families/text_records.hpp>
#include <modelgrow/grow/operators/swap_text_encoder.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// The bias beside a weight; empty for another name.
inline std::string bias_of(const std::string& tensor) {
  constexpr std::string_view weight = ".weight";
  return tensor.ends_with(weight) ? tensor.substr(0, tensor.size() - weight.size()) + ".bias" : std::string();
}
}  // namespace detail

MODELGROW_INLINE void SwapTextEncoder::apply(Plan& plan) const {
  SwapTextEncoder told = *this;
  if (!map.empty()) {
    if (align) throw plan_error("SwapTextEncoder: both a map and a file of one, '" + map + "'; give one of them");
    told.align = read_affine_map(std::filesystem::path(map));
    told.map.clear();
    return told.apply(plan);
  }
  if (align && width == 0) told.width = align->from;
  if (told.width <= 0 || max_length <= 0)
    throw plan_error("SwapTextEncoder: width " + std::to_string(told.width) + ", max_length " +
                     std::to_string(max_length) + "; expected the width of the encoder's states and a length");
  if (align && align->from != told.width)
    throw plan_error("SwapTextEncoder: width " + std::to_string(told.width) +
                     ", but the map starts from states of width " + std::to_string(align->from) +
                     "; give the map of this encoder");
  const Schema& now = plan.schema();
  if (now.text_input.width.empty())
    throw plan_error("SwapTextEncoder: family '" + now.family + "' does not say where its text enters" +
                     (now.text_input.because.empty() ? "" : ", because " + now.text_input.because));
  if (align)
    plan.say(told.aligned(now));
  else
    plan.say(told.anew(plan));
}

/// New layers in place of the old ones.
MODELGROW_INLINE Add SwapTextEncoder::anew(Plan& plan) const {
  const Schema now = plan.schema();
  const TextInput& text = now.text_input;
  Add add{.parameters = {}, .spaces = {}, .seed = seed, .graft = record(now)};
  const auto again = [&](const std::string& tensor) -> ParamSpec& {
    for (auto& p : add.parameters)
      if (p.name == tensor) return p;
    plan.drop(tensor, "the model reads another text encoder");
    return add.parameters.emplace_back(*now.find(tensor));
  };
  for (const auto& [tensor, axis] : text.width) {
    again(tensor).info.axes[axis].extent = width;
    if (const auto bias = detail::bias_of(tensor); now.find(bias)) again(bias);
  }
  for (const auto& [tensor, axis] : text.length) again(tensor).info.axes[axis].extent = max_length;
  if (!text.width_name.empty()) add.constants[text.width_name] = width;
  if (!text.length_name.empty() && !text.length.empty()) add.constants[text.length_name] = max_length;
  return add;
}

/// The old layers behind the map.
MODELGROW_INLINE Fill SwapTextEncoder::aligned(const Schema& now) const {
  const TextInput& text = now.text_input;
  Fill fill{
      .readers = {}, .map = std::make_shared<const AffineMap>(*align), .length = max_length, .graft = record(now)};
  std::vector<std::string> states;
  for (const auto& [tensor, axis] : text.width) {
    if (now.find(tensor)->info.axes[0].role != Role::out) {
      states.push_back(tensor);
      continue;
    }
    auto& reader = fill.readers.emplace_back(Fill::Reader{.weight = tensor});
    if (auto bias = detail::bias_of(tensor); now.find(bias)) reader.bias = std::move(bias);
  }
  if (!states.empty() && (states.size() > 1 || fill.readers.size() != 1))
    throw plan_error("SwapTextEncoder: family '" + now.family + "' stores states in " + detail::quote(states[0]) +
                     " and reads them in several layers; a map cannot say what they become");
  if (!states.empty()) fill.readers[0].states = states[0];
  if (!text.width_name.empty()) fill.constants[text.width_name] = width;
  if (!text.length_name.empty() && !text.length.empty()) fill.constants[text.length_name] = max_length;
  return fill;
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
