// SPDX-License-Identifier: MIT
// Operators on the command line: a flag for each kind, in the order given, or a recipe file.
#pragma once
#include <modelgrow/grow/operators/all.hpp>

#include "input.hpp"

namespace tool {

/// "InsertBlocks" -> "--insert-blocks".
std::string flag_of(std::string_view name);

/// The options of `plan` and `grow` that say how to grow. Lives as long as its command.
class Growth {
 public:
  explicit Growth(CLI::App& command);
  mg::Plan plan(const mg::Checkpoint& in, const Input& input) const;
  /// IN as it is.
  mg::Schema schema(const mg::Checkpoint& in, const Input& input) const;
  /// Whether an operator or a recipe was given.
  bool said() const;

 private:
  struct Flag {
    const CLI::Option* option;
    const mg::OperatorKind* kind;
  };
  std::vector<mg::OperatorCall> calls() const;

  const CLI::App& command_;
  std::vector<Flag> flags_;
  std::string recipe_;
  bool trust_file_ = false;
};

}  // namespace tool
