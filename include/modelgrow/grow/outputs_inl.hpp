// SPDX-License-Identifier: MIT
// Definitions of outputs.hpp.
#pragma once
#include <cstring>
#include <set>

#include <modelgrow/grow/elements.hpp>
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE void check_source(const TensorSet& set, const TensorView& t, const Recipe& r) {
  if (const Shape expected = r.stored(); t.shape != expected)
    throw format_error(set.where() + ": tensor '" + t.name + "' has shape " + to_string(t.shape) +
                       "; the plan expects " + to_string(expected) + ": it was made for another model");
  if (!is_arithmetic_float(t.dtype) && (!r.touches.empty() || r.filling))
    throw format_error(set.where() + ": tensor '" + t.name + "' has type " + std::string(name(t.dtype)) +
                       " and one of its axes grows; only F64, F32, F16 and BF16 can grow: convert the tensor first");
}

/// The weight that a filled tensor is read by, among tensors with names as `named` makes them. Throws format_error.
template <class Named>
const TensorView* weight_of(const TensorSet& set, const Recipe& r, Named&& named) {
  if (!r.filling) return nullptr;
  const auto name = named(r.filling->weight);
  const auto* t = set.find(name);
  if (!t)
    throw format_error(set.where() + ": there is no tensor '" + name + "', through which '" + r.name +
                       "' is filled; keep both or neither");
  return t;
}

/// The tensor that gives a tensor some of its rows, among tensors with names as `named` makes them. Throws
/// format_error.
template <class Named>
const TensorView* donor_of(const TensorSet& set, const Recipe& r, const TensorView& source, Named&& named) {
  if (r.donor.empty()) return nullptr;
  const auto* t = set.find(named(r.donor));
  if (!t || t->shape != source.shape || t->dtype != source.dtype)
    throw format_error(set.where() + ": tensor '" + named(r.donor) + "', of which '" + r.name + "' takes rows, is " +
                       (t ? "of another type or shape than '" + source.name + "'" : "missing"));
  return t;
}

class Collector {
 public:
  explicit Collector(const TensorSet& set) : set_(set) {}
  std::vector<Output> outputs;

  void use(const TensorView& t) { used_.insert(t.name); }
  void emit(Output o) {
    if (!targets_.insert(o.target.name).second)
      throw plan_error(set_.where() + ": the tensor '" + o.target.name +
                       "' would be written twice: the file has a tensor of that name which the model does not know");
    outputs.push_back(std::move(o));
  }
  /// Tensors that nothing has used pass through under the name that `follow` gives them.
  void pass_through(const std::function<std::string(const std::string&)>& follow) {
    for (const auto& t : set_.tensors())
      if (!used_.contains(t.name))
        emit(Output{.target = NamedShape{.name = follow(t.name), .dtype = t.dtype, .shape = t.shape},
                    .source = &t,
                    .values = {}});
  }

 private:
  const TensorSet& set_;
  std::set<std::string_view> used_;
  std::set<std::string> targets_;
};

MODELGROW_INLINE std::vector<double> read_vector(const TensorSet& set, const TensorView& t, std::int64_t expected) {
  const std::int64_t n = numel(t.shape);
  if ((n != 1 && n != expected) || (t.dtype != DType::f32 && t.dtype != DType::f64))
    throw format_error(set.where() + ": tensor '" + t.name + "' has type " + std::string(name(t.dtype)) + " and " +
                       std::to_string(n) + " values; expected F32 or F64 and 1 or " + std::to_string(expected));
  std::vector<double> v;
  for (std::int64_t i = 0; i < n; ++i)
    v.push_back(t.dtype == DType::f32 ? stored<float>(t.data, i) : stored<double>(t.data, i));
  return v;
}

}  // namespace detail

MODELGROW_INLINE std::vector<Output> weight_outputs(const Plan& plan, const TensorSet& set, Absent absent) {
  detail::Collector all(set);
  bool buffers = absent == Absent::refuse;
  for (const auto& p : plan.source().parameters) {
    const auto* t = set.find(p.name);
    if (t) all.use(*t);
    buffers |= t && p.info.purpose == Purpose::buffer;
  }
  for (std::size_t i = 0; i < plan.schema().parameters.size(); ++i) {
    const Recipe r = plan.recipe(i);
    Output o{.target = NamedShape{.name = r.name, .dtype = r.dtype, .shape = r.shape},
             .kind = Output::Kind::recipe,
             .parameter = std::int64_t(i),
             .source = set.find(r.source),
             .values = {}};
    if (o.source) {
      detail::check_source(set, *o.source, r);
      o.target.dtype = o.source->dtype;
      o.weight = detail::weight_of(set, r, [](const std::string& name) { return name; });
      o.donor = detail::donor_of(set, r, *o.source, [](const std::string& name) { return name; });
    } else if (!r.source.empty()) {
      if (absent == Absent::leave_out) continue;
      std::vector<std::string_view> names;
      for (const auto& t : set.tensors()) names.push_back(t.name);
      throw format_error(set.where() + ": there is no tensor '" + r.source + "', which family '" +
                         plan.source().family + "' needs" + nearest_names(r.source, names));
    } else {
      if (r.purpose == Purpose::buffer && !buffers) continue;
      if (absent == Absent::leave_out) o.target.dtype = set.float_type(r.dtype);
    }
    all.emit(std::move(o));
  }
  all.pass_through([&](const std::string& name) { return plan.follow(name); });
  return std::move(all.outputs);
}

