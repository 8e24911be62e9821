// SPDX-License-Identifier: MIT
// Ways into a tree of values: lists and tuples alike, and keys of nested dictionaries.
#pragma once
#include <initializer_list>
#include <string_view>
#include <vector>

#include <modelgrow/checkpoint/pickle_value.hpp>

namespace modelgrow::inline v0::detail {

/// The values of a list or a tuple; nullptr for others.
inline const std::vector<PickleValue>* sequence(const PickleValue* value) {
  if (!value) return nullptr;
  if (const auto* list = value->get<PickleList>()) return &list->values;
  if (const auto* tuple = value->get<PickleTuple>()) return &tuple->values;
  return nullptr;
}

/// A value behind keys of nested dictionaries; nullptr where one is missing.
inline const PickleValue* value_behind(const PickleValue& root, std::initializer_list<std::string_view> keys) {
  const PickleValue* value = &root;
  for (const auto key : keys) {
    const auto* dict = value ? value->get<PickleDict>() : nullptr;
    value = dict ? dict->find(key) : nullptr;
  }
  return value;
}

}  // namespace modelgrow::inline v0::detail
