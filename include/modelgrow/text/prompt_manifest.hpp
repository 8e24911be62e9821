// SPDX-License-Identifier: MIT
// What must travel with a text-to-video model so that nobody can feed it differently than it was trained: which
// language model, around which words, which of its hidden states, and how they are laid out.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <modelgrow/core/error.hpp>
#include <modelgrow/detail/utf8.hpp>
#include <modelgrow/models/hidden_layers.hpp>

namespace modelgrow::inline v0 {

/// How captions become text states [tokens, width]. An aggregate; check() says whether it makes sense.
struct PromptManifest {
  /// A crop_start: the states begin with the first token that stands for a byte of the caption. Marks at the begin of a
  /// text, such as [CLS], are cut off with the template.
  static constexpr std::int64_t at_caption = -1;
  enum class TooLong { crop, refuse };
  enum class Normalisation {
    none,
    layer_norm,  // each token of each layer to mean 0 and variance 1, for layers that no final norm follows
  };
  enum class Padding {
    masked,    // the model attends to the tokens of a caption alone
    attended,  // states are padded with zeros to max_length, and all are attended to, as in Wan
  };

  std::string language_model = {};     // name of its file or directory, for people
  std::string fingerprint = {};        // see model_fingerprint(); empty until a model is opened with the manifest
  std::string prompt_template = "{}";  // "{}" stands for the caption
  std::int64_t crop_start = 0;         // states cut off the front, or at_caption; the last state always stays
  std::int64_t max_length = 256;       // most states of a caption, behind the cut
  TooLong too_long = TooLong::crop;    // crop the end of prompts that have more, marks such as [SEP] excepted
  HiddenLayers layers = {};            // several layers lie side by side in width
  Normalisation normalisation = Normalisation::none;
  Padding padding = Padding::masked;
  std::string null_prompt = {};  // the caption of classifier-free guidance

  bool operator==(const PromptManifest&) const = default;

  /// Byte of the prompt at which the caption begins.
  std::size_t caption_begin() const { return prompt_template.find("{}"); }
  /// The template around a caption.
  std::string prompt(std::string_view caption) const {
    return std::string(prompt_template).replace(caption_begin(), 2, caption);
  }
};

/// Throws format_error "<where>: .." for a manifest that no model can be fed by.
inline void check(const PromptManifest& m, const std::string& where) {
  const auto expect = [&](bool good, const char* key, const std::string& found, const char* expected) {
    if (!good) throw format_error(where + ": '" + key + "' is " + found + "; expected " + expected);
  };
  const auto expect_text = [&](const char* key, const std::string& text) {
    expect(detail::is_utf8(text), key, "not UTF-8", "UTF-8: convert it");
  };
  expect_text("language_model", m.language_model);
  expect_text("template", m.prompt_template);
  expect_text("null_prompt", m.null_prompt);
  expect(m.fingerprint.find_first_not_of("0123456789abcdef") == std::string::npos &&
             (m.fingerprint.empty() || m.fingerprint.size() == 16),
         "fingerprint", "'" + m.fingerprint + "'",
         "16 lower-case hexadecimal digits, or nothing to take any model: leave it to CaptionEncoder::open");
  const std::size_t begin = m.caption_begin();
  expect(begin != std::string::npos && m.prompt_template.find("{}", begin + 2) == std::string::npos, "template",
         "'" + m.prompt_template + "'", "{} exactly once, where the caption goes");
  expect(m.crop_start >= PromptManifest::at_caption, "crop_start", std::to_string(m.crop_start),
         "a number of tokens from 0, or \"caption\" to begin with the caption");
  expect(m.max_length >= 1, "max_length", std::to_string(m.max_length),
         "at least 1: the most tokens that the video model takes");
}

}  // namespace modelgrow::inline v0
