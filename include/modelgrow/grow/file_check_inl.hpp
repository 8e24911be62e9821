// SPDX-License-Identifier: MIT
// Definitions of file_check.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>

#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/fill_check.hpp>
#include <modelgrow/grow/residual.hpp>

namespace modelgrow::inline v0 {

namespace detail {

class FileComparison {
 public:
  FileComparison(const Plan& plan, const TensorSet& old, const TensorSet& grown)
      : plan_(plan), old_(old), grown_(grown), units_(units_of(plan)) {}

  [[noreturn]] void fail(const std::string& what) const { throw check_error(grown_.where() + ": " + what); }
  void record(FileCheck& check, std::string name, std::string rule, double residual) const {
    if (residual >= check.max_residual && (residual > 0 || check.worst.empty())) {
      check.max_residual = residual;
      check.worst = name;
    }
    check.tensors.push_back(TensorCheck{.name = std::move(name), .rule = std::move(rule), .residual = residual});
  }
  void record(FileCheck& check, const TensorView& t, const TensorView& old, std::string rule, const Residual& r) const {
    if (!r.finite) numbers(check, t, &old);
    record(check, t.name, std::move(rule), r.relative());
  }
  /// Finds what is not finite in a tensor, or in the one that it comes from.
  void numbers(FileCheck& check, const TensorView& t, const TensorView* old = nullptr) const {
    auto found = old ? not_finite(*old) : std::nullopt;
    if (!found && (found = not_finite(t))) found->arisen = true;
    if (found && std::find(check.not_finite.begin(), check.not_finite.end(), *found) == check.not_finite.end())
      check.not_finite.push_back(*std::move(found));
  }
  const TensorView& grown(const std::string& name) const {
    const auto* t = grown_.find(name);
    if (!t) fail("tensor '" + name + "' is missing");
    return *t;
  }
  void zero(FileCheck& check, const TensorView& t, const std::string& why) const {
    if (!all_zero(t.span())) fail("tensor '" + t.name + "' is not zero, but " + why);
    record(check, t.name, "zero", 0);
  }
  void same_bytes(FileCheck& check, const TensorView& t, const TensorView& old) const {
    if (t.dtype != old.dtype || t.shape != old.shape || !std::ranges::equal(t.span(), old.span()))
      fail("tensor '" + t.name + "' differs from '" + old.name + "', of which it should be a copy");
    numbers(check, t, &old);
    record(check, t.name, "same bytes", 0);
  }
  /// Every space that a norm runs across has the same number of copies of each unit.
  void copies(bool approximate) const {
    for (const auto& s : plan_.source().spaces) {
      const auto it = units_.find(s.space.name);
      if (approximate || s.rules.copies != Copies::uniform || it == units_.end()) continue;
      std::vector<std::int64_t> n(std::size_t(s.space.size), 0);
      for (auto i : it->second.ancestor)
        if (!it->second.silent[std::size_t(i)]) ++n[std::size_t(i)];
      if (std::ranges::min(n) != std::ranges::max(n))
        fail("units of space '" + s.space.name + "' are copied " + std::to_string(std::ranges::min(n)) + " to " +
             std::to_string(std::ranges::max(n)) + " times, although " + s.rules.because);
    }
  }
  /// Sums over consumer axes (weights) or producer axes (moments) and compares with the ancestor.
  /// `rows`: of these rows of the new tensor only. `share`: of the old gradient, that an expert has.
  Residual residual(const TensorView& t, const TensorView& old, const ParamSpec& now, const ParamSpec& before, Of of,
                    std::optional<Rows> rows = {}, double share = 1) const {
    if (t.shape != now.shape())
      fail("tensor '" + t.name + "' has shape " + to_string(t.shape) + "; the plan promised " + to_string(now.shape()));
    if (old.shape != before.shape())
      fail("the old tensor '" + old.name + "' has shape " + to_string(old.shape) + "; the plan was made for " +
           to_string(before.shape()));
    if (t.dtype != old.dtype)
      fail("tensor '" + t.name + "' has type " + std::string(name(t.dtype)) + ", its source " +
           std::string(name(old.dtype)));
    std::vector<ComparedAxis> axes;
    for (std::size_t a = 0; a < now.info.axes.size(); ++a) {
      ComparedAxis axis{.units = axis_units(now.info, before.info, a, units_), .old_size = before.info.axes[a].size()};
      const bool consumer = now.info.axes[a].role == Role::in;
      for (std::size_t i = 0; i < axis.units.scale.size(); ++i) {
        double& x = axis.units.scale[i];
        if (of != Of::weights) x = axis.units.silent[i] && of == Of::first_moment ? 0 : x == 0 ? 1 : 1 / x;
        if (axis.units.part[i] && consumer == (of == Of::weights) && x != 0) x = NAN;  // not told by the old one
        if (a == 0 && of != Of::weights) x *= share;
      }
      const bool grew = axis.size() != axis.old_size;
      axis.summed = grew && (of == Of::weights ? consumer : !consumer || spread(now.info.axes[a]));
      auto& index = axis.units.ancestor;
      if (a == 0 && rows) index = {index.begin() + rows->begin, index.begin() + rows->end};
      axes.push_back(std::move(axis));
    }
    const std::int64_t skipped = rows && t.shape[0] > 0 ? rows->begin * std::int64_t(t.span().size()) / t.shape[0] : 0;
    ComparedElements elements{};
    with_element(t.dtype, [&]<class T>(T) {
      elements = of == Of::second_moment ? elements_as<T, Of::second_moment>() : elements_as<T, Of::weights>();
    });
    return residual_of(elements, t.data + skipped, old.data, axes);
  }
  /// Gates are zero; the rows between them follow the rule of their ancestor.
  void gates(FileCheck& check, const TensorView& t, const std::vector<Rows>& gates, const TensorView* old,
             const ParamSpec& now, const ParamSpec* before) const {
    const std::size_t row = t.shape[0] > 0 ? t.span().size() / std::size_t(t.shape[0]) : 0;
    std::vector<bool> gate(std::size_t(t.shape[0]), false);
    for (const auto& g : gates)
      for (std::int64_t i = g.begin; i < g.end; ++i) {
        gate[std::size_t(i)] = true;
        if (!all_zero(t.span().subspan(std::size_t(i) * row, row)))
          fail("row " + std::to_string(i) + " of tensor '" + t.name + "' is not zero, but it is a gate of a new block");
      }
    double most = 0;
    for (std::size_t begin = 0; old && before && begin < gate.size();) {
      std::size_t end = begin;
      while (end < gate.size() && gate[end] == gate[begin]) ++end;
      if (!gate[begin])
        most = std::max(most, residual(t, *old, now, *before, Of::weights,
                                       Rows{.begin = std::int64_t(begin), .end = std::int64_t(end)})
                                  .relative());
      begin = end;
    }
    numbers(check, t, old);
    record(check, t.name, "gates zero, else W' E_in = E_out W", most);
  }
  /// `weight` is what reads through the fills.
  void filled(FileCheck& check, const TensorView& t, const TensorView& old, const TensorView* weight,
              const std::vector<Filled>& fills, const ParamSpec& now, const ParamSpec& before) const {
    if (!weight) fail("tensor '" + t.name + "' is filled through a weight that the old file does not have");
    if (t.shape != now.shape())
      fail("tensor '" + t.name + "' has shape " + to_string(t.shape) + "; the plan promised " + to_string(now.shape()));
    const auto rows = axis_units(now.info, before.info, 0, units_);
    const auto found = check_filled(t, old, *weight, fills, rows);
    if (!found.wrong.empty()) fail("tensor '" + t.name + "' " + found.wrong);
    if (!found.finite) numbers(check, t, &old);
    record(check, t.name, found.rule, found.residual);
  }
  std::map<std::string, Ancestor> ancestors() const {
    std::vector<std::string> names;
    for (const auto& t : old_.tensors()) names.push_back(t.name);
    return detail::ancestors(plan_, names);
  }

