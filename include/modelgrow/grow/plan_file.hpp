// SPDX-License-Identifier: MIT
// A plan in a folder: plan.json, and where it fills from maps their matrices beside it, in plan.fill.safetensors.
#pragma once
#include <filesystem>
#include <string>
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

/// Replays the plan that lies at `path` on a schema. Throws io_error where a file is missing, format_error for one that
/// is no plan and for matrices that are not those of the plan, plan_error for steps that do not fit.
Plan read_plan(const std::filesystem::path& path, Schema source);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/plan_file_inl.hpp>
#endif
