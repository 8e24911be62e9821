// SPDX-License-Identifier: MIT
// A plan into a folder: plan.json, and where it fills from maps their matrices beside it, in plan.fill.safetensors.
#pragma once
#include <filesystem>
#include <vector>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// The file of matrices that belongs to a plan: "plan.fill.safetensors" beside "plan.json".
inline std::filesystem::path matrices_beside(std::filesystem::path plan) {
  return plan.replace_extension(".fill.safetensors");
}

/// Writes a plan, and the matrices of its fills, in double and named by their checksums. What was written. Throws
/// io_error.
std::vector<std::filesystem::path> write_plan(const Plan& plan, const std::filesystem::path& path);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/write_plan_inl.hpp>
#endif
