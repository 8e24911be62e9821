// SPDX-License-Identifier: MIT
// Definitions of fields_text.hpp and fields_json.hpp.
#pragma once
#include <modelgrow/detail/fields_text.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0::detail {

MODELGROW_INLINE json json_of(const FieldValue& value) {
  using Kind = FieldValue::Kind;
  if (value.kind == Kind::text) return value.word;
  if (value.kind == Kind::whole) return parse_json(value.word, "option");
  if (value.kind == Kind::number) {
    double number = 0.0;
    read_word(value.word, number);
    return number;
  }
  if (value.kind != Kind::list) return nullptr;
  json list = json::array();
  for (const auto& item : value.items) list.push_back(json_of(item));
  return list;
}
MODELGROW_INLINE json json_of(const FieldValues& values) {
  json object = json::object();
  for (const auto& [key, value] : values) object[key] = json_of(value);
  return object;
}

MODELGROW_INLINE FieldValue value_of(const json& j) {
  using Kind = FieldValue::Kind;
  FieldValue value{.kind = Kind::other, .word = j.dump(), .items = {}, .found = j.dump()};
  if (j.is_null()) value.kind = Kind::null;
  if (j.is_number()) value.kind = j.is_number_integer() ? Kind::whole : Kind::number;
  if (j.is_string()) {
    value.kind = Kind::text;
    value.word = j.get_ref<const std::string&>();
  }
  if (j.is_array()) {
    value.kind = Kind::list;
    for (const auto& item : j) value.items.push_back(value_of(item));
  }
  return value;
}
MODELGROW_INLINE FieldValues values_of(const json& object, const std::string& where) {
  if (!object.is_object()) throw option_error(where + ": found " + object.dump() + "; expected an object of options");
  FieldValues values;
  for (const auto& [key, value] : object.items()) values.emplace_back(key, value_of(value));
  return values;
}

MODELGROW_INLINE FieldValues read_values(std::string_view text, const std::string& where) {
  return values_of(parse_json(text, where), where);
}

MODELGROW_INLINE std::string values_text(const FieldValues& values) { return json_of(values).dump(); }

}  // namespace modelgrow::inline v0::detail
