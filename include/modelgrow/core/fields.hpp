// SPDX-License-Identifier: MIT
// Options described once: a struct lists its fields with a sentence each, and visitors read them from "every=1,at=3+7",
// write them, compare them, and explain them.
#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/core/names.hpp>

namespace modelgrow::inline v0 {

namespace detail {
struct NoVisitor {
  void operator()(std::string_view, auto&, std::string_view) {}
};
}  // namespace detail

/// Options with `static void describe(auto& self, auto& v) { v("every", self.every, "what it means"); .. }`. Fields are
/// whole numbers, numbers, text, lists of whole numbers, enums whose words `words_of(E)` lists, and optional ones.
template <class O>
concept Described = std::default_initializable<O> && requires(O& o, detail::NoVisitor& v) {
  O::describe(o, v);
};

/// A field as people see it; values as they are written on a command line.
struct Field {
  std::string key, kind, value, help;
};

namespace detail {

template <class V>
inline constexpr bool is_list = false;
template <class V>
inline constexpr bool is_list<std::vector<V>> = true;
template <class V>
inline constexpr bool is_optional = false;
template <class V>
inline constexpr bool is_optional<std::optional<V>> = true;

/// What a field holds, for people: "a whole number", "insert | prefix | suffix".
template <class V>
std::string kind_of() {
  if constexpr (is_optional<V>) {
    return kind_of<typename V::value_type>();
  } else if constexpr (is_list<V>) {
    return "whole numbers, as 3+7";
  } else if constexpr (std::is_enum_v<V>) {
    std::string text;
    for (auto word : words_of(V{})) text.append(text.empty() ? "" : " | ").append(word);
    return text;
  } else {
    return std::floating_point<V> ? "a number" : std::integral<V> ? "a whole number" : "text";
  }
}

template <class V>
std::string to_word(const V& v) {
  if constexpr (is_optional<V>) {
    return v ? to_word(*v) : "";
  } else if constexpr (is_list<V>) {
    std::string text;
    for (const auto& x : v) text += (text.empty() ? "" : "+") + to_word(x);
    return text;
  } else if constexpr (std::is_enum_v<V>) {
    return std::string(words_of(v)[std::size_t(v)]);
  } else if constexpr (std::is_arithmetic_v<V>) {
    char text[32];
    return std::string(text, std::to_chars(text, text + sizeof text, v).ptr);  // reads back as the same number
  } else {
    return v;
  }
}

/// Reads a whole word, or says that it cannot.
template <class V>
bool read_word(std::string_view word, V& v) {
  if constexpr (is_optional<V>) {
    if (word.empty()) return v.reset(), true;
    return read_word(word, v.emplace());
  } else if constexpr (is_list<V>) {
    v.clear();
    while (!word.empty()) {
      const auto end = std::min(word.find('+'), word.size());
      if (end + 1 == word.size() || !read_word(word.substr(0, end), v.emplace_back())) return false;
      word.remove_prefix(std::min(end + 1, word.size()));
    }
    return true;
  } else if constexpr (std::is_enum_v<V>) {
    const auto words = words_of(v);
    const auto it = std::find(words.begin(), words.end(), word);
    if (it == words.end()) return false;
    v = V(it - words.begin());
    return true;
  } else if constexpr (std::is_arithmetic_v<V>) {
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), v);
    return problem == std::errc{} && end == word.data() + word.size() && (std::integral<V> || std::isfinite(double(v)));
  } else {
    v = std::string(word);
    return true;
  }
}

/// "every=1,stack=blocks" in pairs; a comma within a value is written "\,".
inline std::vector<std::pair<std::string, std::string>> split_fields(std::string_view text, const std::string& where) {
  std::vector<std::string> parts(text.empty() ? 0 : 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',')
      parts.emplace_back();
    else
      parts.back() += text[i] == '\\' && i + 1 < text.size() ? text[++i] : text[i];
  }
  std::vector<std::pair<std::string, std::string>> fields;
  for (const auto& part : parts) {
    const auto equals = part.find('=');
    if (equals == part.npos)
      throw option_error(where + ": found '" + part + "'; expected key=value, several with commas between");
    fields.emplace_back(part.substr(0, equals), part.substr(equals + 1));
  }
  return fields;
}
inline std::string escaped(std::string_view value) {
  std::string text;
  for (char c : value) text.append(c == ',' || c == '\\' ? "\\" : "").push_back(c);
  return text;
}

}  // namespace detail

/// Every field with its value and what it means.
template <Described O>
std::vector<Field> fields_of(const O& options = {}) {
  std::vector<Field> list;
  auto visit = [&]<class V>(std::string_view key, const V& value, std::string_view help) {
    list.push_back(Field{.key = std::string(key),
                         .kind = detail::kind_of<V>(),
                         .value = detail::to_word(value),
                         .help = std::string(help)});
  };
  O::describe(options, visit);
  return list;
}

namespace detail {
/// For a key that an options struct does not have.
template <Described O>
[[noreturn]] void unknown_field(const std::string& where, std::string_view key) {
  std::vector<std::string> keys;
  for (const auto& f : fields_of<O>()) keys.push_back(f.key);
  throw option_error(where + ": there is no '" + std::string(key) + "'" +
                     (keys.empty() ? "; it has no options" : nearest_names(key, keys)));
}
}  // namespace detail

template <Described O>
bool same_fields(const O& a, const O& b) {
  const auto x = fields_of(a), y = fields_of(b);
  return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                    [](const Field& f, const Field& g) { return f.value == g.value; });
}

/// "every=1,stack=blocks": the fields that are not as they are by default.
template <Described O>
std::string to_text(const O& options) {
  const auto now = fields_of(options), standard = fields_of<O>();
  std::string text;
  for (std::size_t i = 0; i < now.size(); ++i)
    if (now[i].value != standard[i].value)
      text += (text.empty() ? "" : ",") + now[i].key + "=" + detail::escaped(now[i].value);
  return text;
}

/// Reads "every=1,stack=blocks"; `where` ("InsertBlocks") begins messages. Throws option_error that names the key, what
/// was found and expected, and the nearest key.
template <Described O>
O parse_fields(std::string_view text, const std::string& where) {
  O options;
  std::vector<std::string> seen;
  for (const auto& [key, word] : detail::split_fields(text, where)) {
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      throw option_error(where + ": '" + key + "' is given twice");
    seen.push_back(key);
    bool known = false;
    auto visit = [&, &wanted = key, &found = word]<class V>(std::string_view name, V& value, std::string_view help) {
      if (name != wanted) return;
      known = true;
      if (!detail::read_word(found, value))
        throw option_error(where + ": '" + wanted + "' is '" + found + "'; expected " + detail::kind_of<V>() + " (" +
                           std::string(help) + ")");
    };
    O::describe(options, visit);
    if (!known) detail::unknown_field<O>(where, key);
  }
  return options;
}

/// A table of fields for documentation: | key | value | default | meaning |.
template <Described O>
std::string field_table() {
  std::string text = "| key | value | default | |\n|---|---|---|---|\n";
  for (const auto& f : fields_of<O>()) {
    std::string kind;
    for (char c : f.kind) kind.append(c == '|' ? "\\" : "").push_back(c);
    text +=
        "| `" + f.key + "` | " + kind + " | " + (f.value.empty() ? "" : "`" + f.value + "`") + " | " + f.help + " |\n";
  }
  return text;
}

}  // namespace modelgrow::inline v0
