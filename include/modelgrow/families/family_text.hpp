// SPDX-License-Identifier: MIT
// The text of a family as data: config keys, spaces, stacks, ports, and a line for every tensor.
// docs/how-to/new-family.md explains the grammar; this file is its parser, and complains about every line that cannot
// be meant.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/core/schema.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/families/pattern.hpp>
#include <modelgrow/families/tensor_line.hpp>

namespace modelgrow::inline v0 {

/// What a family text says.
struct FamilyText {
  using Tensor = TensorLine;
  using Form = TensorLine::Form;
  using Blocks = TensorLine::Blocks;
  /// Rules that hold where a condition does: {"config": key, "is": value}, {"has": name}, {"lacks": name}.
  template <class Rules>
  struct When {
    detail::json condition;
    Rules rules;
  };
  template <class Rules>
  struct Named {
    std::string name;
    Rules rules;
    std::vector<When<Rules>> when = {};
  };
  struct ListRule {
    std::string key, stack, with, guests;
  };

  std::string name, title;
  std::vector<std::string> classes;
  std::vector<ConfigRule> config;
  std::vector<ListRule> lists;
  std::vector<std::pair<std::string, std::string>> epsilons;  // config key, the space that its norms run across
  detail::json defaults = detail::json::object();
  Sizes constants;
  std::vector<Named<SpaceRules>> spaces;
  std::vector<Named<StackRules>> stacks;
  std::vector<StockRule> stock;
  std::vector<PortSpec> ports;
  std::string text_width, text_length;  // constants: width of the text's states, tokens of a stored caption
  std::string text_because;             // or why no other text encoder can be read
  std::string positions;                // what computes the positions that no file stores, and from what
  bool open_sora_grafts = false;        // grafts are also found under the keys that came before "_modelgrow"
  detail::Renames native;               // from the names of `tensors` to native ones
  std::vector<std::string> ignore, notes;
  std::vector<std::pair<std::string, std::string>>
      layouts;  // a tensor that marks a layout we cannot grow -> what to do
  std::vector<Tensor> tensors;

  /// Throws format_error that names the family and the line.
  static FamilyText parse(std::string_view text);
};

namespace detail {

/// Parses the parts of a family text; every complaint names the part.
class FamilyReader {
 public:
  explicit FamilyReader(std::string_view text) : json_(parse_json(text, "family text")) {
    if (!json_.is_object()) throw format_error("family text: expected a JSON object; found " + text_of(json_));
    family_.name = string(json_, "family", "family text");
    where_ = "family '" + family_.name + "'";
  }
  FamilyText read() {
    known_keys(json_,
               {"family", "class", "title", "config", "defaults", "constants", "spaces", "stock", "stacks", "ports",
                "text_input", "positions", "legacy", "renames", "tensors", "ignore", "notes", "upstream", "layouts"},
               where_);
    family_.title = string_or(json_, "title", "", where_);
    family_.classes = strings(json_, "class");
    family_.ignore = expanded(strings(json_, "ignore"));
    family_.notes = strings(json_, "notes");
    family_.defaults = object("defaults");
    for (const auto& [key, value] : object("constants").items())
      family_.constants[key] = number(value, where_ + ": constants: '" + key + "'");
    read_config();
    for (const auto& [space, rules] : object("spaces").items())
      family_.spaces.push_back(named<SpaceRules>(space, rules, "spaces"));
    for (const auto& [stack, rules] : object("stacks").items())
      family_.stacks.push_back(named<StackRules>(stack, rules, "stacks"));
    for (const auto& [port, rules] : object("ports").items()) family_.ports.push_back(port_of(port, rules));
    known_keys(object("text_input"), {"width", "length", "because"}, where_ + ": text_input");
    family_.text_width = string_or(object("text_input"), "width", "", where_);
    family_.text_length = string_or(object("text_input"), "length", "", where_);
    family_.text_because = string_or(object("text_input"), "because", "", where_);
    family_.positions = string_or(json_, "positions", "", where_);
    if (const auto legacy = string_or(json_, "legacy", "", where_); !legacy.empty()) {
      if (legacy != "open_sora_grafts")
        throw format_error(where_ + ": legacy '" + legacy + "'; expected open_sora_grafts");
      family_.open_sora_grafts = true;
    }
    for (const auto& [pattern, advice] : object("layouts").items()) {
      if (!advice.is_string()) throw format_error(where_ + ": layouts: '" + pattern + "' is " + text_of(advice));
      for (const auto& one : expand_braces(pattern, where_))
        family_.layouts.emplace_back(one, advice.get<std::string>());
    }
    read_stock();
    if (has(json_, "renames"))
      for (const auto& pair : json_["renames"]) {
        if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string())
          throw format_error(where_ + ": renames: expected pairs [native, here]; found " + text_of(pair));
        family_.native.add(pair[1].get<std::string>(), pair[0].get<std::string>(), where_ + ": renames");
      }
    for (const auto& [pattern, line] : object("tensors").items()) read_tensor(pattern, line);
    if (family_.tensors.empty()) throw format_error(where_ + ": 'tensors' names no tensor");
    check_streams();
    return std::move(family_);
  }

