// SPDX-License-Identifier: MIT
// What differs between two checkpoints, by their headers and config.json: keys, and tensors that came, went or changed.
#pragma once
#include <ostream>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/core/words.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0 {

/// One line of a difference; equal blocks share it.
struct Change {
  std::string what;           // a key of config.json, or a name with {} for block numbers
  std::string before, after;  // empty: there is none
  std::size_t count = 1;      // tensors of that name
};

struct Difference {
  std::vector<Change> config, tensors, steps;  // steps: of two plans
  bool empty() const { return config.empty() && tensors.empty() && steps.empty(); }
};

namespace detail {

inline std::string without_numbers(std::string_view name) {
  auto parts = split_at(name, '.');
  for (auto& p : parts)
    if (all_digits(p)) p = "{}";
  return join(parts, '.');
}
inline std::string text_of(const NamedShape* t) {
  return t ? std::string(name(t->dtype)) + " " + to_string(t->shape) : "";
}
inline void add_change(std::vector<Change>& list, Change c) {
  for (auto& known : list)
    if (known.what == c.what && known.before == c.before && known.after == c.after) {
      ++known.count;
      return;
    }
  list.push_back(std::move(c));
}

}  // namespace detail

/// Compares names, types, shapes and config.json, not numbers. Throws format_error for a config.json that is none.
inline Difference difference(const Checkpoint& a, const Checkpoint& b) {
  Difference d;
  for (const auto& t : a.names()) {
    const auto* other = b.names().find(t.name);
    if (!other || other->shape != t.shape || other->dtype != t.dtype)
      detail::add_change(d.tensors, Change{.what = detail::without_numbers(t.name),
                                           .before = detail::text_of(&t),
                                           .after = detail::text_of(other)});
  }
  for (const auto& t : b.names())
    if (!a.names().find(t.name))
      detail::add_change(d.tensors,
                         Change{.what = detail::without_numbers(t.name), .before = {}, .after = detail::text_of(&t)});
  const auto config = [](const Checkpoint& c) {
    auto j = c.config().empty() ? detail::json::object() : detail::parse_json(c.config(), c.path().string());
    if (!j.is_object()) throw format_error(c.path().string() + ": the configuration is not a JSON object");
    return j;
  };
  const auto x = config(a), y = config(b);
  for (const auto& [key, value] : x.items())
    if (!y.contains(key) || y[key] != value)
      d.config.push_back(Change{.what = key, .before = value.dump(), .after = y.contains(key) ? y[key].dump() : ""});
  for (const auto& [key, value] : y.items())
    if (!x.contains(key)) d.config.push_back(Change{.what = key, .before = {}, .after = value.dump()});
  return d;
}

inline std::ostream& operator<<(std::ostream& os, const Difference& d) {
  if (d.empty()) return os << "no difference\n";
  const auto put = [&](const Change& c, const std::string& times) {
    os << "  "
       << (c.before.empty()  ? "+ "
           : c.after.empty() ? "- "
                             : "~ ")
       << c.what << times << ": " << c.before << (c.before.empty() || c.after.empty() ? "" : " -> ") << c.after << "\n";
  };
  if (!d.config.empty()) os << "config.json\n";
  for (const auto& c : d.config) put(c, "");
  if (!d.tensors.empty()) os << "tensors\n";
  for (const auto& c : d.tensors) put(c, c.count > 1 ? " (" + std::to_string(c.count) + " times)" : "");
  if (!d.steps.empty()) os << "steps\n";
  for (const auto& c : d.steps) put(c, "");
  return os;
}

/// For machines.
inline std::string to_json(const Difference& d) {
  detail::json j{
      {"config", detail::json::array()}, {"tensors", detail::json::array()}, {"steps", detail::json::array()}};
  const auto put = [](detail::json& list, const Change& c) {
    list.push_back({{"name", c.what}, {"before", c.before}, {"after", c.after}, {"count", c.count}});
  };
  for (const auto& c : d.config) put(j["config"], c);
  for (const auto& c : d.tensors) put(j["tensors"], c);
  for (const auto& c : d.steps) put(j["steps"], c);
  return j.dump(2) + "\n";
}

}  // namespace modelgrow::inline v0
