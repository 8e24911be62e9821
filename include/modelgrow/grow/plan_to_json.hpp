// SPDX-License-Identifier: MIT
// A plan as JSON, one step a line: written beside what it grew.
#pragma once
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/families/graft_records.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline constexpr std::string_view init_names[] = {"zeros", "ones", "normal", "xavier_uniform"};
inline constexpr std::string_view purpose_names[] = {"weight", "closes", "buffer", "scheduled"};
inline constexpr std::string_view copies_names[] = {"any",      "uniform",   "spread",  "never",
                                                    "channels", "positions", "in_heads"};
inline constexpr std::string_view role_names[] = {"out", "in", "each", "fixed"};
inline constexpr std::string_view silence_names[] = {"unwritten", "unread", "in_heads"};
inline constexpr std::string_view allow_names[] = {"approximate", "conditions", "upstream"};

inline json to_json_value(const ParamSpec& p) {
  auto axes = json::array();
  for (const auto& a : p.info.axes) axes.push_back(std::string(name(a.role)) + " " + to_string(a.extent));
  json j = object_of({{"name", p.name},
                      {"dtype", name(p.dtype)},
                      {"axes", std::move(axes)},
                      {"init", init_names[static_cast<int>(p.info.init.kind)]},
                      {"scale", p.info.init.scale},
                      {"purpose", purpose_names[static_cast<int>(p.info.purpose)]}});
  const Stream& stream = p.info.stream;
  if (!stream.branch.empty()) j["branch"] = stream.branch;
  if (stream.inner) j["inner"] = true;
  if (p.info.silencing.gain) j["gain"] = true;
  if (p.info.silencing.query) j["query"] = array_of(p.info.silencing.queries);
  if (!p.info.silencing.shifts.empty()) j["shifts"] = array_of(p.info.silencing.shifts);
  for (const auto& g : stream.gates) j["gates"].push_back(object_of({{"chunks", g.chunks}, {"branch", g.branch}}));
  return j;
}

/// Verbs to JSON: each overload adds its fields to the step.
struct VerbWriter {
  json& step;
  void operator()(const Remap& v) const {
    put(step, {{"verb", "remap"}});
    for (const auto& m : v.maps) {
      json map = object_of({{"space", m.space}, {"old_size", m.old_size}, {"from", m.from}, {"split", m.split}});
      if (!m.silent.empty()) put(map, {{"silent", m.silent}, {"silence", silence_names[int(m.silence)]}});
      for (const auto& unit : m.blend) {
        auto parts = json::array();
        for (const auto& p : unit) {
          auto& part = parts.emplace_back(json::array());
          part.push_back(json(p.unit));
          part.push_back(json(p.weight));
        }
        map["blend"].push_back(std::move(parts));
      }
      step["maps"].push_back(std::move(map));
    }
    step["noise"] = object_of({{"db", v.noise.db}, {"seed", v.noise.seed}});
    if (v.rows != NewRows::own) put(step, {{"rows", word_of(v.rows)}});
  }
  void operator()(const Insert& v) const {
    put(step, {{"verb", "insert"}, {"stacks", v.stacks}, {"run", v.run}, {"places", json::array()}});
    for (const auto& p : v.places) step["places"].push_back(array_of(std::vector{p.at, p.like}));
    if (v.start != BlockStart::closed) put(step, {{"start", word_of(v.start)}, {"seed", v.seed}});
  }
  void operator()(const Add& v) const {
    put(step, {{"verb", "add"}});
    for (const auto& p : v.parameters) step["parameters"].push_back(to_json_value(p));
    step["spaces"] = json::array();
    for (const auto& s : v.spaces)
      step["spaces"].push_back(object_of({{"space", s.space.name},
                                          {"size", s.space.size},
                                          {"copies", copies_names[static_cast<int>(s.rules.copies)]},
                                          {"because", s.rules.because},
                                          {"tied_to", s.rules.tied_to},
                                          {"exact_if", s.rules.exact_if},
                                          {"rms_only", s.rules.rms_only},
                                          {"interleaved", s.rules.interleaved}}));
    for (const auto& [name, size] : v.constants) step["constants"][name] = size;
    step["seed"] = v.seed;
    if (v.graft) step["graft"] = graft_to_json(*v.graft);
  }
  void operator()(const Fill& v) const {
    put(step, {{"verb", "fill"}});
    for (const auto& r : v.readers)
      step["readers"].push_back(object_of({{"weight", r.weight}, {"bias", r.bias}, {"states", r.states}}));
    step["map"] = object_of({{"checksum", checksum(*v.map)}, {"from", v.map->from}, {"to", v.map->to}});
    if (v.map->r_squared) step["map"]["r_squared"] = *v.map->r_squared;
    step["length"] = v.length;
    for (const auto& [name, size] : v.constants) step["constants"][name] = size;
    if (v.graft) step["graft"] = graft_to_json(*v.graft);
  }
  void operator()(const Rename& v) const { put(step, {{"verb", "rename"}, {"from", v.from}, {"to", v.to}}); }
  void operator()(const Drop& v) const { put(step, {{"verb", "drop"}, {"name", v.name}, {"because", v.because}}); }
  void operator()(const Tie& v) const { put(step, {{"verb", "tie"}, {"name", v.name}, {"to", v.to}}); }
  void operator()(const Upcycle& v) const {
    put(step, {{"verb", "upcycle"}, {"experts", v.experts}, {"seed", v.seed}, {"graft", graft_to_json(v.graft)}});
    for (const auto& p : v.routers) step["routers"].push_back(to_json_value(p));
  }
  void operator()(const MoveState& v) const {
    put(step, {{"verb", "move_state"},
               {"moments", word_of(v.moments)},
               {"multipliers", word_of(v.multipliers)},
               {"steps", v.steps}});
  }
  void operator()(const Allow& v) const {
    put(step, {{"verb", "allow"}, {"what", allow_names[static_cast<int>(v.what)]}});
  }
};

/// 4 where readers of version 3 would take blocks for closed ones, or rows for copies.
inline int version_of(const Plan& plan) {
  for (const auto& s : plan.steps()) {
    if (const auto* v = std::get_if<Insert>(&s.verb); v && v->start != BlockStart::closed) return 4;
    if (const auto* v = std::get_if<Remap>(&s.verb); v && v->rows != NewRows::own) return 4;
  }
  return 3;
}

}  // namespace detail

/// The steps of a plan with everything that replaying them needs, seeds included, but the matrices of fills; and what
/// they are for and claim.
inline std::string to_json(const Plan& plan) {
  using detail::json;
  json head = detail::object_of({{"modelgrow_plan", detail::version_of(plan)}, {"family", plan.source().family}});
  for (const auto& s : plan.source().spaces) head["source"]["spaces"][s.space.name] = s.space.size;
  for (const auto& s : plan.source().stacks) head["source"]["stacks"][s.name] = s.count;
  detail::put(head, {{"certificate", to_string(plan.certificate())}, {"trajectory", to_string(plan.trajectory())}});
  std::string text = head.dump();
  text.pop_back();
  text += ", \"steps\": [";
  std::int64_t call = 0;  // counted anew, so that a replayed plan has the same text
  for (std::size_t i = 0; i < plan.steps().size(); ++i) {
    const Step& s = plan.steps()[i];
    if (i > 0 && s.call != plan.steps()[i - 1].call) ++call;
    json step = detail::object_of({{"by", s.by}, {"call", call}});
    std::visit(detail::VerbWriter{step}, s.verb);
    text += (i ? ",\n  " : "\n  ") + step.dump();
  }
  return text + "\n]}\n";
}

}  // namespace modelgrow::inline v0