 private:
  static std::string text_of(const json& j) {
    return j.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 80);
  }
  static std::string string(const json& j, const char* key, const std::string& where) {
    if (!j.contains(key) || !j[key].is_string()) throw format_error(where + ": '" + key + "' is missing or no text");
    return j[key].get<std::string>();
  }
  static std::string string_or(const json& j, const char* key, std::string otherwise, const std::string& where) {
    return j.contains(key) ? string(j, key, where) : otherwise;
  }
  static std::int64_t number(const json& j, const std::string& where) {
    if (!j.is_number_integer()) throw format_error(where + ": expected a whole number; found " + text_of(j));
    return j.get<std::int64_t>();
  }
  static void known_keys(const json& j, std::vector<std::string_view> keys, const std::string& where) {
    if (!j.is_object()) throw format_error(where + ": expected an object; found " + text_of(j));
    for (const auto& [key, value] : j.items())
      if (std::find(keys.begin(), keys.end(), key) == keys.end())
        throw format_error(where + ": unknown key '" + key + "'" + nearest_names(key, keys));
  }
  const json& object(const char* key) const {
    static const json none = json::object();
    if (!json_.contains(key)) return none;
    if (!json_[key].is_object())
      throw format_error(where_ + ": '" + key + "' is " + text_of(json_[key]) + "; expected an object");
    return json_[key];
  }
  std::vector<std::string> strings(const json& j, const char* key) const {
    std::vector<std::string> all;
    if (!j.contains(key)) return all;
    if (j[key].is_string()) return {j[key].get<std::string>()};
    if (!j[key].is_array()) throw format_error(where_ + ": '" + key + "' is " + text_of(j[key]) + "; expected a list");
    for (const auto& x : j[key]) {
      if (!x.is_string()) throw format_error(where_ + ": '" + key + "' holds " + text_of(x) + "; expected texts");
      all.push_back(x.get<std::string>());
    }
    return all;
  }
  std::vector<std::string> expanded(const std::vector<std::string>& patterns) const {
    std::vector<std::string> all;
    for (const auto& p : patterns)
      for (auto& one : expand_braces(p, where_)) all.push_back(std::move(one));
    return all;
  }

