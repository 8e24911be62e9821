// SPDX-License-Identifier: MIT
// What grafts record about text encoders: how wide their states are, and how they are fed.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/graft.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// A prompt as it is kept: empty, or a JSON object on one line. Throws plan_error.
std::string canonical_prompt(const std::string& text, const std::string& where);

/// The option `prompt` of a record; empty when it has none.
std::string prompt_of(const GraftRecord& g);

}  // namespace detail

/// A text encoder beside the one that a model had.
struct SecondText {
  std::int64_t width = 0;
  std::string prompt = {};  // JSON: how it is fed (text/prompt_manifest.hpp), where known
};

/// The second text encoder that grafts read, one for all of them; nothing when none does. A graft that reads it has an
/// option `width`. Throws plan_error when two disagree, format_error for a width that is none.
std::optional<SecondText> second_text(const std::vector<GraftRecord>& grafts);

/// How the first text encoder is fed, as JSON, where it was swapped in; empty: as the model was trained.
std::string first_prompt(const std::vector<GraftRecord>& grafts);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/families/text_records_inl.hpp>
#endif
