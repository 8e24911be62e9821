// SPDX-License-Identifier: MIT
// InterpolatePositions: a table of learned or stored positions at another length, for longer clips or finer grids. Not
// exact: training goes on from it. Tables that a model computes follow its configuration by themselves.
#pragma once
#include <array>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// Which points of the two tables lie on each other: the middles of their cells, or their first and last positions.
enum class Align { cells, ends };
constexpr auto words_of(Align) { return std::array<std::string_view, 2>{"cells", "ends"}; }

/// Linear between neighbours, behind allow_approximate.
struct InterpolatePositions {
  static constexpr std::string_view name = "InterpolatePositions";
  static constexpr std::string_view summary = "a table of positions at another length (not exact)";
  std::string space = "frames";
  std::int64_t to = 0;
  Align align = Align::cells;

  static void describe(auto& self, auto& v) {
    v("space", self.space, "positions of a stored table");
    v("to", self.to, "new number of positions");
    v("align", self.align, "what lies on each other: the middles of cells, or the ends");
  }

  /// Throws plan_error for a space that numbers no positions of a stored table, a size that it has already or that is
  /// none, and without allow_approximate.
  void apply(Plan& plan) const;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/interpolate_positions_inl.hpp>
#endif
