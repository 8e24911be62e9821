// SPDX-License-Identifier: MIT
// Net2Wider (Chen et al. 2016, HyperCloning): more units in a space as copies of old ones whose consumers share the old
// weights, with zero-sum noise so that the copies can part; or with the rows of the next block (AKI of bert2BERT).
#pragma once
#include <array>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// Which old unit a new one copies. `automatic`: interleaved where every unit needs the same number of copies or tied
/// spaces grow along, else random.
enum class UnitMap { automatic, random, tiled, interleaved };
constexpr auto words_of(UnitMap) {
  return std::array<std::string_view, 4>{"automatic", "random", "tiled", "interleaved"};
}
/// How consumers divide a weight among c copies: 1/c each, or powers of two (1/2, 1/4, 1/4 for three).
enum class Splits { even, dyadic };
constexpr auto words_of(Splits) { return std::array<std::string_view, 2>{"even", "dyadic"}; }

/// Give exactly one of `to` and `times`.
struct Net2Wider {
  static constexpr std::string_view name = "Net2Wider";
  static constexpr std::string_view summary = "wider: copies of units whose consumers share the old weights";
  std::string space = {};
  std::int64_t to = 0;
  double noise_db = 0;
  std::uint64_t seed = 0;
  UnitMap map = UnitMap::automatic;
  Splits splits = Splits::even;
  double times = 0;
  NewRows rows = NewRows::own;

  static void describe(auto& self, auto& v) {
    v("space", self.space, "what to widen; spaces tied to it grow by the same factor");
    v("to", self.to, "new number of units");
    v("times", self.times, "or the factor");
    v("noise_db", self.noise_db, "signal-to-noise ratio of the splits, as 20; 0: none, and then copies never part");
    v("seed", self.seed, "of the random map and the noise");
    v("map", self.map, "which old unit a new one copies");
    v("splits", self.splits, "how copies share a weight: 1/c each, or powers of two");
    v("rows", self.rows, "what makes new units: copies, or, approximate, the same units of the next block");
  }

  /// Spaces that are tied to this one grow by the same factor. Throws plan_error for a size that the space cannot have.
  void apply(Plan& plan) const;

 private:
  /// The new size of a space of `from` units.
  std::int64_t wanted(std::int64_t from) const;
  static std::string nearest_multiples(std::int64_t from, std::int64_t to);
  void refuse(const SpaceSpec& asked, const SpaceSpec& uniform, std::int64_t to) const;

  /// Frequency j of a ladder is frequency j * times of the longer one; what reads the others starts at zero.
  static SpaceMap spread(const Space& s, std::int64_t times);
  SpaceMap widen(const Space& s, std::int64_t size, UnitMap kind) const;
  /// Share of copy k of c. Dyadic: with p the power of two below c, the last c - p shares of 1/p are halved.
  double split_of(std::int64_t k, std::int64_t c) const;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/net2wider_inl.hpp>
#endif
