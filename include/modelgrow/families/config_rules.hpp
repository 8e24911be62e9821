// SPDX-License-Identifier: MIT
// config.json both ways by the same formulas: sizes that shapes cannot tell are solved from it, contradictions are
// found, and what a growth changes is evaluated again.
#pragma once
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include <modelgrow/core/checked.hpp>
#include <modelgrow/families/family_text.hpp>
#include <modelgrow/families/graft_records.hpp>
#include <modelgrow/families/trust.hpp>

namespace modelgrow::inline v0 {

/// A key of config.json that says another size than the file has.
struct Contradiction {
  std::string key, stated, size;  // stated: as the key has it; size: the formula that the key gives
  std::int64_t says = 0, file = 0;
};

namespace detail {

/// The keys of a configuration with the defaults of the class behind them.
class ConfigKeys {
 public:
  ConfigKeys(const json& config, const json& defaults, std::string where)
      : config_(config), defaults_(defaults), where_(std::move(where)) {}
  const std::string& where() const { return where_; }

  /// A key, or an entry of a list ("patch_size.0"); nothing when it is missing or null.
  const json* stated(std::string_view key) const { return not_null(walk(config_, key)); }
  /// The same, or the default of the class for a key that is missing.
  const json* find(std::string_view key) const {
    const json* there = walk(config_, key);
    return not_null(there ? there : walk(defaults_, key));
  }
  /// That a key is missing, and what to do.
  std::string lack_of(const std::string& key) const {
    return config_.empty()
               ? "no config.json was read, which says '" + key + "': give a folder that has it beside the weights"
               : "config.json has no '" + key + "'; add that key";
  }
  /// Whether the key is null, or missing where the class takes null.
  bool null(std::string_view key) const {
    const json* there = walk(config_, key);
    if (!there) there = walk(defaults_, key);
    return there && there->is_null();
  }
  /// Throws format_error unless it is a whole number; 28.0 is one.
  std::int64_t whole(const json& value, std::string_view key) const {
    if (const auto n = whole_number(value)) return *n;
    throw format_error(where_ + ": '" + std::string(key) + "' is " + value.dump() + "; expected a whole number");
  }
  double real(const json& value, std::string_view key) const {
    if (!value.is_number())
      throw format_error(where_ + ": '" + std::string(key) + "' is " + value.dump() + "; expected a number");
    return value.get<double>();
  }
  bool holds(const json& condition) const {
    const auto* value = find(condition["config"].get<std::string>());
    const json null;
    const json& is = value ? *value : null;
    return has(condition, "not") ? is != condition["not"] : is == (has(condition, "is") ? condition["is"] : json(true));
  }

