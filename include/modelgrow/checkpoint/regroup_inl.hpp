// SPDX-License-Identifier: MIT
// The definitions of regroup.hpp.
#pragma once
#include <algorithm>
#include <map>
#include <unordered_map>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/regroup.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// A tensor as the number of Python that stood in its place.
inline PickleValue number_like(const PickleValue& old, const JoinedTensor& tensor) {
  std::vector<std::byte> bytes(std::size_t(tensor.bytes()));
  tensor.read(0, bytes);
  double value = 0;
  convert(tensor.dtype(), bytes.data(), DType::f64, reinterpret_cast<std::byte*>(&value), 1);
  return old.get<std::int64_t>() ? PickleValue(std::int64_t(value)) : PickleValue(value);
}

}  // namespace detail

MODELGROW_INLINE StoredOptimizer regrouped(const StoredOptimizer& old, const std::vector<GroupedParameter>& parameters,
                                           const std::vector<JoinedTensor>& tensors) {
  const auto fail = [&](const std::string& what) { throw format_error(old.source + ": " + what); };
  if (!old.is.kind) fail("it is the state of " + old.is.title + ", for which there is no rule; leave it behind");
  StoredOptimizer grown{.is = old.is,
                        .ids = old.ids,
                        .param_names = old.param_names,
                        .source = old.source,
                        .prefix = old.prefix,
                        .joined = old.joined,
                        .wrapped = old.wrapped};
  for (const auto& group : old.groups) grown.groups.push_back({.options = group.options, .tensors = group.tensors});
  std::vector<std::vector<std::string>> names(old.groups.size());
  for (const auto& p : parameters) {
    if (p.group >= names.size())
      fail("parameter '" + p.name + "' should be in group " + std::to_string(p.group) + ", and there are " +
           std::to_string(names.size()));
    names[p.group].push_back(p.name);
  }
  std::unordered_map<std::string, std::size_t> place;
  std::unordered_map<std::string_view, const StoredOptimizer::Parameter*> before;
  for (const auto& p : old.parameters) before.emplace(p.name, &p);
  std::unordered_map<std::string_view, std::string_view> source;
  for (const auto& p : parameters) source.emplace(p.name, p.source);
  for (std::size_t g = 0; g < names.size(); ++g)
    for (const auto& name : names[g]) {
      if (!place.emplace(name, grown.parameters.size()).second) fail("parameter '" + name + "' is listed twice");
      grown.groups[g].parameters.push_back(grown.parameters.size());
      grown.parameters.push_back({.name = name});
    }
  std::map<std::string, PickleValue> numbers;
  for (const auto& p : old.parameters)
    for (const auto& e : p.entries)
      if (!e.number.is_none()) numbers.emplace(e.name, e.number);
  const std::string begin = std::string(old.is.kind->word) + ".";
  for (const auto& tensor : tensors) {
    const auto& full = tensor.name();
    const auto dot = full.starts_with(begin) ? full.find('.', begin.size()) : std::string::npos;
    if (dot == std::string::npos) continue;  // of another optimizer
    const auto entry =
        std::ranges::find(old.is.kind->entries, full.substr(begin.size(), dot - begin.size()), &OptimizerEntry::here);
    if (entry == old.is.kind->entries.end()) fail(old.is.title + " has no entry for tensor '" + full + "'");
    const auto owner = place.find(full.substr(dot + 1));
    if (owner == place.end()) fail("tensor '" + full + "' is of a parameter that is not trained");
    const std::string name(entry->name);
    StoredOptimizer::Entry made{.name = name, .tensor = tensor.renamed(name)};
    if (const auto number = numbers.find(name); number != numbers.end())
      made.number = detail::number_like(number->second, made.tensor);
    const auto like = before.find(source.at(owner->first));
    const auto* packed = like == before.end() ? nullptr : like->second->find(name);
    if (packed && packed->packed && packed->packed->can_pack(made.tensor.shape())) {
      made.packed = std::make_shared<const PackedTensor>(packed_like(made.tensor, *packed->packed));
      made.object = packed->object;
    }
    grown.parameters[owner->second].entries.push_back(std::move(made));
  }
  for (auto& p : grown.parameters)  // as its package has them
    std::ranges::sort(p.entries, {},
                      [&](const auto& e) { return old.is.kind->find(e.name) - old.is.kind->entries.data(); });
  return grown;
}

}  // namespace modelgrow::inline v0
