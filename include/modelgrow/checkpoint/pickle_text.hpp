// SPDX-License-Identifier: MIT
// Values as text, equal for equal ones: options of optimizers are compared and shown by it.
#pragma once
#include <charconv>
#include <string>

#include <modelgrow/checkpoint/pickle_value.hpp>

namespace modelgrow::inline v0::detail {

/// Of numbers, texts, lists, tuples and dictionaries, in the order of their items; other values by their kind.
inline std::string text_of(const PickleValue& value);
inline std::string text_of(const PickleDict& dict) {
  std::string text;
  for (const auto& item : dict.items)
    text.append(text.empty() ? "" : ", ").append(text_of(item.key)).append(": ").append(text_of(item.value));
  return "{" + text + "}";
}
inline std::string text_of(const std::vector<PickleValue>& values) {
  std::string text;
  for (const auto& value : values) text.append(text.empty() ? "" : ", ").append(text_of(value));
  return text;
}
inline std::string text_of(const PickleValue& value) {
  if (const auto* flag = value.get<bool>()) return *flag ? "True" : "False";
  if (const auto* number = value.get<std::int64_t>()) return std::to_string(*number);
  if (const auto* number = value.get<double>()) {
    char buffer[32];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, *number).ptr};
  }
  if (const auto* text = value.get<std::string>()) return "'" + *text + "'";
  if (const auto* tuple = value.get<PickleTuple>()) return "(" + text_of(tuple->values) + ")";
  if (const auto* list = value.get<PickleList>()) return "[" + text_of(list->values) + "]";
  if (const auto* dict = value.get<PickleDict>()) return text_of(*dict);
  return value.kind();
}

}  // namespace modelgrow::inline v0::detail
