// SPDX-License-Identifier: MIT
// The definitions of write_plan.hpp.
#pragma once
#include <map>

#include <modelgrow/checkpoint/affine_map_file.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grow/plan_to_json.hpp>
#include <modelgrow/grow/write_plan.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::vector<std::filesystem::path> write_plan(const Plan& plan, const std::filesystem::path& path) {
  std::map<std::string, const AffineMap*> maps;
  for (const auto& step : plan.steps())
    if (const auto* fill = std::get_if<Fill>(&step.verb)) maps.emplace(checksum(*fill->map) + ".", fill->map.get());
  std::vector<std::filesystem::path> written{path};
  if (!maps.empty()) write_affine_maps(written.emplace_back(matrices_beside(path)), {maps.begin(), maps.end()});
  detail::write_file(path, to_json(plan));
  return written;
}

}  // namespace modelgrow::inline v0