  /// "ffn/hidden": the '/' outside of parentheses divides real numbers; there is at most one.
  static std::pair<std::string, std::string> ratio(const std::string& text) {
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
      if (text[i] == '/' && depth == 0) return {text.substr(0, i), text.substr(i + 1)};
    }
    return {text, ""};
  }
  void read_config() {
    for (const auto& [key, value] : object("config").items()) {
      const std::string where = where_ + ": config: '" + key + "'";
      if (value.is_object()) {
        known_keys(value, {"blocks", "with", "hosts", "guests", "epsilon", "is", "else"}, where);
        if (has(value, "is")) {
          family_.config.push_back(ConfigRule{.key = key,
                                              .value = Expression::parse(string(value, "is", where), where),
                                              .otherwise = Expression::parse(string(value, "else", where), where)});
          continue;
        }
        if (has(value, "epsilon")) {
          family_.epsilons.emplace_back(key, string(value, "epsilon", where));
          continue;
        }
        const bool hosts = has(value, "hosts");
        family_.lists.push_back(FamilyText::ListRule{.key = key,
                                                     .stack = string(value, hosts ? "hosts" : "blocks", where),
                                                     .with = hosts ? "" : string(value, "with", where),
                                                     .guests = hosts ? string(value, "guests", where) : ""});
        continue;
      }
      if (!value.is_string()) throw format_error(where + " is " + text_of(value) + "; expected a formula or an object");
      const auto [above, below] = ratio(value.get<std::string>());
      ConfigRule rule{.key = key, .value = Expression::parse(above, where)};
      if (!below.empty()) rule.divisor = Expression::parse(below, where);
      family_.config.push_back(std::move(rule));
    }
  }
  void read_stock() {
    for (const auto& [name, value] : object("stock").items()) {
      const std::string where = where_ + ": stock: '" + name + "'";
      const std::string formula = value.is_object() ? string(value, "is", where)
                                  : value.is_string()
                                      ? value.get<std::string>()
                                      : throw format_error(where + " is " + text_of(value) + "; expected a formula");
      family_.stock.push_back(StockRule{
          .name = name,
          .value = Expression::parse(formula, where),
          .because =
              string_or(value.is_object() ? value : json::object(), "because",
                        "the class computes " + name + " as " + formula + " and cannot be told another", where)});
    }
  }

  template <class Rules>
  FamilyText::Named<Rules> named(const std::string& name, const json& j, const std::string& part) const {
    const std::string where = where_ + ": " + part + ": '" + name + "'";
    FamilyText::Named<Rules> n{.name = name, .rules = rules(j, Rules{}, where)};
    if (has(j, "when"))
      for (const auto& w : j["when"]) {
        if (!w.is_object() || !has(w, "if")) throw format_error(where + ": 'when' needs an 'if'");
        check_condition(w["if"], where + ": if");
        json rest = w;
        rest.erase("if");
        n.when.push_back({.condition = w["if"], .rules = rules(rest, n.rules, where)});
      }
    return n;
  }
  static void check_condition(const json& j, const std::string& where) {
    known_keys(j, {"config", "is", "not", "has", "lacks"}, where);
    const char* asked = nullptr;
    for (const char* key : {"config", "has", "lacks"})
      if (has(j, key)) {
        if (asked) throw format_error(where + ": '" + asked + "' and '" + key + "' are two conditions; write one");
        string(j, asked = key, where);
      }
    if (!asked) throw format_error(where + ": a condition asks for 'config', 'has' or 'lacks'");
  }
  static SpaceRules rules(const json& j, SpaceRules r, const std::string& where) {
    known_keys(j, {"copies", "because", "tied_to", "exact_if", "map", "norms", "rotary", "sections", "when"}, where);
    if (has(j, "rotary")) {
      const auto word = string(j, "rotary", where);
      if (word != "neighbours" && word != "halves")
        throw format_error(where + ": rotary '" + word + "' is none of neighbours, halves");
      r.rotary.pairs = word == "halves" ? Rotary::Pairs::halves : Rotary::Pairs::neighbours;
      if (has(j, "sections"))
        for (const auto& s : j["sections"])
          r.rotary.sections.push_back(
              Expression::parse(s.is_string() ? s.get<std::string>() : text_of(s), where).text());
    }
    if (has(j, "norms") && string(j, "norms", where) != "rms")
      throw format_error(where + ": norms '" + string(j, "norms", where) + "'; expected rms or nothing");
    r.rms_only |= has(j, "norms");
    if (has(j, "map") && string(j, "map", where) != "interleaved")
      throw format_error(where + ": map '" + string(j, "map", where) + "'; expected interleaved or nothing");
    r.interleaved |= has(j, "map");
    if (has(j, "copies")) {
      constexpr std::string_view words[] = {"any", "uniform", "spread", "never", "channels", "positions", "in_heads"};
      const auto word = string(j, "copies", where);
      const auto it = std::find(std::begin(words), std::end(words), word);
      if (it == std::end(words))
        throw format_error(where + ": copies '" + word +
                           "' is none of any, uniform, spread, never, channels, positions, in_heads");
      r.copies = Copies(it - std::begin(words));
    }
    if (const auto reason = reason_of(r.copies); !reason.empty()) r.because = reason;
    r.because = string_or(j, "because", r.because, where);
    r.tied_to = string_or(j, "tied_to", r.tied_to, where);
    r.exact_if = string_or(j, "exact_if", r.exact_if, where);
    if (r.copies == Copies::never && r.because.empty()) throw format_error(where + ": 'never' needs a 'because'");
    return r;
  }
  StackRules rules(const json& j, StackRules r, const std::string& where) const {
    known_keys(j,
               {"stream", "paired_with", "last_is_special", "first_insertion", "because", "insert", "period", "when"},
               where);
    if (has(j, "period")) r.period = number(j["period"], where);
    if (r.period < 1) throw format_error(where + ": a period of " + std::to_string(r.period) + "; expected 1 or more");
    if (has(j, "stream")) {
      r.streams.clear();
      for (const auto& s : strings(j, "stream")) r.streams.push_back(Expression::parse(s, where).text());
    }
    if (has(j, "first_insertion")) r.first_insertion = number(j["first_insertion"], where);
    r.paired_with = string_or(j, "paired_with", r.paired_with, where);
    r.last_is_special = string_or(j, "last_is_special", r.last_is_special, where);
    const std::string because = string_or(j, "because", "", where);
    if (!has(j, "insert")) {
      if (!because.empty()) r.because = because;
    } else if (const auto word = string(j, "insert", where); word == "approximate" || word == "never") {
      if (because.empty()) throw format_error(where + ": 'insert' needs a 'because'");
      r.never_identity = because;
    } else {
      throw format_error(where + ": insert '" + word + "' is none of approximate, never");
    }
    return r;
  }

  PortSpec port_of(const std::string& name, const json& j) const {
    const std::string where = where_ + ": ports: '" + name + "'";
    known_keys(j, {"stack", "stream", "heads", "head_dim", "ffn"}, where);
    PortSpec port{.name = name, .stack = string_or(j, "stack", "", where)};
    for (const auto& s : family_.stacks)
      if (s.name == port.stack && !s.rules.streams.empty()) port.stream = s.rules.streams[0];
    for (auto [key, size] :
         {std::pair{"stream", &port.stream}, {"heads", &port.heads}, {"head_dim", &port.head_dim}, {"ffn", &port.ffn}})
      *size = string_or(j, key, *size, where);
    if (!port.stack.empty() &&
        std::none_of(family_.stacks.begin(), family_.stacks.end(), [&](const auto& s) { return s.name == port.stack; }))
      throw format_error(where + " names the stack '" + port.stack + "', which there is not");
    return port;
  }

  void read_tensor(const std::string& pattern, const json& line) {
    const std::string where = where_ + ": tensor '" + pattern + "'";
    if (!line.is_string()) throw format_error(where + " is " + text_of(line) + "; expected its axes as text");
    for (auto& one : read_lines(pattern, line.get<std::string>(), where)) {
      if (!seen_.insert(one.pattern).second) throw format_error(where + ": '" + one.pattern + "' is described twice");
      family_.tensors.push_back(std::move(one));
    }
  }

  /// Marks cannot be forgotten: what writes a stream closes its branch or is inner.
  void check_streams() const {
    for (const auto& stack : family_.stacks)
      for (const auto& t : family_.tensors) {
        if (!t.pattern.starts_with(stack.name + ".{}.") || t.purpose != Purpose::weight || t.stream.inner) continue;
        for (const auto& f : t.forms)
          if (f.size() >= 2 && f[0].role == Role::out && f[1].role == Role::in)
            for (const auto& s : stack.rules.streams)
              if (f[0].extent.text() == s)
                throw format_error(where_ + ": tensor '" + t.pattern + "' writes the stream '" + s + "' of stack '" +
                                   stack.name + "'; mark it 'closes', or 'inner' when it does not add to the stream");
      }
    for (const auto& list : family_.lists)
      for (const auto& s : {list.stack, list.with.empty() ? list.guests : list.stack})
        if (std::none_of(family_.stacks.begin(), family_.stacks.end(), [&](const auto& x) { return x.name == s; }))
          throw format_error(where_ + ": config: '" + list.key + "' names the stack '" + s + "', which there is not");
    for (const auto& [key, space] : family_.epsilons)
      if (std::none_of(family_.spaces.begin(), family_.spaces.end(),
                       [&, &wanted = space](const auto& x) { return x.name == wanted; }))
        throw format_error(where_ + ": config: '" + key + "' is the epsilon of '" + space +
                           "', which is no space of this family");
    for (const auto& s : family_.spaces)
      if (!s.rules.tied_to.empty() && std::none_of(family_.spaces.begin(), family_.spaces.end(),
                                                   [&](const auto& x) { return x.name == s.rules.tied_to; }))
        throw format_error(where_ + ": spaces: '" + s.name + "' is tied to '" + s.rules.tied_to +
                           "', which is no space of this family");
  }

  json json_;
  FamilyText family_;
  std::string where_;
  std::set<std::string> seen_;
};

}  // namespace detail

inline FamilyText FamilyText::parse(std::string_view text) { return detail::FamilyReader(text).read(); }

}  // namespace modelgrow::inline v0
