// SPDX-License-Identifier: MIT
// Members of JSON objects, found and set by functions that are compiled once. Those of nlohmann, contains("key") and
// json{{"key", x}}, are templates of the length of each literal: a dozen functions more for every one.
#pragma once
#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0::detail {

/// The value behind a key; nothing where there is none, or no object.
inline const json* member(const json& object, std::string_view key) {
  if (object.is_object())
    for (const auto& [name, value] : object.get_ref<const json::object_t&>())
      if (name == key) return &value;
  return nullptr;
}
inline bool has(const json& object, std::string_view key) { return member(object, key); }

template <class T>
json array_of(const std::vector<T>& list) {
  json array = json::array();
  for (const auto& x : list) array.push_back(json(T(x)));
  return array;
}

/// A key and what to put behind it.
struct Member {
  std::string_view key;
  mutable json value;  // moved out of the list that it stands in
  Member(std::string_view k, std::string_view text) : key(k), value(std::string(text)) {}
  template <class Number>
  requires std::is_arithmetic_v<Number> Member(std::string_view k, Number number) : key(k), value(number) {}
  template <class T>
  Member(std::string_view k, const std::vector<T>& list) : key(k), value(array_of(list)) {}
  template <std::same_as<json> Json>
  Member(std::string_view k, Json any) : key(k), value(std::move(any)) {}
};

/// Sets members of an object, in this order.
inline void put(json& object, std::initializer_list<Member> members) {
  for (const auto& m : members) object[std::string(m.key)] = std::move(m.value);
}
inline json object_of(std::initializer_list<Member> members) {
  json object = json::object();
  put(object, members);
  return object;
}

}  // namespace modelgrow::inline v0::detail
