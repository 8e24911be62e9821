// SPDX-License-Identifier: MIT
// The only includer of nlohmann/json.hpp, with a parser as strict as checkpoints need: no duplicate keys, bounded
// nesting, nothing but JSON.
#pragma once
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0::detail {

/// Keeps keys in the order they were written; find() is linear in the number of keys. One type for everything, because
/// every further instantiation of nlohmann::basic_json costs each program that includes it a second of compile time.
using json = nlohmann::ordered_json;

/// Deepest nesting of arrays and objects that parse_json accepts.
inline constexpr std::size_t max_json_depth = 64;

/// Builds a value from the events of the parser. The library's own builder lets duplicate keys and any depth through,
/// and searches an object for every key that it adds.
class StrictBuilder {
 public:
  StrictBuilder(json& result, const std::string& where, std::string_view text)
      : result_(result), where_(where), text_(text) {}
  bool null() { return add(nullptr); }
  bool boolean(bool v) { return add(v); }
  bool number_integer(json::number_integer_t v) { return add(v); }
  bool number_unsigned(json::number_unsigned_t v) { return add(v); }
  bool number_float(json::number_float_t v, const std::string&) { return add(v); }
  bool string(std::string& v) { return add(std::move(v)); }
  bool binary(json::binary_t&) { return true; }  // JSON has none
  bool start_object(std::size_t) { return enter(json::object()); }
  bool start_array(std::size_t) { return enter(json::array()); }
  bool end_object() { return leave(); }
  bool end_array() { return leave(); }
  bool key(std::string& name) {
    if (!open_.back().keys.insert(name).second)
      throw format_error(where_ + ": the JSON has the key '" + name + "' twice");
    next_ = &open_.back().value->get_ref<json::object_t&>().emplace_back(name, nullptr).second;
    return true;
  }
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception& e) {
    throw format_error(where_ + ": " + e.what() + advice(position, token));
  }

 private:
  struct Open {
    json* value;
    std::unordered_set<std::string> keys;  // of an object
  };
  bool add(json v) {
    if (!open_.empty() && open_.back().value->is_array())
      next_ = &open_.back().value->get_ref<json::array_t&>().emplace_back();
    *next_ = std::move(v);
    return true;
  }
  bool enter(json empty) {
    if (open_.size() == max_json_depth)
      throw format_error(where_ + ": the JSON is nested deeper than " + std::to_string(max_json_depth) + " levels");
    add(std::move(empty));
    open_.push_back(Open{.value = next_, .keys = {}});
    return true;
  }
  bool leave() {
    open_.pop_back();
    return true;
  }
  /// What to do about the mistakes that other programs make. Python writes Infinity and NaN, people leave commas.
  std::string advice(std::size_t position, const std::string& token) const {
    const auto before = text_.substr(0, std::min(position, text_.size()));
    const std::string line = std::to_string(std::count(before.begin(), before.end(), '\n') + 1);
    if (token.ends_with("I") || token.ends_with("N") || token.ends_with("Na") || token.ends_with("NaN"))
      return "; JSON has no Infinity and no NaN: replace it in line " + line + " by null, or by a large number";
    const auto mark = before.find_last_not_of(" \t\r\n}]");
    if ((token.ends_with("}") || token.ends_with("]")) && mark != before.npos && before[mark] == ',')
      return "; remove the comma before the bracket in line " + line;
    return {};
  }
  json& result_;
  json* next_ = &result_;  // where the next value goes, unless that is the end of an array
  const std::string& where_;
  std::string_view text_;
  std::vector<Open> open_;
};

/// Parses one JSON value; throws format_error that begins with `where`.
inline json parse_json(std::string_view text, const std::string& where) {
  // nlohmann's lexer skips a byte order mark and takes a NUL byte for the end of the text.
  if (text.starts_with("\xEF\xBB\xBF"))
    throw format_error(where +
                       ": the JSON begins with a byte order mark; save the file without (as UTF-8, not UTF-8-BOM)");
  if (text.find('\0') != text.npos) throw format_error(where + ": the JSON has a NUL byte");
  json result;
  StrictBuilder builder(result, where, text);
  // Not json::sax_parse, which compiles the readers of CBOR, BSON, UBJSON and MessagePack into every program as well.
  using Input = decltype(nlohmann::detail::input_adapter(text.data(), text.data() + text.size()));
  nlohmann::detail::parser<json, Input>(nlohmann::detail::input_adapter(text.data(), text.data() + text.size()))
      .sax_parse(&builder);
  return result;
}

}  // namespace modelgrow::inline v0::detail