  /// Whether an axis is a ladder of frequencies, whose new consumers start at zero.
  bool spread(const Axis& axis) const {
    for (const auto& s : plan_.source().spaces)
      if (s.rules.copies == Copies::spread && axis.extent.mentions(s.space.name)) return true;
    return false;
  }

  const Plan& plan_;
  const TensorSet &old_, &grown_;
  UnitsOf units_;
};

}  // namespace detail

MODELGROW_INLINE FileCheck check_weights(const Plan& plan, const TensorSet& old, const TensorSet& grown) {
  const bool approximate = plan.certificate().exactness == Exactness::approximate;
  const detail::FileComparison compare(plan, old, grown);
  compare.copies(approximate);
  FileCheck check;
  const auto ancestors = compare.ancestors();
  std::size_t seen = 0;
  for (const auto& [name, ancestor] : ancestors) {
    const ParamSpec* now = plan.schema().find(name);
    if (!now && ancestor.source.empty()) compare.fail("the plan added '" + name + "' and lost it");
    if (ancestor.source.empty() && now->info.purpose == Purpose::buffer && !grown.find(name)) continue;
    const TensorView& t = compare.grown(name);
    ++seen;
    const bool closer = now && ancestor.fresh && detail::closes_whole(now->info);
    const auto gates = now && ancestor.fresh ? detail::gate_rows(*now) : std::vector<Rows>{};
    if (!gates.empty()) {
      compare.gates(check, t, gates, ancestor.source.empty() ? nullptr : old.find(ancestor.source), *now,
                    plan.source().find(ancestor.source));
    } else if (closer && (!ancestor.source.empty() || now->info.init.kind == Init::Kind::zeros)) {
      compare.zero(check, t, "it closes a new branch, which would change the function");
    } else if (const ParamSpec* before = plan.source().find(ancestor.source);
               now && before && !ancestor.fills.empty()) {
      compare.filled(check, t, *old.find(ancestor.source), old.find(ancestor.fills[0].weight), ancestor.fills, *now,
                     *before);
    } else if (ancestor.source.empty()) {
      if (t.shape != now->shape())
        compare.fail("tensor '" + name + "' has shape " + to_string(t.shape) + "; the plan promised " +
                     to_string(now->shape()));
      if (now->info.init.kind != Init::Kind::zeros && detail::all_zero(t.span()))
        compare.fail("the new tensor '" + name +
                     "' is zero, as is what closes its branch: no gradient would reach either");
      compare.numbers(check, t);
      compare.record(check, name, "new", 0);
    } else if (now && before && is_arithmetic_float(t.dtype)) {
      const TensorView& source = *old.find(ancestor.source);
      compare.record(check, t, source, "W' E_in = E_out W", compare.residual(t, source, *now, *before, Of::weights));
    } else {
      compare.same_bytes(check, t, *old.find(ancestor.source));
    }
    grown.release(t);
    if (const auto* source = old.find(ancestor.source)) old.release(*source);
  }
  if (seen != grown.tensors().size())
    compare.fail("the file has " + std::to_string(grown.tensors().size()) + " tensors; the plan promised " +
                 std::to_string(seen));
  if (!approximate && std::isinf(check.max_residual))
    for (const auto& n : check.not_finite)
      if (n.arisen) compare.fail("tensor " + to_string(n) + ": its type cannot hold what the growth made");
  if (!approximate && check.max_residual > 0)
    compare.fail("tensor '" + check.worst + "' does not compute what it did: W' E_in and E_out W differ by " +
                 std::to_string(check.max_residual) + " of the largest weight");
  return check;
}

MODELGROW_INLINE FileCheck check_optimizer(const Plan& plan, const TensorSet& old, const TensorSet& grown) {
  const detail::FileComparison compare(plan, old, grown);
  const bool approximate = plan.certificate().exactness == Exactness::approximate;
  FileCheck check;
  std::vector<std::string> names;
  for (const auto& p : plan.source().parameters) names.push_back(p.name);
  for (const auto& [name, ancestor] : detail::ancestors(plan, names)) {
    const ParamSpec *now = plan.schema().find(name), *before = plan.source().find(ancestor.source);
    for (auto kind : {OptimizerKind::m, OptimizerKind::v, OptimizerKind::step, OptimizerKind::master}) {
      const auto* source = before ? old.find(optimizer_name(kind, ancestor.source)) : nullptr;
      const auto* t = grown.find(optimizer_name(kind, name));
      if (source && !t) compare.fail("the state '" + optimizer_name(kind, name) + "' is missing");
      if (!t || (kind == OptimizerKind::master && !source)) continue;
      const bool master = kind == OptimizerKind::master;
      const bool closer = now && closes_branch(now->info.purpose);
      const bool filled = !ancestor.fills.empty();
      if ((filled && !master) || (ancestor.fresh && (!master || closer))) {
        compare.zero(check, *t, "its parameter is new");
      } else if (kind == OptimizerKind::step) {
        compare.same_bytes(check, *t, *source);
      } else if (filled && source && now && before) {
        compare.filled(check, *t, *source, old.find(optimizer_name(kind, ancestor.fills[0].weight)), ancestor.fills,
                       *now, *before);
      } else if (source && now && before && is_arithmetic_float(t->dtype)) {
        const Of of = master ? Of::weights : kind == OptimizerKind::m ? Of::first_moment : Of::second_moment;
        const detail::Residual residual = compare.residual(*t, *source, *now, *before, of, {}, ancestor.share);
        const double r = residual.relative();
        compare.record(check, *t, *source, master ? "W' E_in = E_out W" : "sum of copies", residual);
        const double rounding = t->dtype == DType::f64 ? 1e-14 : t->dtype == DType::f32 ? 1e-6 : 0.05;
        if (!approximate && r > (master ? 0.0 : rounding))
          compare.fail("the state '" + t->name + "' does not add up to the old one: difference " + std::to_string(r) +
                       " of the largest value");
      }
      grown.release(*t);
      if (source) old.release(*source);
    }
  }
  return check;
}

}  // namespace modelgrow::inline v0
