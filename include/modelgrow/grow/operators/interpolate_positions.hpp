// SPDX-License-Identifier: MIT
// InterpolatePositions: a table of learned or stored positions at another length, for longer clips or finer grids. Not
// exact: training goes on from it. Tables that a model computes follow its configuration by themselves.
// A grid that is stored flat is an axis of several spaces (frames*height*width), one of which grows at a time; linear
// along each in turn is bilinear, trilinear.
#pragma once
#include <array>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// Which points of the two tables lie on each other: the middles of their cells, or their first and last positions.
enum class Align { cells, ends };
constexpr auto words_of(Align) { return std::array<std::string_view, 2>{"cells", "ends"}; }

/// Linear between neighbours, behind allow_approximate. `cells` is what torch calls align_corners=False, `ends` True.
/// Of a table whose middle is cropped (SD3), `cells` gives a crop of k times the side what the crop itself would
/// become.
struct InterpolatePositions {
  static constexpr std::string_view name = "InterpolatePositions";
  static constexpr std::string_view summary = "a table of positions at another length (not exact)";
  std::string space = "frames";
  std::int64_t to = 0;
  Align align = Align::cells;

  static void describe(auto& self, auto& v) {
    v("space", self.space, "positions of a stored table: frames, height, width, or side of a square one");
    v("to", self.to, "new number of positions");
    v("align", self.align, "what lies on each other: the middles of cells, or the ends");
  }

  /// Throws plan_error for a space that numbers no positions of a stored table (and says what computes them), a size
  /// that it has already or that is none, and without allow_approximate.
  void apply(Plan& plan) const;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/interpolate_positions_inl.hpp>
#endif
