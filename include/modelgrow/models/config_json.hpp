// SPDX-License-Identifier: MIT
// Reading config.json: a configuration type C has `config_text(c)` and `read_config(c, text, where)` beside it.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>

#include <modelgrow/core/fields.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/detail/json_members.hpp>

namespace modelgrow::inline v0::detail {

/// Parses a configuration; throws format_error unless it is a JSON object.
inline json parse_config(std::string_view text, const std::string& where) {
  json j = parse_json(text, where);
  if (!j.is_object()) throw format_error(where + ": a configuration is a JSON object; found " + j.type_name());
  return j;
}

/// What a key of type V holds, for people.
template <class V>
std::string kind_in_json() {
  if constexpr (requires { std::tuple_size<V>::value; })
    return "a list of " + std::to_string(std::tuple_size_v<V>);
  else if constexpr (std::is_same_v<V, bool>)
    return "true or false";
  else
    return kind_of<V>();
}

/// Whether a JSON value is of type V, which the parser's own conversions would bend: 2.9 is no whole number, true is no
/// number.
template <class V>
bool is_a(const json& value) {
  if constexpr (requires { std::tuple_size<V>::value; }) {
    return value.is_array() && value.size() == std::tuple_size_v<V> &&
           std::all_of(value.begin(), value.end(), is_a<typename V::value_type>);
  } else if constexpr (std::is_same_v<V, bool>) {
    return value.is_boolean();
  } else if constexpr (std::integral<V>) {
    return whole_number(value).has_value();
  } else if constexpr (std::floating_point<V>) {
    return value.is_number();
  } else {
    return value.is_string();
  }
}

/// Reads a key if it is there, and not null, which stands for the default; throws format_error when its value has
/// another type.
template <class V>
void read_key(const json& from, std::string_view key, V& value, const std::string& where) {
  const auto it = from.find(key);
  if (it == from.end() || it->is_null()) return;
  if (!is_a<V>(*it))
    throw format_error(where + ": '" + std::string(key) + "' is " + it->dump() + "; expected " + kind_in_json<V>());
  it->get_to(value);
}

/// Reads every key that a configuration describes; absent ones keep what it has. Throws format_error.
template <class C>
void read_keys(const json& from, C& config, const std::string& where) {
  const auto visit = [&](std::string_view key, auto& value, std::string_view) { read_key(from, key, value, where); };
  C::describe(config, visit);
}

/// A configuration under the name of its class.
template <class C>
json config_json(std::string_view class_name, const C& config) {
  json j;
  j["_class_name"] = class_name;
  const auto visit = [&](std::string_view key, const auto& value, std::string_view) { j[std::string(key)] = value; };
  C::describe(config, visit);
  return j;
}

/// Index of a word in a list; throws format_error that names the words there are.
template <std::size_t N>
int index_in(const std::string_view (&names)[N], const std::string& text, const std::string& where) {
  std::string known;
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) return int(i);
    known += (i ? ", " : "") + std::string(names[i]);
  }
  throw format_error(where + ": '" + text + "' is not one of " + known);
}

}  // namespace modelgrow::inline v0::detail
