// SPDX-License-Identifier: MIT
// The verbs of a plan: check the arguments, claim, rewrite the schema, remember where every parameter comes from.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/feasible.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/grow/rounding.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE Plan::Plan(Schema source)
    : source_(std::move(source)), schema_(source_), origins_(source_.parameters.size()) {
  std::map<std::string, std::int64_t, std::less<>> sizes;
  for (const auto& s : source_.spaces) sizes.emplace(s.space.name, s.space.size);
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < source_.parameters.size(); ++i) {
    const auto& p = source_.parameters[i];
    origins_[i].source = std::int64_t(i);
    if (!seen.insert(p.name).second)
      throw plan_error("family '" + source_.family + "' describes '" + p.name + "' twice");
    for (const auto& a : p.info.axes)
      for (const auto& t : a.extent.terms())
        for (const auto& f : t)
          if (!f.name.empty() && source_.space(f.name).space.size != f.size)
            throw plan_error("family '" + source_.family + "': parameter '" + p.name + "' says that space '" + f.name +
                             "' has " + std::to_string(f.size) + " units; it has " +
                             std::to_string(sizes.find(f.name)->second));
  }
  check_marks();
}

/// A weight of a stack that writes what the closing parameters of the stack write closes its branch, or is declared
/// inner; so a forgotten mark cannot make a copy of a block look closed.
MODELGROW_INLINE void Plan::check_marks() const {
  for (const auto& stack : source_.stacks) {
    const auto writes = [&](const ParamSpec& p) {
      const auto& axes = p.info.axes;
      return block_name(p.name, stack.name) && axes.size() >= 2 && axes[0].role == Role::out &&
             axes[1].role == Role::in;
    };
    std::set<std::string> streams(stack.rules.streams.begin(), stack.rules.streams.end());
    for (const auto& p : source_.parameters)  // undeclared: what the closing parameters write
      if (stack.rules.streams.empty() && writes(p) && detail::closes_whole(p.info))
        streams.insert(to_string(p.info.axes[0].extent));
    for (const auto& p : source_.parameters)
      if (writes(p) && p.info.purpose == Purpose::weight && !p.info.stream.inner &&
          streams.contains(to_string(p.info.axes[0].extent)))
        throw plan_error("family '" + source_.family + "': " + detail::quote(p.name) + " writes '" +
                         to_string(p.info.axes[0].extent) + "', the residual stream of stack '" + stack.name +
                         "', and is not marked: say that it closes its branch, or that it is inner");
  }
}

MODELGROW_INLINE std::int64_t Plan::index_of(std::string_view name) const {
  for (std::size_t i = 0; i < schema_.parameters.size(); ++i)
    if (schema_.parameters[i].name == name) return std::int64_t(i);
  std::vector<std::string_view> all;
  for (const auto& p : schema_.parameters) all.push_back(p.name);
  throw plan_error("there is no parameter " + detail::quote(name) + nearest_names(name, all));
}

MODELGROW_INLINE void Plan::check_new(std::string_view name) const {
  if (schema_.find(name)) throw plan_error("there is a parameter " + detail::quote(name) + " already");
}

MODELGROW_INLINE void Plan::push(Verb verb, std::string what, Certificate function, Certificate trajectory) {
  if (function.exactness == Exactness::approximate && !approximate_allowed())
    throw plan_error((by_.empty() ? "" : by_ + ": ") + what + " does not keep the function of the model: " +
                     function.reason + "; to grow all the same, give allow_approximate before it");
  steps_.push_back(Step{.verb = std::move(verb),
                        .by = by_,
                        .call = call_,
                        .what = std::move(what),
                        .function = std::move(function),
                        .trajectory = std::move(trajectory)});
}

MODELGROW_INLINE std::vector<std::string> Plan::tied(std::string_view space) const {
  std::vector<std::string> group{schema_.space(space).space.name};
  for (std::size_t i = 0; i < group.size(); ++i)
    for (const auto& s : schema_.spaces) {
      const bool linked = s.rules.tied_to == group[i] || schema_.space(group[i]).rules.tied_to == s.space.name;
      if (linked && std::find(group.begin(), group.end(), s.space.name) == group.end()) group.push_back(s.space.name);
    }
  return group;
}

MODELGROW_INLINE void Plan::check_tied(const Remap& remap) const {
  for (const auto& m : remap.maps)
    for (const auto& other : tied(m.space)) {
      const auto it =
          std::find_if(remap.maps.begin(), remap.maps.end(), [&](const auto& x) { return x.space == other; });
      const std::int64_t old_size = schema_.space(other).space.size;
      const std::int64_t new_size = it == remap.maps.end() ? old_size : it->new_size();
      if (new_size * m.old_size != m.new_size() * old_size)
        throw plan_error("space " + detail::quote(m.space) + " grows " + detail::arrow(m.old_size, m.new_size()) +
                         ", but " + detail::quote(other) + ", which is tied to it, " +
                         detail::arrow(old_size, new_size) + "; grow both by the same factor in one step");
    }
}

