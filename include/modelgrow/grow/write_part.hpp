// SPDX-License-Identifier: MIT
// One part of a checkpoint through a plan: which tensors it becomes, and whether they follow from it.
#pragma once
#include <modelgrow/grow/checkpoint_set.hpp>
#include <modelgrow/grow/completeness.hpp>
#include <modelgrow/grow/optimizer_outputs.hpp>
#include <modelgrow/grow/parts.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Throws format_error for averages or optimizer state that cover only a part of the model.
inline void check_complete(const Plan& plan, const std::vector<Part>& parts) {
  std::vector<TensorSet> optimizers;
  for (const auto& p : parts)
    if (p.kind == Part::Kind::optimizer) check_optimizer_complete(plan, optimizers.emplace_back(set_of(p.in)));
  for (const auto& p : parts)
    if (p.kind == Part::Kind::averages) check_averages_complete(plan, set_of(p.in), optimizers);
}

/// The tensors that a part becomes. They point into the part.
inline std::vector<Output> outputs_of(const Plan& plan, const Part& part) {
  if (part.kind == Part::Kind::optimizer) return optimizer_outputs(plan, set_of(part.in));
  return weight_outputs(plan, set_of(part.in), part.kind == Part::Kind::averages ? Absent::leave_out : Absent::refuse);
}
inline std::uint64_t bytes_of(const std::vector<Output>& outputs) {
  std::uint64_t n = 0;
  for (const auto& o : outputs) n += byte_size(o.target.dtype, o.target.shape).value_or(0);
  return n;
}

inline std::uint64_t largest_file(const Checkpoint& in) {
  std::uint64_t most = 0;
  for (const auto& f : in.files()) {
    std::uint64_t n = 0;
    for (const auto& t : f.tensors()) n += t.bytes;
    most = std::max(most, n);
  }
  return in.files().size() > 1 ? std::max<std::uint64_t>(most, 1) : UINT64_MAX;
}

}  // namespace detail
}  // namespace modelgrow::inline v0
