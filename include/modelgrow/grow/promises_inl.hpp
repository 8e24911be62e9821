// SPDX-License-Identifier: MIT
// The definitions of promises.hpp.
#pragma once
#include <algorithm>
#include <cmath>

#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/fill_check.hpp>
#include <modelgrow/grow/promises.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// What the maps of a plan make of an old tensor. Needs all of the tensor.
class FilledProof final : public TensorProof {
 public:
  FilledProof(std::string where, NamedShape grown, const TensorView& old, const TensorView& weight,
              const std::vector<Filled>& fills, AxisUnits rows)
      : TensorProof(std::move(where), std::move(grown), "", &old),
        old_(old),
        weight_(weight),
        fills_(fills),
        rows_(std::move(rows)) {}
  std::uint64_t unit() const override { return byte_size(grown().dtype, grown().shape).value_or(0); }
  void check(std::int64_t, std::span<const std::byte> bytes) override {
    const TensorView t{.name = grown().name,
                       .dtype = grown().dtype,
                       .shape = grown().shape,
                       .data = bytes.data(),
                       .bytes = bytes.size()};
    found_ = check_filled(t, old_, weight_, fills_, rows_);
    if (!found_.wrong.empty()) fail(found_.wrong);
    if (!found_.finite) count_numbers(0, bytes);
  }
  Verdict verdict() const override {
    Verdict v = TensorProof::verdict();
    v.found.rule = found_.rule;
    v.found.residual = found_.residual;
    return v;
  }

 private:
  const TensorView &old_, &weight_;
  const std::vector<Filled>& fills_;
  AxisUnits rows_;
  FilledCheck found_;
};

MODELGROW_INLINE Promises::Promises(const Plan& plan, Contents contents, const TensorSet& old, std::string where)
    : plan_(plan),
      contents_(contents),
      old_(old),
      where_(std::move(where)),
      units_(units_of(plan)),
      source_(plan.source()),
      schema_(plan.schema()),
      approximate_(plan.certificate().exactness == Exactness::approximate) {
  std::vector<std::string> names;
  if (contents == Contents::weights)
    for (const auto& t : old.tensors()) names.push_back(t.name);
  else
    for (const auto& p : plan.source().parameters) names.push_back(p.name);
  ancestors_ = ancestors(plan, names);
  if (plan.moves_state().moments == Moments::reset_new) apart_ = copies_apart(plan, units_);
  if (contents == Contents::weights && !approximate_) check_copies();
}

/// Every space that a norm runs across has the same number of copies of each unit.
MODELGROW_INLINE void Promises::check_copies() const {
  for (const auto& s : plan_.source().spaces) {
    const auto it = units_.find(s.space.name);
    if (s.rules.copies != Copies::uniform || it == units_.end()) continue;
    std::vector<std::int64_t> n(std::size_t(s.space.size), 0);
    for (auto i : it->second.ancestor)
      if (!it->second.silent[std::size_t(i)]) ++n[std::size_t(i)];
    if (std::ranges::min(n) != std::ranges::max(n))
      fail("units of space '" + s.space.name + "' are copied " + std::to_string(std::ranges::min(n)) + " to " +
           std::to_string(std::ranges::max(n)) + " times, although " + s.rules.because);
  }
}

MODELGROW_INLINE void Promises::check_names(const std::vector<std::string>& grown) const {
  const std::set<std::string_view> there(grown.begin(), grown.end());
  if (contents_ == Contents::optimizer) {
    for (const auto& [name, ancestor] : ancestors_)
      for (auto kind : {OptimizerKind::m, OptimizerKind::v, OptimizerKind::step, OptimizerKind::master})
        if (source_.find(ancestor.source) && old_.find(optimizer_name(kind, ancestor.source)) &&
            !(kind == OptimizerKind::master && random(ancestor, schema_.find(name))) &&
            !there.contains(optimizer_name(kind, name)))
          fail("the state '" + optimizer_name(kind, name) + "' is missing");
    return;
  }
  std::size_t promised = 0;
  for (const auto& [name, ancestor] : ancestors_) {
    const ParamSpec* now = schema_.find(name);
    if (!now && ancestor.source.empty()) fail("the plan added '" + name + "' and lost it");
    const bool may_be_absent = ancestor.source.empty() && now->info.purpose == Purpose::buffer;
    if (!there.contains(name) && !may_be_absent) fail("tensor '" + name + "' is missing");
    promised += there.contains(name);
  }
  if (promised != there.size())
    fail("the file has " + std::to_string(there.size()) + " tensors; the plan promised " + std::to_string(promised));
}

