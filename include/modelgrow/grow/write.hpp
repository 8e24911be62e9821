// SPDX-License-Identifier: MIT
// Growth on disk: weights, optimizer state, averages and config.json stream into a fresh directory, are read back and
// checked, and only then get their name. Whatever goes wrong before leaves nothing behind.
#pragma once
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/grow/report.hpp>
#include <modelgrow/grow/write_options.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// Replaces and adds keys of a JSON object; all others stay, in their order. Throws format_error.
std::string patched_config(const std::string& text, const ConfigPatch& patch, const std::string& where);
}  // namespace detail

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/write_inl.hpp>
#endif
