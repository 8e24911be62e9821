// SPDX-License-Identifier: MIT
// What grafts record about text encoders: how wide their states are, and how they are fed.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/graft.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// A prompt as it is kept: empty, or a JSON object on one line. Throws plan_error.
inline std::string canonical_prompt(const std::string& text, const std::string& where) {
  if (text.empty()) return text;
  try {
    if (const auto j = parse_json(text, where + ": 'prompt'"); j.is_object()) return j.dump();
  } catch (const format_error&) {
  }
  throw plan_error(where + ": 'prompt' is '" + text + "'; expected a JSON object that says how the encoder is fed");
}

/// The option `prompt` of a record; empty when it has none.
inline std::string prompt_of(const GraftRecord& g) {
  const auto options = parse_json(g.options, g.name);
  return options.contains("prompt") && options["prompt"].is_string() ? options["prompt"].get<std::string>() : "";
}

}  // namespace detail

/// A text encoder beside the one that a model had.
struct SecondText {
  std::int64_t width = 0;
  std::string prompt = {};  // JSON: how it is fed (text/prompt_manifest.hpp), where known
};

/// The second text encoder that grafts read, one for all of them; nothing when none does. A graft that reads it has an
/// option `width`. Throws plan_error when two disagree, format_error for a width that is none.
inline std::optional<SecondText> second_text(const std::vector<GraftRecord>& grafts) {
  std::optional<SecondText> found;
  for (const auto& g : grafts) {
    const auto options = detail::parse_json(g.options, g.name);
    if (g.name == "SwapTextEncoder" || !options.contains("width")) continue;
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

/// How the first text encoder is fed, as JSON, where it was swapped in; empty: as the model was trained.
inline std::string first_prompt(const std::vector<GraftRecord>& grafts) {
  for (const auto& g : grafts)
    if (g.name == "SwapTextEncoder") return detail::prompt_of(g);
  return {};
}

}  // namespace modelgrow::inline v0