MODELGROW_INLINE std::unique_ptr<TensorProof> Promises::proof(const NamedShape& grown) const {
  if (contents_ == Contents::weights) {
    const auto it = ancestors_.find(grown.name);
    return it == ancestors_.end() ? nullptr : weight(grown, it->second);
  }
  const auto parsed = parse_optimizer_name(grown.name);
  const auto it = parsed ? ancestors_.find(std::string(parsed->parameter)) : ancestors_.end();
  if (it == ancestors_.end() || parsed->kind == OptimizerKind::lr || parsed->kind == OptimizerKind::eps ||
      parsed->kind == OptimizerKind::anneal)
    return nullptr;
  return moment(grown, parsed->kind, it->second, it->first);
}

MODELGROW_INLINE void Promises::check_shapes(const NamedShape& t, const TensorView& old, const ParamSpec& now,
                                             const ParamSpec& before) const {
  const auto promised = [&](const Shape& shape) {
    if (t.shape != shape)
      fail("tensor '" + t.name + "' has shape " + to_string(t.shape) + "; the plan promised " + to_string(shape));
  };
  promised(now.shape());
  if (old.shape != before.shape())
    fail("the old tensor '" + old.name + "' has shape " + to_string(old.shape) + "; the plan was made for " +
         to_string(before.shape()));
  if (t.dtype != old.dtype)
    fail("tensor '" + t.name + "' has type " + std::string(name(t.dtype)) + ", its source " +
         std::string(name(old.dtype)));
}

/// Whether random numbers took the place of what a new block would copy.
MODELGROW_INLINE bool Promises::random(const Ancestor& ancestor, const ParamSpec* now) const {
  if (!now || !is_trained(now->info.purpose)) return false;
  return closes_whole(now->info) ? ancestor.closers == Ancestor::Closers::random : ancestor.random;
}

/// Whether an axis is a ladder of frequencies, whose new consumers start at zero.
MODELGROW_INLINE bool Promises::spread(const Axis& axis) const {
  for (const auto& s : plan_.source().spaces)
    if (s.rules.copies == Copies::spread && axis.extent.mentions(s.space.name)) return true;
  return false;
}

/// Sums over consumer axes (weights) or producer axes (moments) are what the ancestor has. `share`: of the old
/// gradient, that an expert has.
MODELGROW_INLINE std::unique_ptr<TensorProof> Promises::residual(const NamedShape& t, const TensorView& old,
                                                                 const ParamSpec& now, const ParamSpec& before, Of of,
                                                                 std::string rule, double share) const {
  check_shapes(t, old, now, before);
  const bool apart = of == Of::first_moment && !apart_.empty();
  std::vector<ComparedAxis> axes;
  for (std::size_t a = 0; a < now.info.axes.size(); ++a) {
    ComparedAxis axis{.units = axis_units(now.info, before.info, a, apart ? apart_ : units_),
                      .old_size = before.info.axes[a].size()};
    const bool consumer = now.info.axes[a].role == Role::in;
    for (std::size_t i = 0; i < axis.units.scale.size(); ++i) {
      double& x = axis.units.scale[i];
      if (of != Of::weights) x = axis.units.silent[i] && of == Of::first_moment ? 0 : x == 0 ? 1 : 1 / x;
      if (axis.units.part[i] && consumer == (of == Of::weights) && x != 0) x = NAN;  // not told by the old one
      if (a == 0 && of != Of::weights) x *= share;
      if (apart) x *= consumer ? double(axis.units.kept[i] > 0) : axis.units.kept[i];
    }
    const bool grew = axis.size() != axis.old_size;
    axis.summed = grew && (of == Of::weights ? consumer : !consumer || spread(now.info.axes[a]));
    axes.push_back(std::move(axis));
  }
  ComparedElements elements{};
  with_element(t.dtype, [&]<class T>(T) {
    elements = of == Of::second_moment ? elements_as<T, Of::second_moment>() : elements_as<T, Of::weights>();
  });
  return std::make_unique<ResidualProof>(where_, t, std::move(rule), old, Comparison(elements, old.data, axes));
}

MODELGROW_INLINE std::unique_ptr<TensorProof> Promises::filled(const NamedShape& t, const TensorView& old,
                                                               const TensorView* weight,
                                                               const std::vector<Filled>& fills, const ParamSpec& now,
                                                               const ParamSpec& before) const {
  if (!weight) fail("tensor '" + t.name + "' is filled through a weight that the old file does not have");
  if (t.shape != now.shape())
    fail("tensor '" + t.name + "' has shape " + to_string(t.shape) + "; the plan promised " + to_string(now.shape()));
  return std::make_unique<FilledProof>(where_, t, old, *weight, fills, axis_units(now.info, before.info, 0, units_));
}

