// SPDX-License-Identifier: MIT
// Described options as the text of a JSON object: numbers as numbers, lists as lists, words of enums as text. Knows no
// JSON itself, so that whoever includes it does not compile a parser.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/core/fields.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0::detail {

/// A value of a JSON object.
struct FieldValue {
  enum class Kind { null, whole, number, text, list, other };
  Kind kind = Kind::null;
  std::string word;               // a number as written, a text without its quotes
  std::vector<FieldValue> items;  // of a list
  std::string found;              // as it stands in the file, for error messages
};
using FieldValues = std::vector<std::pair<std::string, FieldValue>>;

/// Throws format_error for text that is no JSON, option_error for what is no object; both begin with `where`.
FieldValues read_values(std::string_view text, const std::string& where);
/// The object as one line.
std::string values_text(const FieldValues& values);

template <class V>
FieldValue field_value(const V& v) {
  using Kind = FieldValue::Kind;
  FieldValue value;
  if constexpr (is_optional<V>) {
    if (v) value = field_value(*v);
  } else if constexpr (is_list<V>) {
    value.kind = Kind::list;
    for (const auto& x : v) value.items.push_back(field_value(x));
  } else {
    value.kind = std::integral<V> ? Kind::whole : std::floating_point<V> ? Kind::number : Kind::text;
    value.word = to_word(v);
  }
  return value;
}

/// Reads a value of this kind, or says that it cannot: no rounding, no text for numbers.
template <class V>
bool read_field(const FieldValue& value, V& v) {
  using Kind = FieldValue::Kind;
  if constexpr (is_optional<V>) {
    if (value.kind == Kind::null) return v.reset(), true;
    return read_field(value, v.emplace());
  } else if constexpr (is_list<V>) {
    v.clear();
    return value.kind == Kind::list && std::all_of(value.items.begin(), value.items.end(), [&](const FieldValue& x) {
             return read_field(x, v.emplace_back());
           });
  } else if constexpr (std::integral<V>) {
    return value.kind == Kind::whole && read_word(value.word, v);
  } else if constexpr (std::floating_point<V>) {
    return (value.kind == Kind::whole || value.kind == Kind::number) && read_word(value.word, v);
  } else {
    return value.kind == Kind::text && read_word(value.word, v);
  }
}

/// The fields that are not as they are by default.
template <Described O>
FieldValues changed_fields(const O& options) {
  FieldValues values;
  const auto standard = fields_of<O>();
  std::size_t i = 0;
  auto visit = [&](std::string_view key, const auto& value, std::string_view) {
    if (to_word(value) != standard[i++].value) values.emplace_back(key, field_value(value));
  };
  O::describe(options, visit);
  return values;
}

/// Throws option_error that begins with `where` and names the key, what was found and expected, and the nearest key.
template <Described O>
O options_from(const FieldValues& values, const std::string& where) {
  O options;
  for (const auto& [key, found] : values) {
    bool known = false;
    auto visit = [&, &wanted = key, &value = found]<class V>(std::string_view name, V& field, std::string_view help) {
      if (name != wanted) return;
      known = true;
      if (!read_field(value, field))
        throw option_error(where + ": '" + wanted + "' is " + value.found + "; expected " + kind_of<V>() + " (" +
                           std::string(help) + ")");
    };
    O::describe(options, visit);
    if (!known) unknown_field<O>(where, key);
  }
  return options;
}

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/detail/fields_text_inl.hpp>
#endif
