// SPDX-License-Identifier: MIT
// What a model family tells about its checkpoints: how to recognise them, and their schema. Families register in
// models/; growth asks for nothing else.
#pragma once
#include <string>
#include <string_view>

#include <modelgrow/core/names.hpp>
#include <modelgrow/core/schema.hpp>

namespace modelgrow::inline v0 {

/// One family of checkpoints.
struct Family {
  std::string_view name;
  bool (*recognise)(const Names&) = nullptr;
  /// The schema of a checkpoint, with options and config_patch; `config` is the text of its config.json or empty,
  /// `where` begins error messages. Throws format_error.
  Schema (*schema)(const Names&, std::string_view config, const std::string& where) = nullptr;
};

}  // namespace modelgrow::inline v0
