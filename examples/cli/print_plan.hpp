// SPDX-License-Identifier: MIT
// A plan on the screen, as `plan` and `grow --dry-run` show it.
#pragma once
#include <modelgrow/grow/advice.hpp>
#include <modelgrow/grow/state_options.hpp>

#include "input.hpp"

namespace tool {

/// Bytes that a growth of this input writes.
std::uint64_t size_of_growth(const mg::Plan& plan, const mg::Checkpoint& in, const Input& input,
                             const mg::StateOptions& state);
/// The plan, what it will write, and how much room there is beside `out`; as JSON also the advice it comes from.
void print_plan(const mg::Plan& plan, const mg::Checkpoint& in, const Input& input, const std::string& out, bool json,
                const mg::StateOptions& state, const mg::Advice* advice = nullptr);

}  // namespace tool
