// SPDX-License-Identifier: MIT
// GrowHeadDim: wider heads. New channels of keys and values are zero, queries make up for the softmax, which is scaled
// by the number of channels, and gains of per-head norms for the zeros. Exact where new channels stand behind what
// positions turn.
#pragma once
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// New channels come behind the old ones of each head. Behind per-head norms new channels of queries and keys are both
/// zero and stay so: they have no gradient; those of values learn.
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
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/grow_head_dim_inl.hpp>
#endif
