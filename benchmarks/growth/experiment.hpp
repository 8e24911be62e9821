// SPDX-License-Identifier: MIT
// An experiment: a world, a model, and arms that train it in different ways for the same steps or the same compute,
// each from several seeds; read from JSON, which README.md explains, and laid out as runs, chains of segments.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "models.hpp"
#include "segment.hpp"

namespace growth {

/// How long: so many steps, or as many as so much compute buys; of the arm `of` for all, else of each for itself.
struct Budget {
  std::int64_t steps = 0;
  double tflop = 0;
  std::string of = {};

  static void describe(auto& self, auto& v) {
    v("steps", self.steps, "optimizer steps; or");
    v("tflop", self.tflop, "compute: as many steps as it buys");
    v("of", self.of, "the arm for which it buys steps that all arms take; empty: each its own");
  }
};

/// Growth in the course of a run, after a share `at` of its steps.
struct GrowthPoint {
  double at = 0;
  Json recipe = Json::array();
  std::int64_t mask_steps = 0;  // in which new blocks come in by and by (MSG); 0: at once
  Learning learning = {};
};

/// One way of training. A base is an arm without growth from which all others begin.
struct Arm {
  std::string name = {}, what = {};
  Sizes sizes = {};
  Training training = {};
  std::vector<GrowthPoint> growth = {};
  Adapters adapters = {};
  double alone = 0;  // share of captions that only the language model reads
};

/// The arm that a trained base is in results.
inline constexpr const char* base_name = "base";

/// What the arms begin with: a trained model, or a folder.
struct Base {
  Arm arm = {};
  Budget budget = {};
  std::uint64_t seed = 0;  // of the one base that all share; 0: each seed has its own
  std::string folder = {}, content = {};
};

struct Experiment {
  std::string name = {}, what = {}, against = {};
  WorldChoice world = {};
  Measuring measuring = {};
  Budget budget = {};
  std::string states = {}, states_file = {};  // of a language model: checksum and path
  double must_read = 0;  // of the base: rise of its loss, relatively, when words of a class are exchanged
  std::vector<std::uint64_t> seeds = {};
  std::optional<Base> base = {};
  std::vector<Arm> arms = {};
  std::vector<std::string> pictured = {};  // names of the arms in pictures; none: all
};

/// Throws format_error and option_error that name the key and the nearest ones that there are, plan_error for growth
/// that the model does not allow, io_error for files that are not there.
Experiment read_experiment(const std::filesystem::path& path);
/// `folder`: where relative paths begin.
Experiment experiment_from(const Json& j, const std::filesystem::path& folder, const std::string& where);

/// A segment of a run, and the operations that it is expected to take.
struct Link {
  Segment segment = {};
  std::string key = {};
  double flops = 0;
};

/// An arm with a seed; the first `before` links train its base.
struct Run {
  std::string experiment = {}, arm = {}, what = {}, against = {};
  std::int64_t place = 0;  // of the arm among the arms
  std::uint64_t seed = 0;
  std::size_t before = 0;
  std::vector<Link> chain = {};

  std::string label() const { return arm + ", seed " + std::to_string(seed); }
  /// That of its last segment, which stands for all of it.
  const std::string& key() const { return chain.back().key; }
};

/// All runs, seed by seed, so that an experiment that is stopped early has compared all arms; then the bases.
std::vector<Run> lay_out(const Experiment& e, const std::string& device);

}  // namespace growth
