// SPDX-License-Identifier: MIT
// Definitions of optimizer_outputs.hpp.
#pragma once
#include <algorithm>
#include <cmath>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/grow/held_state.hpp>
#include <modelgrow/grow/optimizer_outputs.hpp>
#include <modelgrow/grow/optimizers/step_factors.hpp>
#include <modelgrow/grow/output_collector.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE Multipliers read_multipliers(const TensorSet& set, std::string_view parameter, const Shape& shape) {
  Multipliers m;
  const std::int64_t rows = shape.rank() > 0 ? shape[0] : 1, columns = rows > 0 ? numel(shape) / rows : 1;
  if (const auto* t = set.find(optimizer_name(OptimizerKind::lr, parameter)))
    m.lr = detail::read_vector(set, *t, columns);
  if (const auto* t = set.find(optimizer_name(OptimizerKind::eps, parameter)))
    m.eps = detail::read_vector(set, *t, rows);
  return m;
}

namespace detail {

/// A factor is stored as a matrix whose axes have the size of the parameter's or 1.
inline Factor read_factor(const TensorSet& set, const TensorView* t, const Shape& parameter) {
  if (!t) return {};
  const std::int64_t rows = parameter.rank() > 0 ? parameter[0] : 1, columns = rows > 0 ? numel(parameter) / rows : 1;
  const auto fits = [](std::int64_t n, std::int64_t whole) { return n == 1 || n == whole; };
  if (t->shape.rank() != 2 || !fits(t->shape[0], rows) || !fits(t->shape[1], columns) || t->dtype != DType::f64)
    throw format_error(set.where() + ": tensor '" + t->name + "' has type " + std::string(name(t->dtype)) +
                       " and shape " + to_string(t->shape) + "; expected F64 and " + to_string(Shape{rows, columns}) +
                       ", or 1 in place of either");
  if (numel(t->shape) == 0) return {};
  const std::int64_t width = t->shape[1];
  Factor f{.rows = {}, .columns = {}};
  for (std::int64_t i = 0; i < t->shape[0]; ++i) f.rows.push_back(stored<double>(t->data, i * width));
  for (std::int64_t j = 0; j < width; ++j) f.columns.push_back(stored<double>(t->data, j) / f.rows[0]);
  const auto positive = [](double x) { return x > 0 && std::isfinite(x); };
  if (!std::ranges::all_of(f.rows, positive) || !std::ranges::all_of(f.columns, positive))
    throw format_error(set.where() + ": tensor '" + t->name +
                       "' has a factor that is not above 0 and finite; write it again, or take it out of the file");
  return f;
}
inline std::vector<double> values_of_factor(const Factor& f) {
  std::vector<double> all;
  for (std::size_t i = 0; i < f.rows.size(); ++i)
    for (std::size_t j = 0; j < f.columns.size(); ++j) all.push_back(f.at(i, j));
  return all;
}
inline std::vector<std::byte> bytes_of_values(std::span<const double> values) {
  const auto bytes = std::as_bytes(values);
  return {bytes.begin(), bytes.end()};
}
/// One number in the type of a tensor of the file. Throws format_error for a type that has no fractions.
inline std::vector<std::byte> number_as(DType type, double value) {
  std::vector<std::byte> bytes;
  with_element(type, [&]<class T>(T) {
    const T x = element_cast<T>(value);
    const auto all = std::as_bytes(std::span(&x, 1));
    bytes.assign(all.begin(), all.end());
  });
  return bytes;
}

/// The state of one model on its way through a plan.
class StateMover {
 public:
  StateMover(const Plan& plan, const TensorSet& set)
      : plan_(plan), set_(set), held_(set), all_(set), moves_(plan.moves_state()) {
    for (const auto& p : plan.source().parameters)
      if (const auto* held = held_.find(p.name))
        for (const auto& [entry, t] : held->tensors) {
          all_.use(*t);
          any_[{held->optimizer, entry}] = t;
        }
  }

  /// The state of parameter i of the grown model.
  void add(std::size_t i) {
    const Recipe r = plan_.recipe(i);
    if (!is_trained(r.purpose)) return;
    const bool added = r.source.empty();
    const HeldState::Entries* held = added ? nullptr : held_.find(r.source);
    if (added ? held_.optimizers().size() != 1 : !held) return;  // whose an added one would be, its trainer knows
    const auto& rule = rule_of(held ? held->optimizer : held_.optimizers()[0]);
    if (r.fresh && !rule.makes_new) return;
    bool has_state = false;
    const auto put = [&](const StateEntry& e, bool counts) {
      if ((e.moves == Moves::counted) == counts) has_state |= add(rule, e, held, r, i);
    };
    for (const auto& e : rule.entries) put(e, false);
    if (held) put(master_entry, false);
    if (!has_state) return;
    for (const auto& e : rule.entries) put(e, true);
    if (moves_.multipliers != Rates::off) add_factors(rule, held, r, i);
  }

  std::vector<Output> finish() {
    all_.pass_through([&](const std::string& name) {
      const auto parsed = parse_state_name(name);
      return parsed ? state_name(parsed->optimizer, parsed->entry, plan_.follow(parsed->parameter)) : name;
    });
    return std::move(all_.outputs);
  }

 private:
  Output output(const OptimizerRule& rule, std::string_view entry, const Recipe& r, std::size_t i) const {
    return Output{.target = NamedShape{.name = state_name(rule.optimizer, entry, r.name), .dtype = {}, .shape = {}},
                  .parameter = std::int64_t(i),
                  .values = {}};
  }

