// SPDX-License-Identifier: MIT
// How one tensor of the grown model is made: a source tensor (or an initialisation), then one stage per remap that
// touched it, each an index map with factors for every axis.
#pragma once
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <modelgrow/core/names.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/grow/blocks.hpp>
#include <modelgrow/grow/verbs.hpp>

namespace modelgrow::inline v0 {

/// What is being grown: weights (and averages of them) follow one rule, gradients and moments the transposed one.
enum class Of { weights, gradients, first_moment, second_moment };

/// One remap that touched a tensor.
struct Touch {
  const Remap* remap = nullptr;  // of the plan
  std::string key;  // name of the tensor then; keys its noise, so that copies of a block made later share it
};

/// How one tensor of the grown model is made. Valid as long as the plan it came from.
struct Recipe {
  std::string name;
  DType dtype = DType::f32;  // of a fresh tensor; others keep the type they have in the file
  Shape shape;
  std::string source;  // empty: initialised
  Axes source_axes;    // before the first touch
  Init init;           // of an initialised tensor
  std::uint64_t seed = 0;
  std::string init_key;          // with `seed`, keys its random numbers
  bool closed = false;           // all zero
  std::vector<Rows> gates = {};  // rows that are zero, of weights
  bool fresh = false;            // gradients and moments start at zero, its step counter too
  Purpose purpose = Purpose::weight;
  std::vector<Touch> touches;

  /// Whether the tensor is zero, whatever its source holds.
  bool zeros(Of of) const {
    return closed || (of != Of::weights && fresh) || (source.empty() && init.kind == Init::Kind::zeros);
  }
  /// Whether the bytes of the source are the bytes of the target.
  bool copies_bytes(Of of) const { return !source.empty() && touches.empty() && !zeros(of) && gates.empty(); }
};

/// One remap as a tensor sees it.
struct Stage {
  std::vector<AxisMap> axes;  // one for each axis; an empty `from` leaves the axis alone
  Shape before;
  Noise noise;
};

namespace detail {

inline AxisMap identity_map(std::int64_t n) {
  AxisMap m{.from = std::vector<std::int64_t>(std::size_t(n)),
            .weight = std::vector<double>(std::size_t(n), 1.0),
            .gradient = std::vector<double>(std::size_t(n), 1.0)};
  std::iota(m.from.begin(), m.from.end(), std::int64_t{0});
  return m;
}

/// First `a`, then `b`; empty maps are identities.
inline AxisMap compose(const AxisMap& a, const AxisMap& b) {
  if (a.from.empty()) return b;
  if (b.from.empty()) return a;
  AxisMap r = b;
  for (std::size_t j = 0; j < r.from.size(); ++j) {
    const auto i = std::size_t(b.from[j]);
    r.from[j] = a.from[i];
    r.weight[j] *= a.weight[i];
    r.gradient[j] *= a.gradient[i];
  }
  return r;
}

/// Gives every factor of an axis that names the space its new size.
inline void resize_space(Axis& axis, std::string_view space, std::int64_t size) {
  for (auto& term : axis.extent.terms())
    for (auto& factor : term)
      if (factor.name == space) factor.size = size;
}

/// The stages of a tensor, in order.
inline std::vector<Stage> stages_of(const Recipe& recipe) {
  std::vector<Stage> stages;
  Axes axes = recipe.source_axes;
  for (const auto& touch : recipe.touches) {
    Stage& stage = stages.emplace_back(
        Stage{.axes = std::vector<AxisMap>(axes.size()), .before = shape_of(axes), .noise = touch.remap->noise});
    for (const auto& map : touch.remap->maps)
      for (std::size_t a = 0; a < axes.size(); ++a) {
        if (!axes[a].extent.mentions(map.space)) continue;
        stage.axes[a] = compose(stage.axes[a], lift(axes[a], map));
        resize_space(axes[a], map.space, map.new_size());
      }
  }
  return stages;
}

/// All stages of one axis as one map from the target to the source; `from` is empty for an untouched axis.
inline AxisMap total_map(const std::vector<Stage>& stages, std::size_t axis) {
  AxisMap total;
  for (const auto& stage : stages) total = compose(total, stage.axes[axis]);
  return total;
}

}  // namespace detail

/// "zeros", "copy of blocks.0.mlp.fc1.weight; ffn: copy axis 0", the way tables print a recipe.
inline std::string to_string(const Recipe& r) {
  if (r.zeros(Of::weights)) return "zeros";
  std::string text = r.name == r.source ? "kept" : "copy of " + r.source;
  if (r.source.empty()) {
    constexpr std::string_view kinds[] = {"zeros", "ones", "normal", "xavier"};
    text = kinds[static_cast<int>(r.init.kind)];
  }
  for (const auto& touch : r.touches)
    for (const auto& map : touch.remap->maps) {
      std::string verbs;
      bool split = false;
      for (std::size_t a = 0; a < r.source_axes.size(); ++a)
        if (r.source_axes[a].extent.mentions(map.space)) {
          const bool in_axis = r.source_axes[a].role == Role::in;
          split |= in_axis;
          verbs += std::string(in_axis ? " split" : " copy") + " axis " + std::to_string(a);
        }
      if (!verbs.empty())
        text += "; " + map.space + ":" + verbs + (split && touch.remap->noise.on() ? " with noise" : "");
    }
  if (!r.gates.empty()) text += "; gates are zero";
  return text;
}

}  // namespace modelgrow::inline v0
