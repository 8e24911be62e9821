// SPDX-License-Identifier: MIT
// How one tensor of the grown model is made: a source tensor (or an initialisation), then one stage per remap that
// touched it, each an index map with factors for every axis.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <modelgrow/core/names.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/grow/blocks.hpp>
#include <modelgrow/grow/verbs.hpp>

namespace modelgrow::inline v0 {

/// What is being grown: weights (and averages of them) follow one rule, gradients and moments the transposed one.
/// Updates are steps that the size of the gradient has been taken out of: copies have the same ones.
enum class Of { weights, gradients, first_moment, second_moment, updates };

/// One remap that touched a tensor.
struct Touch {
  const Remap* remap = nullptr;  // of the plan
  std::string key;  // name of the tensor then; keys its noise, so that copies of a block made later share it
};

/// What a fill makes of a source, before anything else is done to it (grow/fill.hpp). Fixed axes change only, so that
/// fills and remaps do not get in each other's way.
struct Filling {
  enum class Part { weight, bias, states } part = Part::weight;
  std::string weight;  // name of the source of the weight that reads
  std::shared_ptr<const AffineMap> map;
  Shape stored;  // of the source
};

/// How one tensor of the grown model is made. Valid as long as the plan it came from.
struct Recipe {
  std::string name;
  DType dtype = DType::f32;  // of a fresh tensor; others keep the type they have in the file
  Shape shape;
  std::string source;  // empty: initialised
  Axes source_axes;    // before the first touch, filled
  std::optional<Filling> filling = {};
  Init init;  // of an initialised tensor
  std::uint64_t seed = 0;
  std::string init_key;          // with `seed`, keys its random numbers
  bool closed = false;           // all zero
  std::vector<Rows> gates = {};  // rows that are zero, of weights
  bool fresh = false;            // gradients and moments start at zero, its step counter too
  Purpose purpose = Purpose::weight;
  Silencing silencing = {};
  std::vector<Touch> touches;
  double share = 1;  // of the gradient that its source had: of an expert
  Moments moments = Moments::carried;
  std::string donor = {};  // another source of its shape, of these rows of the target
  std::vector<Rows> donated = {};

  /// Whether the tensor is zero, whatever its source holds.
  bool zeros(Of of) const;
  /// Whether the bytes of the source are the bytes of the target.
  bool copies_bytes(Of of) const {
    return !source.empty() && touches.empty() && !zeros(of) && gates.empty() && !filling &&
           (share == 1 || of == Of::weights);
  }
  /// The shape of the source.
  Shape stored() const { return filling ? filling->stored : shape_of(source_axes); }
};

/// One remap as a tensor sees it.
struct Stage {
  std::vector<AxisMap> axes;  // one for each axis; an empty `from` leaves the axis alone
  Shape before;
  Noise noise;
};

namespace detail {

AxisMap identity_map(std::int64_t n);

/// First `a`, then `b`; empty maps are identities.
AxisMap compose(const AxisMap& a, const AxisMap& b);

/// Gives every factor of an axis that names the space its new size.
void resize_space(Axis& axis, std::string_view space, std::int64_t size);

/// The stages of a tensor, in order.
std::vector<Stage> stages_of(const Recipe& recipe);

/// Makes every copy of an old index but the first count as new, as what belongs to silent units does.
void mark_copies(AxisMap& total);

/// All stages of one axis as one map from the target to the source; `from` is empty for an untouched axis.
AxisMap total_map(const std::vector<Stage>& stages, std::size_t axis);

}  // namespace detail

/// How the mean over one axis is made of the mean before, where the tensor itself is made by this recipe and is no
/// weight: the axis has size 1, and the root of the mean of the squared factors of the gradient goes into the share.
Recipe mean_over(Recipe recipe, std::size_t axis);

/// "zeros", "copy of blocks.0.mlp.fc1.weight; ffn: copy axis 0", the way tables print a recipe.
std::string to_string(const Recipe& r);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/recipe_inl.hpp>
#endif
