// SPDX-License-Identifier: MIT
// What the commands of the program `modelgrow` share.
#pragma once
#include <CLI/CLI.hpp>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/families/family.hpp>

namespace tool {

namespace mg = modelgrow;

/// Exit codes, which are documented in docs/tool.md.
enum Exit { good = 0, check_failed = 1, usage = 2, refused = 3, input_output = 4, interrupted = 130 };

/// Ctrl-C, or SIGTERM, ended the work.
struct Interrupted {
  std::string what = "nothing was written";
};

/// Another rank says what ended the work.
struct SaidByAnother {};

/// The family of a checkpoint, or that whose text lies at `text`.
mg::Family family_of(const mg::Checkpoint& in, const std::string& text);
/// The schema of a checkpoint of any family that the library knows, or of the one whose text lies at `family`.
mg::Schema schema_of(const mg::Checkpoint& in, mg::Trust trust, const std::string& family);

/// Each adds its command.
void add_inspect(CLI::App& program);
void add_plan(CLI::App& program);
void add_grow(CLI::App& program);
void add_merge(CLI::App& program);
void add_check(CLI::App& program);
void add_diff(CLI::App& program);
void add_family(CLI::App& program);
void add_convert(CLI::App& program);

}  // namespace tool
