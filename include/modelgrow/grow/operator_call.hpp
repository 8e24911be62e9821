// SPDX-License-Identifier: MIT
// Operators as data: a call is an operator with its options, a kind is what can be called by name; and recipes, lists
// of calls as JSON: [{"InsertBlocks": {"every": 1}}, ..].
#pragma once
#include <functional>
#include <span>

#include <modelgrow/detail/fields_json.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// An operator with its options whose type is forgotten.
class OperatorCall {
 public:
  template <Operator O>
  explicit OperatorCall(const O& op) : name_(O::name), apply_([op](Plan& plan) { plan.apply(op); }) {
    if constexpr (Described<O>) {
      text_ = modelgrow::to_text(op);
      options_ = detail::fields_to_json(op);
    }
  }
  const std::string& name() const { return name_; }
  /// "every=1,stack=blocks".
  const std::string& text() const { return text_; }
  const detail::json& options() const { return options_; }
  /// Strong guarantee: a plan_error leaves the plan as it was.
  void apply(Plan& plan) const { apply_(plan); }
  bool operator==(const OperatorCall& o) const { return name_ == o.name_ && options_ == o.options_; }

 private:
  std::string name_, text_;
  detail::json options_ = detail::json::object();
  std::function<void(Plan&)> apply_;
};

/// An operator that can be called by name.
struct OperatorKind {
  std::string name, summary;
  std::vector<Field> fields;  // none: a permission, which is said before everything else
  std::function<OperatorCall(std::string_view text)> from_text;
  std::function<OperatorCall(const detail::json& options, const std::string& where)> from_json;
};

template <Operator O>
OperatorKind kind_of_operator() {
  OperatorKind kind;
  kind.name = O::name;
  kind.summary = O::summary;
  if constexpr (Described<O>) {
    kind.fields = fields_of<O>();
    kind.from_text = [](std::string_view text) { return OperatorCall(parse_fields<O>(text, std::string(O::name))); };
    kind.from_json = [](const detail::json& j, const std::string& where) {
      return OperatorCall(detail::fields_from_json<O>(j, where));
    };
  } else {
    kind.from_text = [](std::string_view) { return OperatorCall(O{}); };
    kind.from_json = [](const detail::json& j, const std::string& where) {
      if (!j.is_object() || !j.empty()) throw option_error(where + ": found " + j.dump() + "; it has no options");
      return OperatorCall(O{});
    };
  }
  return kind;
}

/// Throws option_error that names the nearest operators.
inline const OperatorKind& find_operator(std::span<const OperatorKind> kinds, std::string_view name,
                                         const std::string& where) {
  std::vector<std::string> names;
  for (const auto& k : kinds) {
    if (k.name == name) return k;
    names.push_back(k.name);
  }
  throw option_error(where + ": there is no operator '" + std::string(name) + "'" + nearest_names(name, names));
}

/// Throws format_error for text that is no JSON, option_error for operators and options that do not exist.
inline std::vector<OperatorCall> read_recipe(std::string_view text, std::span<const OperatorKind> kinds,
                                             const std::string& where = "recipe") {
  const auto list = detail::parse_json(text, where);
  if (!list.is_array()) throw format_error(where + ": a recipe is a list, as [{\"InsertBlocks\": {\"every\": 1}}]");
  std::vector<OperatorCall> calls;
  for (const auto& step : list) {
    const std::string here = where + ": step " + std::to_string(calls.size() + 1);
    if (!step.is_object() || step.size() != 1)
      throw format_error(here + " is " + step.dump() + "; expected one operator with its options");
    const std::string& name = step.begin().key();
    calls.push_back(find_operator(kinds, name, here).from_json(step.begin().value(), here + ", " + name));
  }
  return calls;
}

/// The recipe that read_recipe reads, a step a line.
inline std::string recipe_text(std::span<const OperatorCall> calls) {
  std::string text = "[";
  for (const auto& c : calls) text += (text == "[" ? "" : ",\n ") + detail::json{{c.name(), c.options()}}.dump();
  return text + "]\n";
}

/// A plan that grows `source` by these calls, in order. Throws plan_error.
inline Plan plan(Schema source, std::span<const OperatorCall> calls) {
  Plan p(std::move(source));
  for (const auto& c : calls) c.apply(p);
  return p;
}

}  // namespace modelgrow::inline v0
