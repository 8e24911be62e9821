// SPDX-License-Identifier: MIT
// The definitions of packed_state.hpp.
#pragma once
#include <unordered_map>

#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/made_tensor.hpp>
#include <modelgrow/grow/packed_state.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE Certificate rounding_of(const StoredOptimizer& old) {
  int bits = 0;
  for (const auto& p : old.parameters)
    for (const auto& e : p.entries)
      if (e.packed) bits = bits == 0 ? e.packed->map->bits() : std::min(bits, e.packed->map->bits());
  if (bits == 0) return {};
  return detail::approximate("moments are kept in " + std::to_string(bits) +
                             " bits, to which grown ones are rounded again");
}

namespace detail {

/// Throws check_error unless an entry was packed as the one that it was made from.
inline void check_packed(const StoredOptimizer::Entry& written, const PackedTensor* like, const JoinedTensor& made,
                         const std::string& which) {
  const auto fail = [&](const std::string& what) { throw check_error(which + " " + what); };
  if (!like || !written.packed)
    return fail(like ? "was written in whole numbers; codes of few bits were promised"
                     : "was written in codes of few bits; whole numbers were promised");
  const auto expected = packed_like(made, *like);
  const auto& found = *written.packed;
  if (found.shape != expected.shape || found.block != expected.block)
    fail("was written with shape " + to_string(found.shape) + " in blocks of " + std::to_string(found.block) + "; " +
         to_string(expected.shape) + " and " + std::to_string(expected.block) + " were promised");
  if (!std::ranges::equal(std::as_bytes(found.map->values()), std::as_bytes(expected.map->values())))  // some are none
    fail("has codes that mean other numbers");
  if (const auto block = first_difference(found, expected))
    fail("has other codes in block " + std::to_string(*block) + " than what the plan makes, rounded");
}

MODELGROW_INLINE std::vector<JoinedTensor> made_again(const Plan& plan, const TensorSet& old,
                                                      const std::vector<Output>& outputs, const StoredOptimizer& before,
                                                      const StoredOptimizer& written, const std::string& where) {
  auto tensors = written.tensors();
  std::unordered_map<std::string_view, const Output*> by_name;
  for (const auto& o : outputs) by_name.emplace(o.target.name, &o);
  std::unordered_map<std::string_view, const StoredOptimizer::Parameter*> old_parameters;
  for (const auto& p : before.parameters) old_parameters.emplace(p.name, &p);
  std::unordered_map<std::string, std::string> sources;
  for (const auto& r : plan.recipes()) sources.emplace(r.name, r.source);
  std::size_t next = 0;
  for (const auto& p : written.parameters) {
    const auto source = sources.find(p.name);
    const auto from = source == sources.end() ? old_parameters.end() : old_parameters.find(source->second);
    for (const auto& e : p.entries) {
      auto& tensor = tensors[next++];
      const auto* like = from == old_parameters.end() ? nullptr : from->second->find(e.name);
      const auto* packed =
          like && like->packed && like->packed->can_pack(tensor.shape()) ? like->packed.get() : nullptr;
      if (!packed && !e.packed) continue;
      const auto output = by_name.find(tensor.name());
      const std::string which = where + ": entry '" + e.name + "' of parameter '" + p.name + "'";
      if (output == by_name.end()) throw check_error(which + " was written, and none was promised");
      const auto made = made_tensor(plan, old, *output->second);
      check_packed(e, packed, made, which);
      tensor = made;
    }
  }
  return tensors;
}

}  // namespace detail

}  // namespace modelgrow::inline v0
