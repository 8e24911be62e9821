// SPDX-License-Identifier: MIT
// GrowHeadDim: wider heads. New channels of keys and values are zero, queries make up for the softmax, which is scaled
// by the number of channels, and gains of norms for the zeros. Where positions turn channels by frequencies that follow
// from their number, old channels go where the longer ladder has their frequency (growth-maths, 3.7).
#pragma once
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// New channels come behind the old ones of each head, or with rotary positions between them. Behind norms new channels
/// of queries and keys are both zero and stay so: they have no gradient; those of values learn.
struct GrowHeadDim {
  static constexpr std::string_view name = "GrowHeadDim";
  static constexpr std::string_view summary = "wider heads: channels that start at zero inside of each";
  std::string space = "head_dim";
  std::int64_t to = 0;

  static void describe(auto& self, auto& v) {
    v("space", self.space, "channels of a head");
    v("to", self.to, "new number of channels");
  }

  /// Throws plan_error for families whose heads cannot grow and keep the function, and for a size that adds none.
  void apply(Plan& plan) const;

 private:
  /// Frequency i of n becomes frequency k i of k n. Throws plan_error where a section does not grow by k.
  void spread(SpaceMap& map, const Rotary& rotary) const;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/grow_head_dim_inl.hpp>
#endif
