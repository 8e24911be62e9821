// SPDX-License-Identifier: MIT
// Reading config.json: a configuration type C has `config_text(c)` and `read_config(c, text, where)` beside it.
#pragma once
#include <string>
#include <string_view>

#include <modelgrow/core/schema.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0::detail {

/// Parses a configuration; throws format_error unless it is a JSON object.
inline json parse_config(std::string_view text, const std::string& where) {
  json j = parse_json(text, where);
  if (!j.is_object()) throw format_error(where + ": a configuration is a JSON object; found " + j.type_name());
  return j;
}

/// Reads a key if it is there; throws format_error when its value has another type.
template <class V>
void read_key(const json& from, const char* key, V& value, const std::string& where) {
  const auto it = from.find(key);
  if (it == from.end()) return;
  try {
    it->get_to(value);
  } catch (const json::exception&) {
    throw format_error(where + ": '" + key + "' is " + it->dump() + ", which is not of the expected type");
  }
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
