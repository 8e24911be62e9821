// SPDX-License-Identifier: MIT
// The definitions of promises.hpp.
#pragma once
#include <algorithm>
#include <cmath>

#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/fill_check.hpp>
#include <modelgrow/grow/optimizers/all.hpp>
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
      shares_(shares_of_gradient(plan)),
      source_(plan.source()),
      schema_(plan.schema()),
      approximate_(plan.certificate().exactness == Exactness::approximate) {
  std::vector<std::string> names;
  if (contents == Contents::weights)
    for (const auto& t : old.tensors()) names.push_back(t.name);
  else
    for (const auto& p : plan.source().parameters) names.push_back(p.name);
  ancestors_ = ancestors(plan, names);
  if (plan.moves_state().moments == Moments::reset_new) apart_ = copies_apart(shares_, units_);
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
  if (contents_ == Contents::optimizer) return check_state_names(there);
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

/// Every entry of a parameter becomes one of all that the parameter becomes.
MODELGROW_INLINE void Promises::check_state_names(const std::set<std::string_view>& grown) const {
  std::multimap<std::string_view, const std::pair<const std::string, Ancestor>*> of;
  for (const auto& a : ancestors_) of.emplace(a.second.source, &a);
  for (const auto& t : old_.tensors()) {
    const auto parsed = parse_state_name(t.name);
    if (!parsed || !source_.find(parsed->parameter)) continue;
    const auto& rule = rule_of(parsed->optimizer);
    const auto* entry = find_entry(rule, parsed->entry);
    if (!entry) continue;
    const auto [begin, end] = of.equal_range(parsed->parameter);
    for (auto it = begin; it != end; ++it) {
      const auto& [name, ancestor] = *it->second;
      if (entry->moves == Moves::as_weight && random(ancestor, schema_.find(name))) continue;
      if (ancestor.fresh && !rule.makes_new) continue;
      if (const auto promised = state_name(parsed->optimizer, parsed->entry, name); !grown.contains(promised))
        fail("the state '" + promised + "' is missing");
    }
  }
}

MODELGROW_INLINE std::unique_ptr<TensorProof> Promises::proof(const NamedShape& grown) const {
  if (contents_ == Contents::weights) {
    const auto it = ancestors_.find(grown.name);
    return it == ancestors_.end() ? nullptr : weight(grown, it->second);
  }
  const auto parsed = parse_state_name(grown.name);
  const auto it = parsed ? ancestors_.find(parsed->parameter) : ancestors_.end();
  const auto* entry = parsed ? find_entry(rule_of(parsed->optimizer), parsed->entry) : nullptr;
  return it == ancestors_.end() || !entry ? nullptr : state(grown, *parsed, *entry, it->second);
}

MODELGROW_INLINE void Promises::check_shapes(const NamedShape& t, const TensorView& old, const Shape& now,
                                             const Shape& before) const {
  if (t.shape != now)
    fail("tensor '" + t.name + "' has shape " + to_string(t.shape) + "; the plan promised " + to_string(now));
  if (old.shape != before)
    fail("the old tensor '" + old.name + "' has shape " + to_string(old.shape) + "; the plan was made for " +
         to_string(before));
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

/// Sums over consumer axes (weights) or producer axes (moments) are what the ancestor has, and updates are what it has.
/// `share`: of the old gradient, that an expert has, or that means have over what is no more.
MODELGROW_INLINE std::unique_ptr<TensorProof> Promises::residual(const NamedShape& t, const TensorView& old,
                                                                 const ParamSpec& now, const ParamSpec& before, Of of,
                                                                 std::string rule, double share) const {
  const bool updates = of == Of::updates, apart = (of == Of::first_moment || updates) && !apart_.empty();
  std::vector<ComparedAxis> axes;
  for (std::size_t a = 0; a < now.info.axes.size(); ++a) {
    ComparedAxis axis{.units = axis_units(now.info, before.info, a, apart ? apart_ : units_),
                      .old_size = before.info.axes[a].size()};
    const bool consumer = now.info.axes[a].role == Role::in;
    for (std::size_t i = 0; i < axis.units.scale.size(); ++i) {
      double& x = axis.units.scale[i];
      if (of != Of::weights)
        x = axis.units.silent[i] && of != Of::second_moment ? 0 : x == 0 || (updates && !std::isnan(x)) ? 1 : 1 / x;
      if (axis.units.part[i] && !updates && consumer == (of == Of::weights) && x != 0)
        x = NAN;  // the old one is silent
      if (a == 0 && of != Of::weights && !updates) x *= share;
      if (apart) x *= consumer || updates ? double(axis.units.kept[i] > 0) : axis.units.kept[i];
    }
    const bool grew = axis.size() != axis.old_size, summed = of == Of::weights ? consumer : !consumer && !updates;
    axis.summed = grew && (summed || (of != Of::weights && spread(now.info.axes[a])));
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
  if (now && before && is_arithmetic_float(t.dtype)) {
    check_shapes(t, *source, now->shape(), before->shape());
    return gated(residual(t, *source, *now, *before, Of::weights, "W' E_in = E_out W"));
  }
  return std::make_unique<CopyProof>(where_, t, *source);
}

MODELGROW_INLINE std::unique_ptr<TensorProof> Promises::state(const NamedShape& t, const StateName& of,
                                                              const StateEntry& entry, const Ancestor& ancestor) const {
  const ParamSpec *now = schema_.find(of.parameter), *before = source_.find(ancestor.source);
  const auto old = [&](const std::string& parameter) {
    return old_.find(state_name(of.optimizer, of.entry, parameter));
  };
  const TensorView* source = before ? old(ancestor.source) : nullptr;
  const bool weight = entry.moves == Moves::as_weight;
  if (weight && (!source || random(ancestor, now))) return nullptr;
  const bool closer = now && ancestor.closers == Ancestor::Closers::closed && closes_branch(now->info.purpose);
  const bool filling = !ancestor.fills.empty(), zeroed = plan_.moves_state().moments == Moments::zeroed;
  const bool begins = !weight && (zeroed || filling || ancestor.fresh);
  if (begins && entry.start != 0) return nullptr;
  if (begins || (weight && ancestor.fresh && closer))
    return std::make_unique<ZeroProof>(where_, t,
                                       begins && zeroed ? "all moments start at zero" : "its parameter is new");
  if (entry.moves == Moves::counted) return source ? std::make_unique<CopyProof>(where_, t, *source) : nullptr;
  if (!source || !now || !before) return nullptr;
  if (filling) return filled(t, *source, old(ancestor.fills[0].weight), ancestor.fills, *now, *before);
  if (!is_arithmetic_float(t.dtype)) return nullptr;
  check_shapes(t, *source, state_shape(entry.form, now->shape()), state_shape(entry.form, before->shape()));
  if (averaged_axis(entry.form, now->shape().rank()) >= 0)
    return mean(t, *source, *now, *before, entry, ancestor.share);
  const char* rule = weight                           ? "W' E_in = E_out W"
                     : entry.moves == Moves::unscaled ? "copies as they were"
                                                      : "sum of copies";
  return residual(t, *source, *now, *before, of_entry(entry.moves), rule, ancestor.share);
}

/// Means over an axis whose units are copies, of which the mean square of the shares of the gradient is known.
MODELGROW_INLINE std::unique_ptr<TensorProof> Promises::mean(const NamedShape& t, const TensorView& old, ParamSpec now,
                                                             ParamSpec before, const StateEntry& entry,
                                                             double share) const {
  const auto a = std::size_t(averaged_axis(entry.form, int(now.info.axes.size())));
  const Axis& axis = now.info.axes[a];
  double squares = 0;
  for (const auto& term : axis.extent.terms()) {
    double mean = 1;
    for (const auto& factor : term) {
      const auto units = units_.find(factor.name);
      if (units == units_.end()) continue;
      const auto any = [](const std::vector<bool>& flags) { return std::ranges::find(flags, true) != flags.end(); };
      if (any(units->second.silent) || any(units->second.blended)) return nullptr;
      double sum = 0;
      for (const double x : shares_.find(factor.name)->second) sum += x * x;
      mean *= sum / double(factor.size);
    }
    squares += mean * double(Extent::size_of(term)) / double(axis.size());
  }
  if (spread(axis)) return nullptr;
  if (axis.role != Role::in) share *= std::sqrt(squares);
  now.info.axes[a] = before.info.axes[a] = fixed(1);
  return residual(t, old, now, before, of_entry(entry.moves), "means of copies", share);
}

/// Moments add up to the old ones up to rounding, what is a weight as weights do.
MODELGROW_INLINE void Promises::check_state(const TensorCheck& found, DType dtype) const {
  const auto parsed = parse_state_name(found.name);
  const auto* entry = parsed ? find_entry(rule_of(parsed->optimizer), parsed->entry) : nullptr;
  const bool weight = entry && entry->moves == Moves::as_weight;
  const double rounding = weight ? 0.0 : dtype == DType::f64 ? 1e-14 : dtype == DType::f32 ? 1e-6 : 0.05;
  if (found.residual > rounding)
    fail("the state '" + found.name + "' does not add up to the old one: difference " + std::to_string(found.residual) +
         " of the largest value");
}

MODELGROW_INLINE FileCheck Promises::judge(std::vector<Verdict> verdicts) const {
  std::ranges::sort(verdicts, {}, [](const Verdict& v) -> const std::string& { return v.found.name; });
  FileCheck check;
  TensorCheck wrong;
  for (auto& [found, dtype, not_finite, rounding] : verdicts) {
    if (contents_ == Contents::optimizer && !approximate_) check_state(found, dtype);
    if (not_finite && std::ranges::find(check.not_finite, *not_finite) == check.not_finite.end())
      check.not_finite.push_back(*std::move(not_finite));
    if (found.residual >= check.max_residual && (found.residual > 0 || check.worst.empty())) {
      check.max_residual = found.residual;
      check.worst = found.name;
    }
    if (found.residual > std::max(rounding, wrong.residual)) wrong = found;
    check.tensors.push_back(std::move(found));
  }
  if (approximate_ || contents_ == Contents::optimizer || wrong.residual == 0) return check;
  if (std::isinf(wrong.residual))
    for (const auto& n : check.not_finite)
      if (n.arisen) fail("tensor " + to_string(n) + ": its type cannot hold what the growth made");
  fail("tensor '" + wrong.name + "' does not compute what it did: W' E_in and E_out W differ by " +
       std::to_string(wrong.residual) + " of the largest weight");
}

}  // namespace detail

}  // namespace modelgrow::inline v0
