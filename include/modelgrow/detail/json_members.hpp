// SPDX-License-Identifier: MIT
// Members of JSON objects, found and set by functions that are compiled once. Those of nlohmann, contains("key") and
// json{{"key", x}}, are templates of the length of each literal: a dozen functions more for every one.
#pragma once
#include <cmath>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
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
/// Whether there is something behind a key.
inline bool has(const json& object, std::string_view key) { return member(object, key); }

/// A whole number, 28.0 too; nothing for what is none, or too large for 64 bits to hold it exactly.
inline std::optional<std::int64_t> whole_number(const json& value) {
  if (value.is_number_unsigned()) {
    const auto n = value.get<std::uint64_t>();
    return n <= std::uint64_t(INT64_MAX) ? std::optional(std::int64_t(n)) : std::nullopt;
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return {};
  const double x = value.get<double>();
  return std::nearbyint(x) == x && std::abs(x) < 1e15 ? std::optional(std::int64_t(x)) : std::nullopt;
}

/// A list as JSON.
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
/// An object with these members, in this order.
inline json object_of(std::initializer_list<Member> members) {
  json object = json::object();
  put(object, members);
  return object;
}

}  // namespace modelgrow::inline v0::detail
