// SPDX-License-Identifier: MIT
// The definitions of pickle_value.hpp.
#pragma once
#include <modelgrow/checkpoint/pickle_value.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE PickleValue::PickleValue(PickleDict dict) : value_(std::make_shared<PickleDict>(std::move(dict))) {}
MODELGROW_INLINE PickleValue::PickleValue(PickleStorage storage)
    : value_(std::make_shared<PickleStorage>(std::move(storage))) {}
MODELGROW_INLINE PickleValue::PickleValue(PickleTensor tensor)
    : value_(std::make_shared<PickleTensor>(std::move(tensor))) {}
MODELGROW_INLINE PickleValue::PickleValue(PickleObject object)
    : value_(std::make_shared<PickleObject>(std::move(object))) {}

MODELGROW_INLINE const void* PickleValue::identity() const {
  return std::visit(
      [](const auto& held) -> const void* {
        if constexpr (requires { held.get(); })
          return held.get();
        else
          return nullptr;
      },
      value_);
}

MODELGROW_INLINE std::string PickleValue::kind() const {
  if (const auto* object = get<PickleObject>()) return "an object of " + object->type.text();
  if (const auto* global = get<PickleGlobal>()) return "the name " + global->text();
  constexpr const char* kinds[] = {"None",    "a bool", "an int", "a float",   "a text",   "a name",   "an int",
                                   "a tuple", "a list", "a dict", "a storage", "a tensor", "an object"};
  return kinds[value_.index()];
}

namespace detail {
template <class T, class Key>
PickleItem* find_item(std::vector<PickleItem>& items, Key key) {
  for (auto& item : items)
    if (const auto* found = item.key.get<T>(); found && *found == key) return &item;
  return nullptr;
}
template <class T, class Key>
const PickleValue* item_value(const std::vector<PickleItem>& items, Key key) {
  const auto* item = find_item<T>(const_cast<std::vector<PickleItem>&>(items), key);
  return item ? &item->value : nullptr;
}
template <class T, class Key>
void put_item(std::vector<PickleItem>& items, Key key, PickleValue value) {
  if (auto* item = find_item<T>(items, key))
    item->value = std::move(value);
  else
    items.push_back(PickleItem{.key = key, .value = std::move(value)});
}
}  // namespace detail

MODELGROW_INLINE const PickleValue* PickleDict::find(std::string_view key) const {
  return detail::item_value<std::string>(items, key);
}
MODELGROW_INLINE const PickleValue* PickleDict::find(std::int64_t key) const {
  return detail::item_value<std::int64_t>(items, key);
}
MODELGROW_INLINE void PickleDict::set(std::string_view key, PickleValue value) {
  detail::put_item<std::string>(items, key, std::move(value));
}
MODELGROW_INLINE void PickleDict::set(std::int64_t key, PickleValue value) {
  detail::put_item<std::int64_t>(items, key, std::move(value));
}

}  // namespace modelgrow::inline v0
