// SPDX-License-Identifier: MIT
// Values for trees that are written: sizes of tensors, and attributes of objects.
#pragma once
#include <initializer_list>
#include <utility>

#include <modelgrow/checkpoint/pickle_value.hpp>

namespace modelgrow::inline v0::detail {

/// torch.Size((5, 3)).
inline PickleValue torch_size(const Shape& shape) {
  PickleTuple extents;
  for (const auto extent : shape) extents.values.emplace_back(extent);
  return PickleObject{.type = {"torch", "Size"}, .arguments = PickleTuple{{PickleValue(std::move(extents))}}};
}
inline PickleDict attributes(std::initializer_list<std::pair<const char*, PickleValue>> list) {
  PickleDict dict;
  for (const auto& [name, value] : list) dict.items.push_back({.key = name, .value = value});
  return dict;
}

}  // namespace modelgrow::inline v0::detail