MODELGROW_INLINE std::unique_ptr<TensorProof> Promises::weight(const NamedShape& t, const Ancestor& ancestor) const {
  const ParamSpec* now = schema_.find(t.name);
  const ParamSpec* before = source_.find(ancestor.source);
  const bool drawn = random(ancestor, now), closed = ancestor.closers == Ancestor::Closers::closed;
  const TensorView* source = drawn || ancestor.source.empty() ? nullptr : old_.find(ancestor.source);
  const bool closer = now && closed && closes_whole(now->info);
  const auto gates = now && closed ? gate_rows(*now) : std::vector<Rows>{};
  const auto gated = [&](std::unique_ptr<TensorProof> others) -> std::unique_ptr<TensorProof> {
    if (gates.empty()) return others;
    return std::make_unique<GatedProof>(where_, t, gates, std::move(others));
  };
  if (closer && (source || now->info.init.kind == Init::Kind::zeros))
    return std::make_unique<ZeroProof>(where_, t, "it closes a new branch, which would change the function");
  if (gates.empty() && now && before && !ancestor.fills.empty())
    return filled(t, *source, old_.find(ancestor.fills[0].weight), ancestor.fills, *now, *before);
  if (!source) {
    if (t.shape != now->shape())
      fail("tensor '" + t.name + "' has shape " + to_string(t.shape) + "; the plan promised " +
           to_string(now->shape()));
    const bool may_be_zero = !gates.empty() || (drawn ? is_bias(*now) : now->info.init.kind == Init::Kind::zeros);
    return gated(std::make_unique<NewProof>(where_, t, may_be_zero));
  }
  if (now && before && is_arithmetic_float(t.dtype))
    return gated(residual(t, *source, *now, *before, Of::weights, "W' E_in = E_out W"));
  return std::make_unique<CopyProof>(where_, t, *source);
}

MODELGROW_INLINE std::unique_ptr<TensorProof> Promises::moment(const NamedShape& t, OptimizerKind kind,
                                                               const Ancestor& ancestor,
                                                               const std::string& name) const {
  const ParamSpec *now = schema_.find(name), *before = source_.find(ancestor.source);
  const TensorView* source = before ? old_.find(optimizer_name(kind, ancestor.source)) : nullptr;
  const bool master = kind == OptimizerKind::master;
  if (master && (!source || random(ancestor, now))) return nullptr;
  if (!master && plan_.moves_state().moments == Moments::zeroed)
    return std::make_unique<ZeroProof>(where_, t, "all moments start at zero");
  const bool closer = now && ancestor.closers == Ancestor::Closers::closed && closes_branch(now->info.purpose);
  const bool filling = !ancestor.fills.empty();
  if ((filling && !master) || (ancestor.fresh && (!master || closer)))
    return std::make_unique<ZeroProof>(where_, t, "its parameter is new");
  if (kind == OptimizerKind::step) return source ? std::make_unique<CopyProof>(where_, t, *source) : nullptr;
  if (!source || !now || !before) return nullptr;
  if (filling)
    return filled(t, *source, old_.find(optimizer_name(kind, ancestor.fills[0].weight)), ancestor.fills, *now, *before);
  if (!is_arithmetic_float(t.dtype)) return nullptr;
  const Of of = master ? Of::weights : kind == OptimizerKind::m ? Of::first_moment : Of::second_moment;
  return residual(t, *source, *now, *before, of, master ? "W' E_in = E_out W" : "sum of copies", ancestor.share);
}

/// Moments add up to the old ones up to rounding, masters of weights as weights do.
MODELGROW_INLINE void Promises::check_state(const TensorCheck& found, DType dtype) const {
  const auto parsed = parse_optimizer_name(found.name);
  const bool master = parsed && parsed->kind == OptimizerKind::master;
  const double rounding = master ? 0.0 : dtype == DType::f64 ? 1e-14 : dtype == DType::f32 ? 1e-6 : 0.05;
  if (found.residual > rounding)
    fail("the state '" + found.name + "' does not add up to the old one: difference " + std::to_string(found.residual) +
         " of the largest value");
}

MODELGROW_INLINE FileCheck Promises::judge(std::vector<Verdict> verdicts) const {
  std::ranges::sort(verdicts, {}, [](const Verdict& v) -> const std::string& { return v.found.name; });
  FileCheck check;
  for (auto& [found, dtype, not_finite] : verdicts) {
    if (contents_ == Contents::optimizer && !approximate_) check_state(found, dtype);
    if (not_finite && std::ranges::find(check.not_finite, *not_finite) == check.not_finite.end())
      check.not_finite.push_back(*std::move(not_finite));
    if (found.residual >= check.max_residual && (found.residual > 0 || check.worst.empty())) {
      check.max_residual = found.residual;
      check.worst = found.name;
    }
    check.tensors.push_back(std::move(found));
  }
  if (approximate_ || contents_ == Contents::optimizer || check.max_residual == 0) return check;
  if (std::isinf(check.max_residual))
    for (const auto& n : check.not_finite)
      if (n.arisen) fail("tensor " + to_string(n) + ": its type cannot hold what the growth made");
  fail("tensor '" + check.worst + "' does not compute what it did: W' E_in and E_out W differ by " +
       std::to_string(check.max_residual) + " of the largest weight");
}

}  // namespace detail

}  // namespace modelgrow::inline v0
