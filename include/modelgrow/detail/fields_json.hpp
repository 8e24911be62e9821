// SPDX-License-Identifier: MIT
// Described options as a JSON object: numbers as numbers, lists as lists, words of enums as text.
#pragma once
#include <modelgrow/core/fields.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0::detail {

template <class V>
json field_to_json(const V& v) {
  if constexpr (is_optional<V>)
    return v ? field_to_json(*v) : json(nullptr);
  else if constexpr (std::is_enum_v<V>)
    return to_word(v);
  else
    return v;
}

/// Reads a value of this kind, or says that it cannot: no rounding, no text for numbers.
template <class V>
bool field_from_json(const json& j, V& v) {
  if constexpr (is_optional<V>) {
    if (j.is_null()) return v.reset(), true;
    return field_from_json(j, v.emplace());
  } else if constexpr (is_list<V>) {
    v.clear();
    return j.is_array() &&
           std::all_of(j.begin(), j.end(), [&](const json& x) { return field_from_json(x, v.emplace_back()); });
  } else if constexpr (std::integral<V>) {
    if (!j.is_number_integer()) return false;
    return read_word(j.dump(), v);
  } else if constexpr (std::floating_point<V>) {
    if (!j.is_number()) return false;
    v = j.get<V>();
    return true;
  } else {
    return j.is_string() && read_word(j.get_ref<const std::string&>(), v);
  }
}

/// The fields that are not as they are by default.
template <Described O>
json fields_to_json(const O& options) {
  json object = json::object();
  const auto standard = fields_of<O>();
  std::size_t i = 0;
  auto visit = [&](std::string_view key, const auto& value, std::string_view) {
    if (to_word(value) != standard[i++].value) object[std::string(key)] = field_to_json(value);
  };
  O::describe(options, visit);
  return object;
}

/// Throws option_error that begins with `where` and names the key, what was found and expected, and the nearest key.
template <Described O>
O fields_from_json(const json& object, const std::string& where) {
  if (!object.is_object()) throw option_error(where + ": found " + object.dump() + "; expected an object of options");
  O options;
  for (const auto& [key, found] : object.items()) {
    bool known = false;
    auto visit = [&, &wanted = key, &value = found]<class V>(std::string_view name, V& field, std::string_view help) {
      if (name != wanted) return;
      known = true;
      if (!field_from_json(value, field))
        throw option_error(where + ": '" + wanted + "' is " + value.dump() + "; expected " + kind_of<V>() + " (" +
                           std::string(help) + ")");
    };
    O::describe(options, visit);
    if (!known) unknown_field<O>(where, key);
  }
  return options;
}

}  // namespace modelgrow::inline v0::detail
