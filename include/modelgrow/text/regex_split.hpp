// SPDX-License-Identifier: MIT
// Cutting text where a regular expression matches, through PCRE2: the pre-tokenizers of byte-level BPE.
#pragma once
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <string>
#include <string_view>

#include <modelgrow/core/error.hpp>
#include <modelgrow/text/tokenizer.hpp>
#include <modelgrow/text/unicode_classes.hpp>

namespace modelgrow::inline v0 {

/// A compiled pattern; \p{L}, \p{N} and \s are those of upstream tokenizers. Matches and what lies between them are the
/// pieces ("isolated" upstream).
class RegexSplit {
 public:
  /// Throws format_error "<source>: ..." for a pattern that PCRE2 does not understand.
  explicit RegexSplit(std::string_view pattern, const std::string& source = "pre-tokenizer") {
    int code = 0;
    PCRE2_SIZE at = 0;
    const std::string full = detail::with_unicode_classes(pattern);
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(full.data()), full.size(), PCRE2_UTF | PCRE2_UCP, &code, &at,
                              nullptr));
    if (!code_)
      throw format_error(source + ": the pattern '" + std::string(pattern) + "' is not understood: " + message(code));
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // where it fails, matching interprets the pattern
  }

  /// A pattern that matches a text and nothing else.
  static std::string literal(std::string_view text) {
    std::string pattern;
    for (const char c : text) {
      const bool special = c > 0 && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z');
      if (special) pattern.push_back('\\');
      pattern.push_back(c);
    }
    return pattern;
  }

  /// Calls f(begin, end) for every piece of text[span], in order; none is empty. The text must be valid UTF-8.
  template <class F>
  void split(std::string_view text, TextSpan span, F&& f) const {
    const std::string_view part = text.substr(span.begin, span.end - span.begin);
    const std::unique_ptr<pcre2_match_data, Free> match(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    if (!match) throw std::bad_alloc();
    const auto emit = [&](std::size_t begin, std::size_t end) {
      if (begin < end) f(span.begin + begin, span.begin + end);
    };
    std::size_t piece = 0;  // beginning of what has not been emitted
    for (std::size_t at = 0; at <= part.size() && find(part, at, match.get());) {
      const auto* ends = pcre2_get_ovector_pointer(match.get());
      const std::size_t begin = ends[0], end = ends[1];
      if (begin < end) {
        emit(piece, begin);
        emit(begin, end);
        piece = at = end;
      } else if ((at = end) < part.size()) {
        detail::next_code_point(part, at);  // an empty match cuts nothing
      } else {
        break;
      }
    }
    emit(piece, part.size());
  }

 private:
  struct Free {
    void operator()(pcre2_code* c) const { pcre2_code_free(c); }
    void operator()(pcre2_match_data* m) const { pcre2_match_data_free(m); }
  };
  static std::string message(int code) {
    PCRE2_UCHAR text[256];
    pcre2_get_error_message(code, text, sizeof text);
    return reinterpret_cast<const char*>(text);
  }
  bool find(std::string_view text, std::size_t at, pcre2_match_data* match) const {
    const auto run = [&](std::uint32_t options) {
      return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                         PCRE2_NO_UTF_CHECK | options, match, nullptr);
    };
    int result = run(0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
      result = run(PCRE2_NO_JIT);  // the interpreter takes its memory from the heap
    if (result < 0 && result != PCRE2_ERROR_NOMATCH)
      throw error("splitting a text of " + std::to_string(text.size()) + " bytes failed: " + message(result));
    return result >= 0;
  }
  std::unique_ptr<pcre2_code, Free> code_;
};

}  // namespace modelgrow::inline v0