 private:
  static const json* not_null(const json* value) { return value && !value->is_null() ? value : nullptr; }
  static const json* walk(const json& from, std::string_view key) {
    const json* at = &from;
    for (const auto& part : split_at(key, '.')) {
      if (at->is_object() && at->contains(part))
        at = &(*at)[part];
      else if (at->is_array() && all_digits(part) && std::stoull(part) < at->size())
        at = &(*at)[std::size_t(std::stoull(part))];
      else
        return nullptr;
    }
    return at;
  }
  const json &config_, &defaults_;
  std::string where_;
};

/// int(divisor * ratio), as upstream classes compute a width; the nearest number of 63 bits where it has more.
inline std::int64_t scaled(double ratio, std::int64_t divisor) {
  const double product = double(divisor) * ratio;
  if (!(std::abs(product) < 0x1p63)) return product < 0 ? INT64_MIN : INT64_MAX;
  return std::int64_t(product);
}

/// Where sizes may be learned from: what config.json states, or also the defaults of the class.
enum class Learn { stated, defaults };

/// Learns unknown sizes from config.json.
inline bool learn(const std::vector<ConfigRule>& rules, const ConfigKeys& keys, Learn from, Sizes& sizes) {
  bool learned = false;
  for (const auto& rule : rules) {
    const auto* value = from == Learn::stated ? keys.stated(rule.key) : keys.find(rule.key);
    if (!value || rule.value.value(sizes)) continue;
    if (rule.divisor.text().empty()) {
      learned |= rule.value.solve(keys.whole(*value, rule.key), sizes);
    } else if (const auto divisor = rule.divisor.value(sizes)) {
      learned |= rule.value.solve(scaled(keys.real(*value, rule.key), *divisor), sizes);
    }
  }
  return learned;
}

/// Every key that says another size than the file has.
inline std::vector<Contradiction> contradictions(const std::vector<ConfigRule>& rules, const ConfigKeys& keys,
                                                 const Sizes& sizes) {
  std::vector<Contradiction> all;
  for (const auto& rule : rules) {
    const auto* value = keys.stated(rule.key);
    const auto file = rule.value.value(sizes);
    if (!value || !file) continue;
    const auto divisor = rule.divisor.text().empty() ? std::nullopt : rule.divisor.value(sizes);
    if (!rule.divisor.text().empty() && !divisor) continue;
    const std::int64_t says = divisor ? scaled(keys.real(*value, rule.key), *divisor) : keys.whole(*value, rule.key);
    if (says != *file)
      all.push_back({.key = rule.key,
                     .stated = value->dump() + (divisor ? ", that is " + std::to_string(says) : ""),
                     .size = rule.value.text(),
                     .says = says,
                     .file = *file});
  }
  return all;
}

/// Throws format_error for a list of more or fewer numbers than the class has, all of which the rules know.
inline void check_lists(const std::vector<ConfigRule>& rules, const ConfigKeys& keys) {
  std::map<std::string, std::size_t> lists;  // how many numbers from the first on
  for (const auto& rule : rules)
    if (const auto dot = rule.key.rfind('.'); dot != rule.key.npos)
      if (auto& n = lists[rule.key.substr(0, dot)]; rule.key.substr(dot + 1) == std::to_string(n)) ++n;
  for (const auto& [key, n] : lists)
    if (const auto* list = keys.stated(key); list && n > 1 && list->is_array() && list->size() != n)
      throw format_error(keys.where() + ": '" + key + "' is " + list->dump() + ", a list of " +
                         std::to_string(list->size()) + "; expected " + std::to_string(n) +
                         " numbers: mend config.json, or take the one that belongs to the file");
}

/// Throws format_error for a key that says another size than the file has.
inline void check(const std::vector<ConfigRule>& rules, const ConfigKeys& keys, const Sizes& sizes) {
  for (const auto& c : contradictions(rules, keys, sizes))
    throw format_error(keys.where() + ": '" + c.key + "' is " + c.stated + ", but by the shapes of the file '" +
                       c.size + "' is " + std::to_string(c.file) +
                       "; the two belong to different models: mend config.json, or say that the file is right "
                       "(Trust::file, --trust-file)");
}

}  // namespace detail

/// The keys of config.json that contradict a schema that was read with Trust::file.
inline std::vector<Contradiction> contradictions(const Schema& schema, std::string_view config,
                                                 const std::string& where) {
  const auto json = detail::parse_json(config, where), none = detail::json::object();
  return detail::contradictions(schema.config, detail::ConfigKeys(json, none, where), schema.sizes());
}

/// The keys of config.json that differ between a schema and what became of it, as their formulas give them now.
inline ConfigPatch changed_config(const Schema& before, const Schema& after) {
  const Sizes old = before.sizes(), now = after.sizes();
  ConfigPatch patch;
  for (const auto& rule : after.config) {
    const auto a = rule.value.value(old), b = rule.value.value(now);
    if (!b) continue;
    if (!rule.otherwise.text().empty()) {
      if (rule.otherwise.value(now) != b) patch.emplace_back(rule.key, std::to_string(*b));
      continue;
    }
    if (rule.divisor.text().empty()) {
      if (a != b) patch.emplace_back(rule.key, std::to_string(*b));
      continue;
    }
    const auto c = rule.divisor.value(old), d = rule.divisor.value(now);
    if (!d || *d == 0 || (a && c && detail::checked_product(*a, *d) == detail::checked_product(*b, *c))) continue;
    double ratio = double(*b) / double(*d);
    if (detail::scaled(ratio, *d) < *b) ratio = std::nextafter(ratio, std::numeric_limits<double>::infinity());
    patch.emplace_back(rule.key, detail::json(ratio).dump());
  }
  for (const auto& list : after.lists)
    for (const auto& old_list : before.lists)
      if (old_list.key == list.key && old_list.blocks != list.blocks)
        patch.emplace_back(list.key, detail::json(list.blocks).dump());
  for (const auto& e : after.epsilons)
    for (const auto& old_e : before.epsilons)
      if (old_e.key == e.key && old_e.value != e.value) patch.emplace_back(e.key, detail::json(e.value).dump());
  if (before.grafts != after.grafts)
    patch.emplace_back(detail::grafts_key, detail::grafts_to_json(after.grafts).dump());
  return patch;
}

}  // namespace modelgrow::inline v0
