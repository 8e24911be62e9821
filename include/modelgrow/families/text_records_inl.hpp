// SPDX-License-Identifier: MIT
// Definitions of text_records.hpp.
#pragma once
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/families/text_records.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE std::string canonical_prompt(const std::string& text, const std::string& where) {
  if (text.empty()) return text;
  try {
    if (const auto j = parse_json(text, where + ": 'prompt'"); j.is_object()) return j.dump();
  } catch (const format_error&) {
  }
  throw plan_error(where + ": 'prompt' is '" + text + "'; expected a JSON object that says how the encoder is fed");
}

MODELGROW_INLINE std::string prompt_of(const GraftRecord& g) {
  const auto options = parse_json(g.options, g.name);
  return has(options, "prompt") && options["prompt"].is_string() ? options["prompt"].get<std::string>() : "";
}

}  // namespace detail

MODELGROW_INLINE std::optional<SecondText> second_text(const std::vector<GraftRecord>& grafts) {
  std::optional<SecondText> found;
  for (const auto& g : grafts) {
    const auto options = detail::parse_json(g.options, g.name);
    if (g.name == "SwapTextEncoder" || !detail::has(options, "width")) continue;
    if (!options["width"].is_number_integer())
      throw format_error("the record of '" + g.name + "': 'width' is " + options["width"].dump() +
                         "; expected a whole number");
    const auto width = options["width"].get<std::int64_t>();
    const auto prompt = detail::prompt_of(g);
    if (found && found->width != width)
      throw plan_error("the second text encoder has states of width " + std::to_string(found->width) + ", and '" +
                       g.name + "' reads " + std::to_string(width) + ": both come from one encoder");
    if (found && !prompt.empty() && !found->prompt.empty() && found->prompt != prompt)
      throw plan_error("the second text encoder is fed by the prompt " + found->prompt + "; another one, " + prompt +
                       ", would change what its states mean");
    if (!found) found.emplace(SecondText{.width = width});
    if (!prompt.empty()) found->prompt = prompt;
  }
  return found;
}

MODELGROW_INLINE std::string first_prompt(const std::vector<GraftRecord>& grafts) {
  for (const auto& g : grafts)
    if (g.name == "SwapTextEncoder") return detail::prompt_of(g);
  return {};
}

}  // namespace modelgrow::inline v0