  /// One entry, if the parameter has it; `held` is nothing for an added one, which gets what others have.
  bool add(const OptimizerRule& rule, const StateEntry& e, const HeldState::Entries* held, const Recipe& r,
           std::size_t i) {
    const auto like = any_.find({rule.optimizer, std::string(e.name)});
    const TensorView* source = held ? held->find(e.name) : nullptr;
    if (held ? !source : like == any_.end() || !has_entry(e, r.shape.rank())) return false;
    Output o = output(rule, e.name, r, i);
    const bool zeroed = moves_.moments == Moments::zeroed;
    if (e.moves == Moves::counted) {
      const TensorView& t = held ? *source : *like->second;
      o.source = &t;
      o.target.dtype = t.dtype;
      o.target.shape = t.shape;
      if (r.fresh || zeroed) o.kind = e.start == 0 ? Output::Kind::zeros : Output::Kind::values;
      if (o.kind == Output::Kind::values) o.values = number_as(t.dtype, e.start);
    } else {
      o.target.dtype = source ? source->dtype : set_.float_type(DType::f32);
      o.target.shape = state_shape(e.form, r.shape);
      o.source = source;
      o.of = of_entry(e.moves);
      o.mean_over = averaged_axis(e.form, r.shape.rank());
      if (source) check_source(set_, *source, r, state_shape(e.form, r.stored()));
      const bool starts = e.moves != Moves::as_weight && (zeroed || !source);
      o.kind = starts ? Output::Kind::zeros : Output::Kind::recipe;
      if (source && e.moves == Moves::as_weight) {
        const auto named = [&](const std::string& name) { return state_name(rule.optimizer, e.name, name); };
        o.weight = weight_of(set_, r, named);
        o.donor = donor_of(set_, r, *source, named);
      }
    }
    all_.emit(std::move(o));
    return true;
  }

  void add_factors(const OptimizerRule& rule, const HeldState::Entries* held, const Recipe& r, std::size_t i) {
    const bool changed = rule.optimizer == Optimizer::adamw ? add_multipliers(r, !held, i) : add_any(rule, held, r, i);
    if (!changed) return;
    const TensorView* left = held ? held->find("anneal") : nullptr;
    if (moves_.multipliers == Rates::annealed) {
      const auto bytes = std::as_bytes(std::span(&moves_.steps, 1));
      emit(rule, "anneal", r, i, DType::i64, Shape{}, {bytes.begin(), bytes.end()});
    } else if (left) {
      Output o = output(rule, "anneal", r, i);
      o.target.dtype = left->dtype;
      o.target.shape = left->shape;
      o.source = left;
      all_.emit(std::move(o));
    }
  }
  /// As AdamW of this library takes them; whether there are any.
  bool add_multipliers(const Recipe& r, bool added, std::size_t i) {
    auto multipliers = added ? Multipliers{} : read_multipliers(set_, r.source, r.stored());
    if (r.filling && multipliers.lr.size() > 1) multipliers.lr = {1.0};  // of columns that are no more
    const auto grown = grow_multipliers(r, multipliers);
    for (const auto& [entry, v] : {std::pair("lr", &grown.lr), std::pair("eps", &grown.eps)})
      if (*v != std::vector<double>{1.0})
        emit(rule_of(Optimizer::adamw), entry, r, i, DType::f64, Shape{std::int64_t(v->size())}, bytes_of_values(*v));
    return !grown.trivial();
  }
  /// As any other optimizer would have to; whether there are any.
  bool add_any(const OptimizerRule& rule, const HeldState::Entries* held, const Recipe& r, std::size_t i) {
    StepFactors old;
    const auto read = [&](std::string_view entry, Factor& f) {
      if (held) f = read_factor(set_, held->find(entry), r.stored());
      if (r.filling && f.columns.size() > 1) f.columns = {1.0};
    };
    read("lr", old.rate), read("eps", old.epsilon), read("decay", old.decay);
    const auto grown = step_factors(rule, r, old);
    const auto write = [&](std::string_view entry, const Factor& f) {
      if (!f.one())
        emit(rule, entry, r, i, DType::f64, Shape{std::int64_t(f.rows.size()), std::int64_t(f.columns.size())},
             bytes_of_values(values_of_factor(f)));
    };
    write("lr", grown.rate), write("eps", grown.epsilon), write("decay", grown.decay);
    return !grown.none();
  }
  void emit(const OptimizerRule& rule, std::string_view entry, const Recipe& r, std::size_t i, DType dtype,
            const Shape& shape, std::vector<std::byte> values) {
    Output o = output(rule, entry, r, i);
    o.target.dtype = dtype;
    o.target.shape = shape;
    o.kind = Output::Kind::values;
    o.values = std::move(values);
    all_.emit(std::move(o));
  }

  const Plan& plan_;
  const TensorSet& set_;
  HeldState held_;
  Collector all_;
  MoveState moves_;
  std::map<std::pair<Optimizer, std::string>, const TensorView*> any_;  // of each entry, to see what others have
};

}  // namespace detail

MODELGROW_INLINE std::vector<Output> optimizer_outputs(const Plan& plan, const TensorSet& set) {
  detail::StateMover all(plan, set);
  for (std::size_t i = 0; i < plan.schema().parameters.size(); ++i) all.add(i);
  return all.finish();
}

}  // namespace modelgrow::inline v0
