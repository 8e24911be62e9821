// SPDX-License-Identifier: MIT
// A plan from a folder: plan.json, and the matrices of its fills from beside it.
#pragma once
#include <filesystem>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// Replays the plan that lies at `path` on a schema. Throws io_error where a file is missing, format_error for one that
/// is no plan and for matrices that are not those of the plan, plan_error for steps that do not fit.
Plan read_plan(const std::filesystem::path& path, Schema source);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/read_plan_inl.hpp>
#endif
