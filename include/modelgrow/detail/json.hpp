// SPDX-License-Identifier: MIT
// The only includer of nlohmann/json.hpp, with a parser as strict as checkpoints need: no duplicate keys, bounded
// nesting, nothing but JSON.
#pragma once
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0::detail {

using json = nlohmann::json;
/// Keeps keys in the order they were written.
using ordered_json = nlohmann::ordered_json;

/// Deepest nesting of arrays and objects that parse_json accepts.
inline constexpr std::size_t max_json_depth = 64;

/// Parses one JSON value; throws format_error that begins with `where`.
template <class Json = json>
Json parse_json(std::string_view text, const std::string& where) {
  // nlohmann's lexer skips a byte order mark and takes a NUL byte for the end of the text.
  if (text.starts_with("\xEF\xBB\xBF")) throw format_error(where + ": the JSON begins with a byte order mark");
  if (text.find('\0') != text.npos) throw format_error(where + ": the JSON has a NUL byte");
  std::vector<std::set<std::string>> open;  // one set of keys for each open object or array
  using Event = typename Json::parse_event_t;
  const auto watch = [&](int, Event event, Json& value) {
    if (event == Event::object_start || event == Event::array_start) {
      if (open.size() == max_json_depth)
        throw format_error(where + ": the JSON is nested deeper than " + std::to_string(max_json_depth) + " levels");
      open.emplace_back();
    } else if (event == Event::object_end || event == Event::array_end) {
      open.pop_back();
    } else if (event == Event::key) {
      const auto& key = value.template get_ref<const std::string&>();
      if (!open.back().insert(key).second) throw format_error(where + ": the JSON has the key '" + key + "' twice");
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::exception& e) {
    throw format_error(where + ": " + e.what());
  }
}

}  // namespace modelgrow::inline v0::detail
