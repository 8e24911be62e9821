// SPDX-License-Identifier: MIT
// Described options as a JSON object.
#pragma once
#include <modelgrow/detail/fields_text.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0::detail {

json json_of(const FieldValues& values);
/// Throws option_error that begins with `where` unless it is an object.
FieldValues values_of(const json& object, const std::string& where);

/// The fields that are not as they are by default.
template <Described O>
json fields_to_json(const O& options) {
  return json_of(changed_fields(options));
}
/// Throws option_error that begins with `where` and names the key, what was found and expected, and the nearest key.
template <Described O>
O fields_from_json(const json& object, const std::string& where) {
  return options_from<O>(values_of(object, where), where);
}

}  // namespace modelgrow::inline v0::detail
