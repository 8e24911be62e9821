// SPDX-License-Identifier: MIT
// The only includer of nlohmann/json.hpp, with a parser as strict as checkpoints need: no duplicate keys, bounded
// nesting, nothing but JSON.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0::detail {

using json = nlohmann::json;
/// Keeps keys in the order they were written.
using ordered_json = nlohmann::ordered_json;

/// Deepest nesting of arrays and objects that parse_json accepts.
inline constexpr std::size_t max_json_depth = 64;

/// Passes over a JSON text and throws format_error for what the parser of the library lets through. A pass of its own,
/// because a parse callback makes the library search the parent object at the end of every child.
template <class Json>
class StrictPass {
 public:
  explicit StrictPass(const std::string& where) : where_(where) {}
  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool number_integer(typename Json::number_integer_t) { return true; }
  bool number_unsigned(typename Json::number_unsigned_t) { return true; }
  bool number_float(typename Json::number_float_t, const std::string&) { return true; }
  bool string(std::string&) { return true; }
  bool binary(typename Json::binary_t&) { return true; }
  bool start_object(std::size_t) { return enter(); }
  bool start_array(std::size_t) { return enter(); }
  bool end_object() { return leave(); }
  bool end_array() { return leave(); }
  bool key(std::string& name) {
    if (!open_.back().insert(name).second) throw format_error(where_ + ": the JSON has the key '" + name + "' twice");
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) {
    throw format_error(where_ + ": " + e.what());
  }

 private:
  bool enter() {
    if (open_.size() == max_json_depth)
      throw format_error(where_ + ": the JSON is nested deeper than " + std::to_string(max_json_depth) + " levels");
    open_.emplace_back();
    return true;
  }
  bool leave() {
    open_.pop_back();
    return true;
  }
  const std::string& where_;
  std::vector<std::unordered_set<std::string>> open_;  // the keys of each open object; empty for arrays
};

/// Parses one JSON value; throws format_error that begins with `where`.
template <class Json = json>
Json parse_json(std::string_view text, const std::string& where) {
  // nlohmann's lexer skips a byte order mark and takes a NUL byte for the end of the text.
  if (text.starts_with("\xEF\xBB\xBF")) throw format_error(where + ": the JSON begins with a byte order mark");
  if (text.find('\0') != text.npos) throw format_error(where + ": the JSON has a NUL byte");
  StrictPass<Json> pass(where);
  Json::sax_parse(text.begin(), text.end(), &pass);
  return Json::parse(text.begin(), text.end());
}

}  // namespace modelgrow::inline v0::detail
