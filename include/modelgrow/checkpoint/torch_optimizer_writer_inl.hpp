// SPDX-License-Identifier: MIT
// The definitions of torch_optimizer_writer.hpp.
#pragma once
#include <modelgrow/checkpoint/torch_archive.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE PickleValue detail::torch_optimizer_tree(
    const StoredOptimizer& optimizer, const std::function<PickleValue(const JoinedTensor&)>& place) {
  using Ids = StoredOptimizer::Ids;
  if ((optimizer.ids == Ids::names || optimizer.param_names) && !optimizer.has_names())
    throw format_error(optimizer.source + ": it is written with names, and parameters have none; name them");
  const auto id = [&](std::size_t i) {
    return optimizer.ids == Ids::names ? PickleValue(optimizer.prefix + optimizer.parameters[i].name)
                                       : PickleValue(std::int64_t(i));
  };
  PickleDict state;
  for (std::size_t i = 0; i < optimizer.parameters.size(); ++i) {
    PickleDict entries, moments;
    for (const auto& e : optimizer.parameters[i].entries) {
      const auto* moment = optimizer.wrapped ? wrapped_moment(e.name) : nullptr;
      if (!moment) {
        const auto value = [&] {
          if (!e.number.is_none()) return e.number;
          return e.packed ? repacked(e.object, *e.packed, place) : place(e.tensor);
        };
        entries.items.push_back({.key = e.name, .value = value()});
        continue;
      }
      moments.set(moment->state, place(e.packed ? e.packed->codes : e.tensor));
      if (!e.packed) continue;
      moments.set(moment->map, place(map_tensor(*e.packed)));
      moments.set(moment->scales, place(e.packed->scales));
    }
    if (!moments.items.empty()) entries.set(wrapped_key, std::move(moments));
    if (!entries.items.empty()) state.items.push_back({.key = id(i), .value = std::move(entries)});
  }
  PickleList groups;
  for (const auto& group : optimizer.groups) {
    PickleDict dict;
    PickleList ids, names;
    for (const auto i : group.parameters) {
      ids.values.push_back(id(i));
      names.values.emplace_back(optimizer.prefix + optimizer.parameters[i].name);
    }
    if (optimizer.param_names) dict.set("param_names", std::move(names));
    for (const auto& item : group.options.items) {
      if (!item.value.get<PickleTensor>()) {
        dict.items.push_back(item);
        continue;
      }
      const auto* key = item.key.get<std::string>();
      const auto tensor = key ? group.tensors.find(*key) : group.tensors.end();
      if (tensor == group.tensors.end())
        throw format_error(optimizer.source +
                           ": an option of a group is a tensor, whose number nobody has read; save the run with a "
                           "rate that is a number");
      dict.items.push_back({.key = item.key, .value = place(tensor->second)});
    }
    dict.set("params", std::move(ids));
    groups.values.emplace_back(std::move(dict));
  }
  PickleDict root;
  root.set("state", std::move(state));
  root.set("param_groups", std::move(groups));
  return root;
}

MODELGROW_INLINE WrittenFile write_torch_optimizer(const std::filesystem::path& path, const StoredOptimizer& optimizer,
                                                   Existing existing, const WriteWindows& how) {
  std::vector<JoinedTensor> tensors;
  const auto tree = detail::torch_optimizer_tree(optimizer, [&](const JoinedTensor& t) {
    tensors.push_back(t);
    return PickleValue(torch_tensor(std::to_string(tensors.size() - 1), t.dtype(), t.shape()));
  });
  detail::SegmentedFile file;
  detail::add_torch_archive(file, path.stem().string() + "/", tree, std::move(tensors));
  return file.write(path, existing, how);
}

}  // namespace modelgrow::inline v0
