// SPDX-License-Identifier: MIT
// The third proof: the model before and after a growth run side by side on the same input, layer by layer, and the
// first activation that differs is named.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/grow/silent.hpp>

namespace modelgrow::inline v0 {

/// One activation of the grown model against what it must be.
struct ActivationDifference {
  std::string name, expected;  // names in the grown and in the old model
  double max_abs = 0, max_rel = 0;
};

/// What forward_check() found; `output` is the last entry.
struct ForwardCheck {
  std::vector<ActivationDifference> activations = {};
  ActivationDifference output = {};
  double tolerance = 0;

  bool passed() const { return first_divergence() == nullptr; }
  /// The first activation beyond the tolerance, or null.
  const ActivationDifference* first_divergence() const {
    for (const auto& a : activations)
      if (!(a.max_rel <= tolerance)) return &a;
    return output.max_rel <= tolerance ? nullptr : &output;
  }
  /// Throws check_error that names the first activation that differs.
  void require() const {
    if (const auto* a = first_divergence())
      throw check_error("forward check: '" + a->name + "' of the grown model differs from '" + a->expected +
                        "' of the old one by " + std::to_string(a->max_rel) + " of its largest value (" +
                        std::to_string(tolerance) +
                        " allowed); everything before it agrees, so look at the growth of " +
                        "the layers between; do not train this model");
  }
};

inline std::ostream& operator<<(std::ostream& os, const ForwardCheck& c) {
  os << "forward check: " << c.activations.size() << " activations, output differs by " << c.output.max_abs
     << " absolute, " << c.output.max_rel << " relative";
  if (const auto* a = c.first_divergence()) os << "; FIRST DIVERGENCE at " << a->name << " (" << a->max_rel << ")";
  return os;
}

namespace detail {

/// Which old block a block of the grown model comes from, and whether it was inserted (and so must be the identity).
struct BlockOrigin {
  std::string old_prefix;
  bool inserted = false;
};

inline std::map<std::string, BlockOrigin> block_origins(const Plan& plan) {
  std::map<std::string, BlockOrigin> origins;
  const auto prefix_in = [](const Schema& schema, const std::string& name) -> std::string {
    for (const auto& stack : schema.stacks)
      if (name.starts_with(stack.name + ".")) return name.substr(0, name.find('.', stack.name.size() + 1) + 1);
    return {};
  };
  for (const auto& recipe : plan.recipes()) {
    const std::string prefix = prefix_in(plan.schema(), recipe.name);
    if (prefix.empty() || recipe.source.empty()) continue;
    auto& origin = origins[prefix];
    origin.old_prefix = prefix_in(plan.source(), recipe.source);
    origin.inserted = origin.inserted || (recipe.closed && recipe.fresh);
  }
  return origins;
}

/// For channels of the grown model, the old channel they copy, or -1 for one that nothing writes yet; empty when the
/// width did not change.
inline std::vector<std::int64_t> channel_map(const Plan& plan, std::int64_t old_size, std::int64_t new_size) {
  if (old_size == new_size) return {};
  for (const auto& spec : plan.source().spaces) {
    const auto& space = spec.space;
    if (old_size % space.size != 0) continue;
    Axis axis = each(old_size / space.size * Extent(space));
    std::vector<std::int64_t> total(static_cast<std::size_t>(old_size));
    std::iota(total.begin(), total.end(), std::int64_t{0});
    for (const auto& step : plan.steps()) {
      const auto* remap = std::get_if<Remap>(&step.verb);
      if (!remap) continue;
      for (const auto& map : remap->maps) {
        if (map.space != space.name) continue;
        AxisMap now = lift(axis, map);
        const Axis before = axis;
        resize_space(axis, map.space, map.new_size());
        if (any_silent(map)) silence(now, Silencing{}, before, axis, true, map);
        std::vector<std::int64_t> next;
        for (std::size_t j = 0; j < now.from.size(); ++j)
          next.push_back(!now.fresh.empty() && now.fresh[j] ? -1 : total[std::size_t(now.from[j])]);
        total = std::move(next);
      }
    }
    if (std::int64_t(total.size()) == new_size) return total;
  }
  throw check_error("forward check: an activation grew from " + std::to_string(old_size) + " to " +
                    std::to_string(new_size) + " channels, which no space of the plan explains");
}

template <class T>
ActivationDifference difference(const Plan& plan, std::string name, const Tensor<T, Cpu>& grown, std::string expected,
                                const Tensor<T, Cpu>& old) {
  ActivationDifference d{.name = std::move(name), .expected = std::move(expected)};
  const std::int64_t c = old.dim(-1), c_grown = grown.dim(-1), rows = old.size() / c;
  if (grown.size() != rows * c_grown)
    throw check_error("forward check: '" + d.name + "' has shape " + to_string(grown.shape()) + ", '" + d.expected +
                      "' of the old model " + to_string(old.shape()));
  const auto from = channel_map(plan, c, c_grown);
  double largest = 0;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t j = 0; j < c_grown; ++j) {
      const double a = double(grown.data()[r * c_grown + j]);
      const std::int64_t i = from.empty() ? j : from[std::size_t(j)];
      const double b = i < 0 ? 0 : double(old.data()[r * c + i]);
      largest = std::max(largest, std::abs(b));
      d.max_abs = std::isfinite(a) ? std::max(d.max_abs, std::abs(a - b)) : INFINITY;
    }
  d.max_rel = largest > 0 ? d.max_abs / largest : d.max_abs;
  return d;
}

}  // namespace detail

/// Runs `before` and `after`, two models related by `plan`, through run(tape, model) -> Var with equal inputs.
/// An inserted block, and a layer the old model does not have, must leave the stream as it was. Accepts differences up
/// to `tolerance` of the largest value: 1e-12 suits double, 1e-5 float.
template <class T, Device D, class M, class Run>
ForwardCheck forward_check(const Plan& plan, M& before, M& after, Run&& run,
                           double tolerance = sizeof(T) == 8 ? 1e-12 : 1e-5) {
  using Named = std::vector<std::pair<std::string, Tensor<T, Cpu>>>;
  const auto trace = [&](M& model, Named& activations) {
    Tape<T, D> tape(Tape<T, D>::Mode::infer);
    tape.observer = [&](const std::string& name, const Tensor<T, D>& value) {
      activations.emplace_back(name, to_cpu(value));
    };
    return to_cpu(run(tape, model).value());
  };
  Named old_values, new_values;
  const Tensor<T, Cpu> old_output = trace(before, old_values), new_output = trace(after, new_values);
  std::map<std::string, const Tensor<T, Cpu>*> old_by_name;
  for (const auto& [name, value] : old_values) old_by_name[name] = &value;
  const auto origins = detail::block_origins(plan);

  ForwardCheck check{.tolerance = tolerance};
  std::string stream;  // the last old activation that the grown model has reached
  for (const auto& [name, value] : new_values) {
    std::string expected = name;
    for (const auto& [prefix, origin] : origins)
      if (name.starts_with(prefix))
        expected = origin.inserted ? stream : origin.old_prefix + name.substr(prefix.size());
    if (!old_by_name.contains(expected)) expected = stream;
    if (expected.empty()) continue;
    stream = expected;
    check.activations.push_back(detail::difference(plan, name, value, expected, *old_by_name.at(expected)));
  }
  check.output = detail::difference(plan, "output", new_output, "output", old_output);
  return check;
}

}  // namespace modelgrow::inline v0
