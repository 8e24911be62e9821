// SPDX-License-Identifier: MIT
// The definitions of torch_optimizer_writer.hpp.
#pragma once
#include <modelgrow/checkpoint/torch_archive.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE detail::TorchOptimizerTree detail::torch_optimizer_tree(const StoredOptimizer& optimizer) {
  using Ids = StoredOptimizer::Ids;
  if (optimizer.ids != Ids::numbers && !optimizer.has_names())
    throw format_error(optimizer.source + ": it is written with names, and parameters have none; name them");
  const auto id = [&](std::size_t place) {
    return optimizer.ids == Ids::names ? PickleValue(optimizer.prefix + optimizer.parameters[place].name)
                                       : PickleValue(std::int64_t(place));
  };
  TorchOptimizerTree tree;
  PickleDict state;
  for (std::size_t i = 0; i < optimizer.parameters.size(); ++i) {
    PickleDict entries;
    for (const auto& e : optimizer.parameters[i].entries) {
      if (e.number.is_none()) {
        entries.items.push_back(
            {.key = e.name,
             .value = torch_tensor(std::to_string(tree.tensors.size()), e.tensor.dtype(), e.tensor.shape())});
        tree.tensors.push_back(e.tensor);
      } else {
        entries.items.push_back({.key = e.name, .value = e.number});
      }
    }
    if (!entries.items.empty()) state.items.push_back({.key = id(i), .value = std::move(entries)});
  }
  PickleList groups;
  for (const auto& group : optimizer.groups) {
    PickleDict dict;
    PickleList ids, names;
    for (const auto place : group.parameters) {
      ids.values.push_back(id(place));
      names.values.emplace_back(optimizer.prefix + optimizer.parameters[place].name);
    }
    if (optimizer.ids == Ids::numbers_with_names) dict.set("param_names", std::move(names));
    for (const auto& item : group.options.items) {
      if (item.value.get<PickleTensor>())
        throw format_error(optimizer.source +
                           ": an option of a group is a tensor, which groups would share; save the "
                           "run with a rate that is a number");
      dict.items.push_back(item);
    }
    dict.set("params", std::move(ids));
    groups.values.emplace_back(std::move(dict));
  }
  PickleDict root;
  root.set("state", std::move(state));
  root.set("param_groups", std::move(groups));
  tree.root = std::move(root);
  return tree;
}

MODELGROW_INLINE WrittenFile write_torch_optimizer(const std::filesystem::path& path, const StoredOptimizer& optimizer,
                                                   Existing existing, const WriteWindows& how) {
  auto tree = detail::torch_optimizer_tree(optimizer);
  detail::SegmentedFile file;
  detail::add_torch_archive(file, path.stem().string() + "/", tree.root, std::move(tree.tensors));
  return file.write(path, existing, how);
}

}  // namespace modelgrow::inline v0