MODELGROW_INLINE void Plan::remap(std::vector<SpaceMap> maps, const Noise& noise, NewRows rows) {
  Remap remap{.maps = std::move(maps), .noise = noise, .rows = rows};
  if (remap.maps.empty()) throw plan_error("a remap needs at least one space");
  if (noise.on() && !(noise.db >= 10 && noise.db <= 200))
    throw plan_error("noise of " + std::to_string(noise.db) +
                     " dB was asked for; expected a signal-to-noise ratio of 10 to 200 dB, or 0 for none");
  std::string what = "grow";
  detail::Claims claims;
  for (std::size_t i = 0; i < remap.maps.size(); ++i) {
    const auto& m = remap.maps[i];
    const auto& spec = schema_.space(m.space);
    if (m.old_size != spec.space.size)
      throw plan_error("the map of space " + detail::quote(m.space) + " starts from " + std::to_string(m.old_size) +
                       " units; the space has " + std::to_string(spec.space.size));
    for (std::size_t k = 0; k < i; ++k)
      if (remap.maps[k].space == m.space)
        throw plan_error("one remap names space " + detail::quote(m.space) + " twice");
    if (detail::any_silent(m) != detail::any_silent(remap.maps[0]))
      throw plan_error("one remap has silent units in one space and copies in another; make it two");
    auto claim = !m.blend.empty()        ? detail::claims_of_blend(m, schema_, noise)
                 : detail::any_silent(m) ? detail::claims_of_silent(m, spec, schema_, noise)
                                         : detail::claims_of(m, spec, noise);
    what += (i ? ", " : " ") + m.space + " " + detail::arrow(m.old_size, m.new_size());
    const std::string condition =
        claim.function.exactness == Exactness::exact_if ? claim.function.reason : spec.rules.exact_if;
    if (!condition.empty() && !allows(Allow::What::conditions) && !approximate_allowed())
      throw plan_error((by_.empty() ? "" : by_ + ": ") + what + " keeps the function of the model only if " +
                       condition + "; to grow all the same, and see to that, give accept_conditions before it");
    if (const auto type = detail::any_silent(m) ? detail::rounded_to(m, schema_) : std::string(); !type.empty())
      claim.function.reason += ", and the weights that make up for them are rounded to " + type;
    claims.function = i ? combine(claims.function, claim.function) : claim.function;
    claims.trajectory = i ? combine(claims.trajectory, claim.trajectory) : claim.trajectory;
    for (const auto& p : schema_.parameters)
      for (const auto& a : p.info.axes)
        if (a.role == Role::fixed && a.extent.mentions(m.space))
          throw plan_error("space " + detail::quote(m.space) + " cannot grow: axis " + to_string(a.extent) + " of '" +
                           p.name + "' is fixed");
  }
  check_tied(remap);
  const auto donor = donors(remap);
  if (rows == NewRows::next) {
    what += ", new rows from the next block";
    claims.function = claims.trajectory = detail::approximate("new units are as those of the next block");
  }
  push(remap, std::move(what), std::move(claims.function), std::move(claims.trajectory));
  const std::int64_t step = std::int64_t(steps_.size()) - 1;
  for (const auto& m : remap.maps) {
    for (std::size_t i = 0; i < schema_.parameters.size(); ++i) {
      bool touched = false;
      for (auto& a : schema_.parameters[i].info.axes)
        if (a.extent.mentions(m.space)) {
          detail::resize_space(a, m.space, m.new_size());
          touched = true;
        }
      auto& touches = origins_[i].touches;
      if (touched && (touches.empty() || touches.back().first != step))
        touches.emplace_back(step, schema_.parameters[i].name);
      if (donor[i] >= 0) origins_[i].donor = donor[i], origins_[i].donor_step = step;
    }
    for (auto& s : schema_.spaces)
      if (s.space.name == m.space) s.space.size = m.new_size();
    for (auto& e : schema_.epsilons)
      if (e.space == m.space && detail::any_silent(m)) e.value *= double(m.old_size) / double(m.new_size());
  }
}

