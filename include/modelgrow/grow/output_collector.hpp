// SPDX-License-Identifier: MIT
// What lists of outputs have in common: sources are checked, names are given once, the rest passes through.
#pragma once
#include <functional>
#include <set>

#include <modelgrow/grow/elements.hpp>
#include <modelgrow/grow/output.hpp>

namespace modelgrow::inline v0::detail {

/// A source of what this recipe makes, of this shape. Throws format_error.
inline void check_source(const TensorSet& set, const TensorView& t, const Recipe& r, const Shape& expected) {
  if (t.shape != expected)
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

inline std::vector<double> read_vector(const TensorSet& set, const TensorView& t, std::int64_t expected) {
  const std::int64_t n = numel(t.shape);
  if ((n != 1 && n != expected) || (t.dtype != DType::f32 && t.dtype != DType::f64))
    throw format_error(set.where() + ": tensor '" + t.name + "' has type " + std::string(name(t.dtype)) + " and " +
                       std::to_string(n) + " values; expected F32 or F64 and 1 or " + std::to_string(expected));
  std::vector<double> v;
  for (std::int64_t i = 0; i < n; ++i)
    v.push_back(t.dtype == DType::f32 ? stored<float>(t.data, i) : stored<double>(t.data, i));
  return v;
}

}  // namespace modelgrow::inline v0::detail