MODELGROW_INLINE Multipliers read_multipliers(const TensorSet& set, std::string_view parameter, const Shape& shape) {
  Multipliers m;
  const std::int64_t rows = shape.rank() > 0 ? shape[0] : 1, columns = rows > 0 ? numel(shape) / rows : 1;
  if (const auto* t = set.find(optimizer_name(OptimizerKind::lr, parameter)))
    m.lr = detail::read_vector(set, *t, columns);
  if (const auto* t = set.find(optimizer_name(OptimizerKind::eps, parameter)))
    m.eps = detail::read_vector(set, *t, rows);
  return m;
}

MODELGROW_INLINE std::vector<Output> optimizer_outputs(const Plan& plan, const TensorSet& set) {
  using Kind = OptimizerKind;
  detail::Collector all(set);
  const MoveState& moves = plan.moves_state();
  const bool zeroed = moves.moments == Moments::zeroed;
  const TensorView* any_step = nullptr;
  bool any_moment = false;
  for (const auto& p : plan.source().parameters)
    for (auto kind : {Kind::m, Kind::v, Kind::master, Kind::step, Kind::lr, Kind::eps, Kind::anneal})
      if (const auto* t = set.find(optimizer_name(kind, p.name))) {
        all.use(*t);
        any_moment |= kind == Kind::m || kind == Kind::v;
        if (kind == Kind::step) any_step = t;
      }
  for (std::size_t i = 0; i < plan.schema().parameters.size(); ++i) {
    const Recipe r = plan.recipe(i);
    const bool added = r.source.empty();
    const TensorView *weight = nullptr, *donor = nullptr;
    if (!is_trained(r.purpose) || (added && !any_moment)) continue;
    const auto emit = [&](Kind kind, Output::Kind how, const TensorView* t, DType dtype, const Shape& shape,
                          std::vector<std::byte> values = {}) {
      const Of of = kind == Kind::m ? Of::first_moment : kind == Kind::v ? Of::second_moment : Of::weights;
      all.emit(Output{.target = NamedShape{.name = optimizer_name(kind, r.name), .dtype = dtype, .shape = shape},
                      .kind = how,
                      .parameter = std::int64_t(i),
                      .of = of,
                      .source = t,
                      .weight = kind == Kind::master ? weight : nullptr,
                      .donor = kind == Kind::master ? donor : nullptr,
                      .values = std::move(values)});
    };
    bool has_state = false;
    for (auto kind : {Kind::m, Kind::v, Kind::master}) {
      const auto* t = added ? nullptr : set.find(optimizer_name(kind, r.source));
      if (t) detail::check_source(set, *t, r);
      if (t && kind == Kind::master) {
        const auto named = [](const std::string& name) { return optimizer_name(Kind::master, name); };
        weight = detail::weight_of(set, r, named);
        donor = detail::donor_of(set, r, *t, named);
      }
      if (t)
        emit(kind, zeroed && kind != Kind::master ? Output::Kind::zeros : Output::Kind::recipe, t, t->dtype, r.shape);
      else if (added && kind != Kind::master)
        emit(kind, Output::Kind::zeros, nullptr, set.float_type(DType::f32), r.shape);
      has_state |= t || added;
    }
    if (!has_state) continue;
    if (const auto* step = added ? any_step : set.find(optimizer_name(Kind::step, r.source)))
      emit(Kind::step, r.fresh || zeroed ? Output::Kind::zeros : Output::Kind::copied, step, step->dtype, step->shape);
    if (moves.multipliers == Rates::off) continue;
    auto multipliers = added ? Multipliers{} : read_multipliers(set, r.source, r.stored());
    if (r.filling && multipliers.lr.size() > 1) multipliers.lr = {1.0};  // of columns that are no more
    const auto grown = grow_multipliers(r, multipliers);
    const auto emit_values = [&](Kind kind, DType dtype, const Shape& shape, std::span<const std::byte> bytes) {
      emit(kind, Output::Kind::values, nullptr, dtype, shape, {bytes.begin(), bytes.end()});
    };
    for (auto kind : {Kind::lr, Kind::eps})
      if (const auto& v = kind == Kind::lr ? grown.lr : grown.eps; v != std::vector<double>{1.0})
        emit_values(kind, DType::f64, Shape{std::int64_t(v.size())}, std::as_bytes(std::span(v)));
    if (grown.trivial()) continue;
    if (moves.multipliers == Rates::annealed)
      emit_values(Kind::anneal, DType::i64, Shape{}, std::as_bytes(std::span(&moves.steps, 1)));
    else if (const auto* left = added ? nullptr : set.find(optimizer_name(Kind::anneal, r.source)))
      emit(Kind::anneal, Output::Kind::copied, left, left->dtype, left->shape);
  }
  all.pass_through([&](const std::string& name) {
    const auto parsed = parse_optimizer_name(name);
    return parsed ? optimizer_name(parsed->kind, plan.follow(parsed->parameter)) : name;
  });
  return std::move(all.outputs);
}

}  // namespace modelgrow::inline v0
