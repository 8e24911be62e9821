// SPDX-License-Identifier: MIT
// How much a growth will write, and whether the disk has room for it.
#pragma once
#include <set>

#include <modelgrow/detail/posix.hpp>
#include <modelgrow/grow/plan_print.hpp>
#include <modelgrow/grow/write_part.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Bytes of the matrices that a plan keeps in a file beside it.
inline std::uint64_t bytes_of_maps(const Plan& plan) {
  std::set<const AffineMap*> maps;
  for (const auto& step : plan.steps())
    if (const auto* fill = std::get_if<Fill>(&step.verb)) maps.insert(fill->map.get());
  std::uint64_t n = 0;
  for (const auto* m : maps) n += sizeof(double) * (m->weight.size() + m->bias.size());
  return n;
}

}  // namespace detail

/// Bytes of all tensors that growing `in` writes: weights, variants, averages, optimizer state, matrices of the plan.
/// Of an incomplete download, without averages and optimizer state. Throws format_error where the plan does not fit.
inline std::uint64_t output_bytes(const Plan& plan, const Checkpoint& in, const StateOptions& options = {}) {
  std::uint64_t n = detail::bytes_of_maps(plan);
  if (!in.missing_files().empty()) {
    for (const auto& p : plan.schema().parameters) n += byte_size(p.dtype, p.shape()).value_or(0);
    return n;
  }
  for (const auto& part : parts_of(in, options)) n += detail::bytes_of(detail::outputs_of(plan, part));
  return n;
}

/// Bytes that may still be written where `directory` would be; nothing where nobody knows.
inline std::optional<std::uint64_t> free_bytes(const std::filesystem::path& directory) {
  std::error_code failed;
  const auto space =
      std::filesystem::space(detail::parent_of(directory.has_filename() ? directory : directory.parent_path()), failed);
  return failed ? std::nullopt : std::optional<std::uint64_t>(space.available);
}

namespace detail {

/// Throws io_error with both numbers when there is not enough room.
inline void check_room(std::uint64_t needed, std::optional<std::uint64_t> free,
                       const std::filesystem::path& directory) {
  if (free && *free < needed)
    throw io_error("cannot write '" + directory.string() + "': it needs " + human_bytes(needed) + " (" +
                   grouped(needed) + " bytes), and " + human_bytes(*free) + " (" + grouped(*free) +
                   " bytes) are free there; free some space, or write elsewhere");
}

}  // namespace detail
}  // namespace modelgrow::inline v0
