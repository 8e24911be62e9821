// SPDX-License-Identifier: MIT
// What the normalizers of byte pair encoders do to a text: form C (Qwen), and spaces that become marks (Llama 2,
// Mistral).
#pragma once
#include <modelgrow/text/nfc.hpp>

namespace modelgrow::inline v0 {

/// The mark that SentencePiece writes for a space, U+2581.
inline constexpr std::string_view space_mark = "\xE2\x96\x81";

/// Steps in their order; none leave a text as it is.
class Normaliser {
 public:
  struct Step {
    enum class Kind { nfc, prepend, replace } kind = Kind::nfc;
    std::string from = {}, to = {};  // prepend: `to`
  };
  Normaliser() = default;
  explicit Normaliser(std::vector<Step> steps) : steps_(std::move(steps)) {}
  /// Whether a text is read as if a space stood before it.
  enum class SpaceBefore { omit, add };
  /// The mark for each space.
  static Normaliser marked_spaces(SpaceBefore before) {
    std::vector<Step> steps;
    if (before == SpaceBefore::add)
      steps.push_back({.kind = Step::Kind::prepend, .from = {}, .to = std::string(space_mark)});
    steps.push_back({.kind = Step::Kind::replace, .from = " ", .to = std::string(space_mark)});
    return Normaliser(std::move(steps));
  }

  const std::vector<Step>& steps() const { return steps_; }
  /// Whether apply() might change a text.
  bool may_change(std::string_view text) const {
    return std::any_of(steps_.begin(), steps_.end(), [&](const Step& s) {
      return s.kind == Step::Kind::nfc       ? !surely_nfc(text)
             : s.kind == Step::Kind::prepend ? !text.empty()
                                             : text.find(s.from) != text.npos;
    });
  }
  /// text[span], which must be valid UTF-8.
  NormalisedText apply(std::string_view text, TextSpan span) const {
    NormalisedText n(text, span);
    for (const auto& s : steps_) {
      if (s.kind == Step::Kind::prepend) n.prepend(s.to);
      if (s.kind == Step::Kind::replace) n.replace(s.from, s.to);
      if (s.kind == Step::Kind::nfc && !surely_nfc(n.text)) n = nfc(n);
    }
    return n;
  }
  std::string operator()(std::string_view text) const { return apply(text, {.begin = 0, .end = text.size()}).text; }

 private:
  std::vector<Step> steps_;
};

}  // namespace modelgrow::inline v0
