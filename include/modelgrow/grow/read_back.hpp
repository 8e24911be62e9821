// SPDX-License-Identifier: MIT
// The proof by reading back: the family reads names, shapes and config.json of the grown folder as it would any
// checkpoint, and must find the very schema that the plan promised. A key of config.json that growth forgot cannot
// pass.
#pragma once
#include <string>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/families/graft_records.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// The first difference between what a plan promised and what a family reads; empty when there is none. Buffers may be
/// absent; how fresh parameters are initialised is not read from files.
inline std::string difference(const Schema& promised, const Schema& read) {
  for (const auto& s : promised.stacks)
    for (const auto& r : read.stacks)
      if (r.name == s.name && r.count != s.count)
        return "stack '" + s.name + "' has " + std::to_string(r.count) + " blocks; the plan promised " +
               std::to_string(s.count);
  if (promised.stacks.size() != read.stacks.size())
    return "it has " + std::to_string(read.stacks.size()) + " stacks; the plan promised " +
           std::to_string(promised.stacks.size());
  for (const auto& s : promised.spaces) {
    bool found = false;
    for (const auto& r : read.spaces) {
      if (r.space.name != s.space.name) continue;
      found = true;
      if (r.space.size != s.space.size)
        return "space '" + s.space.name + "' has " + std::to_string(r.space.size) + " units; the plan promised " +
               std::to_string(s.space.size);
    }
    if (!found) return "space '" + s.space.name + "' is gone";
  }
  if (!detail::same_grafts(promised.grafts, read.grafts))
    return "it records " + std::to_string(read.grafts.size()) + " grafts; the plan promised " +
           std::to_string(promised.grafts.size()) + ", or other ones";
  for (const auto& list : promised.lists)
    for (const auto& r : read.lists)
      if (r.key == list.key && r.blocks != list.blocks)
        return "'" + list.key + "' lists other blocks than the plan promised";
  for (const auto& e : promised.epsilons)
    if (std::find(read.epsilons.begin(), read.epsilons.end(), e) == read.epsilons.end())
      return "'" + e.key + "' is not " + detail::json(e.value).dump() + ", which the plan promised";
  const ParameterIndex by_name(read), wanted(promised);
  std::size_t found = 0;
  for (const auto& p : promised.parameters) {
    const auto* is = by_name.find(p.name);
    if (!is) {
      if (p.info.purpose == Purpose::buffer) continue;
      return "parameter '" + p.name + "' is missing";
    }
    ++found;
    const ParamInfo& info = is->info;
    if (info.axes != p.info.axes) {
      std::string now, then;
      for (const auto& a : info.axes)
        now += (now.empty() ? "" : ", ") + std::string(name(a.role)) + " " + to_string(a.extent);
      for (const auto& a : p.info.axes)
        then += (then.empty() ? "" : ", ") + std::string(name(a.role)) + " " + to_string(a.extent);
      return "parameter '" + p.name + "' has the axes '" + now + "'; the plan promised '" + then + "'";
    }
    if (info.purpose != p.info.purpose) return "parameter '" + p.name + "' has another purpose than the plan promised";
  }
  if (found != read.parameters.size())
    for (const auto& p : read.parameters)
      if (!wanted.find(p.name)) return "parameter '" + p.name + "' was not promised";
  return {};
}

/// Reads a grown checkpoint again and compares. False where nothing can read its family. Throws check_error that names
/// the first difference, and what the family throws.
inline bool read_back(const Plan& plan, const Checkpoint& written) {
  if (!plan.source().reader) return false;
  const std::string where = written.path().string();
  Schema read;
  try {
    read = plan.source().reader(written.names(), written.config(), where);
  } catch (const format_error& e) {
    throw check_error("the grown folder cannot be read back as family '" + plan.source().family + "': " + e.what());
  }
  if (const auto what = difference(plan.schema(), read); !what.empty())
    throw check_error(where + ": read back as family '" + plan.source().family + "', " + what +
                      "; the folder is not kept");
  return true;
}

}  // namespace modelgrow::inline v0