MODELGROW_INLINE void Plan::check_added(const ParamSpec& p, const ParameterIndex& old, const Schema& next) {
  if (old.find(p.name)) throw plan_error("there is a parameter " + detail::quote(p.name) + " already");
  if (!is_arithmetic_float(p.dtype))
    throw plan_error("the new parameter " + detail::quote(p.name) + " has type " + std::string(name(p.dtype)) +
                     "; expected F64, F32, F16 or BF16");
  for (const auto& a : p.info.axes) {
    detail::require_feasible("the new parameter " + detail::quote(p.name), "an axis", a.extent.size());
    for (const auto& t : a.extent.terms())
      for (const auto& f : t)
        if (!f.name.empty() && next.space(f.name).space.size != f.size)
          throw plan_error("the new parameter " + detail::quote(p.name) + " has " + std::to_string(f.size) +
                           " units of space " + detail::quote(f.name) + "; it has " +
                           std::to_string(next.space(f.name).space.size));
  }
}

MODELGROW_INLINE void Plan::record(Schema& schema, const GraftRecord& graft) {
  std::erase_if(schema.grafts, [&](const GraftRecord& g) { return g.name == graft.name; });
  schema.grafts.push_back(graft);
}

MODELGROW_INLINE void Plan::add_all(const Add& verb) {
  const auto& [parameters, spaces, constants, seed, graft] = verb;
  if (parameters.empty()) throw plan_error("nothing was given to add");
  Schema next = schema_;
  for (const auto& s : spaces) {
    for (const auto& old : schema_.spaces)
      if (old.space.name == s.space.name)
        throw plan_error("there is a space " + detail::quote(s.space.name) + " already");
    const std::string what = "the new space " + detail::quote(s.space.name);
    if (s.space.size < 1)
      throw plan_error(what + " has " + std::to_string(s.space.size) + " units; expected 1 or more");
    detail::require_feasible("add", what, s.space.size);
    next.spaces.push_back(s);
  }
  std::set<std::string_view> seen;
  const ParameterIndex old(schema_);
  for (const auto& p : parameters) {
    check_added(p, old, next);
    if (!seen.insert(p.name).second) throw plan_error("the new parameter " + detail::quote(p.name) + " is given twice");
  }
  auto claims = detail::claims_of(parameters, schema_.stacks);
  claims.trajectory.reason = "new parameters start with zero moments and their own step 0";
  for (const auto& [name, size] : constants) next.constants[name] = size;
  if (graft) record(next, *graft);
  push(verb,
       "add " + (parameters.size() == 1
                     ? parameters[0].name
                     : std::to_string(parameters.size()) + " parameters, such as " + parameters[0].name),
       claims.function, claims.trajectory);
  schema_ = std::move(next);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    schema_.parameters.push_back(parameters[i]);
    origins_.push_back(
        Origin{.step = std::int64_t(steps_.size()) - 1, .added = std::int64_t(i), .touches = {}, .fresh = true});
  }
}

MODELGROW_INLINE void Plan::rename(std::string_view from, std::string_view to) {
  const auto i = std::size_t(index_of(from));
  check_new(to);
  push(Rename{.from = std::string(from), .to = std::string(to)},
       "rename " + std::string(from) + " to " + std::string(to), {}, {});
  schema_.parameters[i].name = to;
}

MODELGROW_INLINE void Plan::drop(std::string_view name, std::string_view because) {
  const auto i = index_of(name);
  const bool buffer = schema_.parameters[std::size_t(i)].info.purpose == Purpose::buffer;
  const Certificate c = buffer
                            ? Certificate{.exactness = Exactness::exact_if, .reason = "the family rebuilds the buffer"}
                            : detail::approximate("a trained parameter is removed" +
                                                  (because.empty() ? "" : ": " + std::string(because)));
  push(Drop{.name = std::string(name), .because = std::string(because)}, "drop " + std::string(name), c, c);
  schema_.parameters.erase(schema_.parameters.begin() + i);
  origins_.erase(origins_.begin() + i);
}

MODELGROW_INLINE void Plan::tie(std::string_view name, std::string_view to) {
  const auto source = std::size_t(index_of(to));
  const ParamSpec like = schema_.parameters[source];
  const bool known = schema_.find(name) != nullptr;
  const std::size_t i = known ? std::size_t(index_of(name)) : schema_.parameters.size();
  if (known && schema_.parameters[i].shape() != like.shape())
    throw plan_error("cannot tie " + detail::quote(name) + " of shape " + to_string(schema_.parameters[i].shape()) +
                     " to " + detail::quote(to) + " of shape " + to_string(like.shape()));
  if (known && source == i) throw plan_error("cannot tie " + detail::quote(name) + " to itself");
  const Certificate c{
      .exactness = Exactness::exact_if,
      .reason = known ? detail::quote(name) + " equals " + detail::quote(to) + " already"
                      : "the family reads " + detail::quote(name) + " where it read " + detail::quote(to)};
  push(Tie{.name = std::string(name), .to = std::string(to)}, "tie " + std::string(name) + " to " + std::string(to), c,
       c);
  if (!known) {
    schema_.parameters.push_back(like);
    schema_.parameters[i].name = name;
    origins_.emplace_back();
  }
  origins_[i] = origins_[source];
}

