// SPDX-License-Identifier: MIT
// What a schema is made of and how it may grow: parameters by stack and space, and every operator tried once on it.
#pragma once
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/operators/all.hpp>
#include <modelgrow/grow/plan_print.hpp>

namespace modelgrow::inline v0 {

/// A stack or a space: its size, and trained elements that lie in it.
struct Share {
  std::string name;
  std::int64_t size = 0, elements = 0;
};

/// One growth that was tried: what it would claim, or why it is refused.
struct Possibility {
  OperatorCall call;
  bool refused = false;
  std::string why;  // it is refused, or upstream cannot load it
  Certificate certificate = {};
  std::int64_t elements = 0;  // of the grown model
};

/// What can be said about a schema without its numbers.
struct Inspection {
  std::string family;
  std::int64_t elements = 0, outside = 0;  // outside: of no stack
  std::vector<Share> stacks, spaces;
  Sizes constants;
  std::vector<std::string> ports;     // where layers can be added: "text, in every block of blocks"
  std::vector<GraftRecord> recorded;  // layers that it was given
  std::vector<Possibility> possible;
  std::vector<std::string> remarks;
};

namespace detail {

inline Possibility tried(const Schema& schema, OperatorCall call, bool approximate = false) {
  Possibility p{.call = std::move(call), .why = {}};
  try {
    Plan grown = plan(schema, accept_conditions);
    if (approximate) grown.apply(allow_approximate);
    p.call.apply(grown);
    p.certificate = grown.certificate();
    p.why = grown.upstream_cannot();
    p.elements = grown.schema().trained_elements();
  } catch (const plan_error& e) {
    p.refused = true;
    p.why = e.what();
  }
  return p;
}

/// The options that a graft is tried with: its own, and for one that reads an encoder the width of a common one.
inline OperatorCall example_of(const OperatorKind& graft) {
  const bool reads =
      std::any_of(graft.fields.begin(), graft.fields.end(), [](const Field& f) { return f.key == "width"; });
  return graft.from_text(reads ? "width=2048" : "");
}

}  // namespace detail

/// Counts the elements of every stack and space, and tries a block more of each stack, twice each space of hidden
/// units, of channels and of positions, silent channels, wider heads, experts, and grafts (known_grafts() of
/// grafts/known.hpp).
inline Inspection inspect(const Schema& schema, std::span<const OperatorKind> grafts = {}) {
  Inspection in{.family = schema.family,
                .elements = schema.trained_elements(),
                .stacks = {},
                .spaces = {},
                .constants = schema.constants,
                .ports = {},
                .recorded = schema.grafts,
                .possible = {},
                .remarks = schema.remarks};
  in.outside = in.elements;
  for (const auto& s : schema.stacks) in.stacks.push_back(Share{.name = s.name, .size = s.count});
  for (const auto& s : schema.spaces) in.spaces.push_back(Share{.name = s.space.name, .size = s.space.size});
  for (const auto& p : schema.parameters) {
    if (!is_trained(p.info.purpose)) continue;
    for (auto& s : in.stacks)
      if (p.name.starts_with(s.name + ".")) s.elements += numel(p.shape()), in.outside -= numel(p.shape());
    for (auto& s : in.spaces)
      if (std::any_of(p.info.axes.begin(), p.info.axes.end(), [&](const Axis& a) { return a.extent.mentions(s.name); }))
        s.elements += numel(p.shape());
  }
  const Plan whole(schema);
  for (const auto& s : schema.stacks) {
    const auto group = whole.paired(s.name);
    if (group[0] == s.name || s.name < group[1])
      in.possible.push_back(
          detail::tried(schema, OperatorCall(InsertBlocks{.stack = detail::join(group, '+'), .count = 1})));
  }
  const auto attempt = [&](const auto& op, bool approximate = false) {
    in.possible.push_back(detail::tried(schema, OperatorCall(op), approximate));
  };
  const auto of_kind = [&](Copies kind, auto&& f) {
    bool any = false;
    for (const auto& s : schema.spaces)
      if (s.rules.copies == kind) f(s.space), any = true;
    return any;
  };
  for (const auto& s : schema.spaces)
    if (s.rules.copies != Copies::channels && s.rules.copies != Copies::positions)
      attempt(Net2Wider{.space = s.space.name, .times = 2});
  for (const auto& [size, n] : schema.sizes()) {
    if (size == "ffn") attempt(MixtureOfExperts{.experts = 8});
    if (size == "hidden") attempt(ZeroChannels{.to = n + n / 4});
    if (size == "head_dim") attempt(GrowHeadDim{.to = 2 * n});
  }
  if (!of_kind(Copies::channels, [&](const Space& s) { attempt(GrowChannels{.space = s.name, .to = 2 * s.size}); }))
    attempt(GrowChannels{.to = 1});  // is refused with the reason
  if (!of_kind(Copies::positions,
               [&](const Space& s) { attempt(InterpolatePositions{.space = s.name, .to = 2 * s.size}, true); }))
    attempt(InterpolatePositions{.to = 1}, true);
  for (const auto& p : schema.ports)
    in.ports.push_back(p.name + (p.stack.empty() ? "" : ", in every block of " + p.stack));
  for (const auto& kind : grafts) in.possible.push_back(detail::tried(schema, detail::example_of(kind)));
  return in;
}

inline std::ostream& operator<<(std::ostream& os, const Inspection& in) {
  const auto number = [](std::int64_t n) { return detail::grouped(std::uint64_t(n)); };
  os << "family " << in.family << ", " << number(in.elements) << " parameters\n";
  const auto put = [&](const char* kind, const std::vector<Share>& shares) {
    for (const auto& s : shares)
      os << "  " << kind << " " << s.name << ": " << s.size << ", " << number(s.elements) << " parameters\n";
  };
  put("stack", in.stacks);
  os << "  outside of stacks: " << number(in.outside) << " parameters\n";
  put("space", in.spaces);
  if (!in.constants.empty()) os << "  constants:";
  for (const auto& [name, size] : in.constants) os << " " << name << "=" << size;
  os << (in.constants.empty() ? "" : "\n");
  for (const auto& p : in.ports) os << "  port " << p << "\n";
  for (const auto& g : in.recorded) os << "  given " << g.name << " " << g.options << "\n";
  os << "possible growth\n";
  for (const auto& p : in.possible) {
    os << "  " << p.call.name() << (p.call.text().empty() ? "" : " " + p.call.text()) << ": ";
    if (p.refused)
      os << "refused (" << p.why << ")\n";
    else
      os << to_string(p.certificate) << ", " << number(p.elements) << " parameters"
         << (p.why.empty() ? "" : "; upstream cannot load it: " + p.why) << "\n";
  }
  for (const auto& r : in.remarks) os << "note: " << r << "\n";
  return os;
}

/// For machines.
inline std::string to_json(const Inspection& in) {
  using detail::json;
  const auto list = [](const std::vector<Share>& shares) {
    json object = json::object();
    for (const auto& s : shares) object[s.name] = {{"size", s.size}, {"parameters", s.elements}};
    return object;
  };
  json j{{"family", in.family},       {"parameters", in.elements}, {"outside_of_stacks", in.outside},
         {"stacks", list(in.stacks)}, {"spaces", list(in.spaces)}, {"constants", in.constants},
         {"ports", in.ports},         {"possible", json::array()}, {"notes", in.remarks}};
  for (const auto& g : in.recorded)
    j["grafts"].push_back(
        {{"name", g.name}, {"options", detail::parse_json(g.options, g.name)}, {"tensors", g.tensors.size()}});
  for (const auto& p : in.possible) {
    json row{{"operator", p.call.name()}, {"options", p.call.options()}};
    if (p.refused)
      row["refused"] = p.why;
    else
      row.update(json{{"certificate", to_string(p.certificate)},
                      {"parameters", p.elements},
                      {"upstream", p.why.empty() ? "loads" : "cannot, because " + p.why}});
    j["possible"].push_back(std::move(row));
  }
  return j.dump(2) + "\n";
}

}  // namespace modelgrow::inline v0