MODELGROW_INLINE void Plan::allow(Allow::What what) {
  constexpr std::string_view kinds[] = {"approximate steps", "steps that ask for a condition",
                                        "a model that the upstream class cannot load"};
  if (!allows(what)) allowed_.push_back(what);
  push(Allow{.what = what}, "accept " + std::string(kinds[int(what)]), {}, {});
}

MODELGROW_INLINE void Plan::say(const Verb& verb) {
  struct Sayer {
    Plan& p;
    void operator()(const Remap& v) const { p.remap(v.maps, v.noise, v.rows); }
    void operator()(const Insert& v) const {
      if (v.stacks.empty()) throw plan_error("an insertion names no stack");
      if (p.paired(v.stacks[0]) != v.stacks)
        throw plan_error("an insertion into " + detail::quote(detail::join(v.stacks, '+')) +
                         ": stacks that grow together are " + detail::quote(detail::join(p.paired(v.stacks[0]), '+')));
      p.insert(v.stacks[0], v.places, v.run, v.start, v.seed);
    }
    void operator()(const Add& v) const { p.add_all(v); }
    void operator()(const Fill& v) const { p.fill(v); }
    void operator()(const Rename& v) const { p.rename(v.from, v.to); }
    void operator()(const Drop& v) const { p.drop(v.name, v.because); }
    void operator()(const Tie& v) const { p.tie(v.name, v.to); }
    void operator()(const Allow& v) const { p.allow(v.what); }
    void operator()(const Upcycle& v) const { p.upcycle(v); }
    void operator()(const MoveState& v) const { p.move_state(v); }
  };
  std::visit(Sayer{*this}, verb);
}

MODELGROW_INLINE std::string Plan::upstream_cannot() const {
  const Sizes before = source_.sizes(), after = schema_.sizes();
  for (const auto& rule : schema_.stock) {
    const auto now = after.find(rule.name), then = before.find(rule.name);
    const auto expected = rule.value.value(after);
    if (now == after.end() || then == before.end() || !expected || now->second == *expected) continue;
    if (rule.value.value(before) != then->second) continue;  // the model was not the stock one before
    const std::string size = std::to_string(*expected);
    const bool alone = std::any_of(schema_.spaces.begin(), schema_.spaces.end(), [&](const auto& s) {
      return s.space.name == rule.name && s.rules.tied_to.empty();  // what is tied to it would grow what it computes
    });
    return rule.because + " (" + rule.name + " would be " + std::to_string(now->second) + " where it computes " + size +
           (alone && *expected > now->second ? "; grow '" + rule.name + "' to " + size + " along with it)" : ")");
  }
  for (const auto& g : schema_.grafts)
    if (!g.replaces.empty() && std::find(source_.grafts.begin(), source_.grafts.end(), g) == source_.grafts.end())
      return "the class has no '" + g.name + "', which takes the place of '" + g.replaces[0] + "'";
  return {};
}

MODELGROW_INLINE std::vector<std::string> Plan::notes() const {
  std::vector<std::string> all = schema_.remarks;
  for (const auto& g : schema_.grafts)
    if (!g.tensors.empty())  // a layer
      all.push_back("'" + g.name +
                    "' is recorded in config.json under '_modelgrow': train and run with a model that has "
                    "the layer, since classes that do not know it " +
                    (g.replaces.empty() ? "leave its tensors out" : "lack what it took the place of"));
  bool inserted = false, first = false;
  for (const auto& step : steps_)
    if (const auto* v = std::get_if<Insert>(&step.verb))
      inserted = true, first |= v->places.front().at == 0 && v->start == BlockStart::closed;
  if (inserted)
    all.push_back(
        "block numbers that are kept outside of the folder (guidance and skip lists, cache settings) must follow "
        "the map old -> new");
  if (first)
    all.push_back(
        "a closed block at index 0 makes caches that compare the residual of the first block reuse the first step "
        "for the whole sampling; index 1 or later does no harm");
  return all;
}

MODELGROW_INLINE Certificate Plan::certificate() const {
  Certificate all;
  for (const auto& s : steps_) all = combine(all, s.function);
  return all;
}

MODELGROW_INLINE Certificate Plan::trajectory() const {
  Certificate all;
  for (const auto& s : steps_) all = combine(all, s.trajectory);
  return all;
}

}  // namespace modelgrow::inline v0
