// SPDX-License-Identifier: MIT
// From an experiment to runs: how many steps each arm takes, and where its segments begin and end.
#include <algorithm>
#include <cmath>
#include <map>

#include "experiment.hpp"

namespace growth {

namespace {

/// Operations of a step by what determines them.
class StepFlops {
 public:
  explicit StepFlops(const Experiment& e) : e_(e) {}
  double operator()(const Sizes& s, const Arm& arm) {
    const Training& t = arm.training;
    const std::string key = to_json(s).dump() + complete(arm.adapters).dump() + std::to_string(t.batch);
    if (const auto it = known_.find(key); it != known_.end()) return it->second;
    make_task(s);
    return known_[key] = expected_step_flops(s, arm.adapters, *world_, t, second_ ? &*second_ : nullptr);
  }
  /// Of all steps that learn how to grow, from these sizes.
  double learning(const Sizes& s, const GrowthPoint& g, const Arm& arm) {
    if (g.learning.steps == 0) return 0;
    const std::string key = to_json(s).dump() + g.recipe.dump() + std::to_string(arm.training.batch);
    make_task(s);
    if (!known_.contains(key))
      known_[key] = expected_learning_flops(s, g.recipe, *world_, arm.training, second_ ? &*second_ : nullptr);
    return double(g.learning.steps) * known_.at(key);
  }

 private:
  void make_task(const Sizes& s) {
    if (world_) return;
    world_ = make_world(e_.world, size_of(s.transformer), 1);
    if (!e_.states_file.empty()) second_.emplace(e_.states_file, *world_);
  }

  const Experiment& e_;
  std::unique_ptr<World> world_;
  std::optional<SecondText> second_;
  std::map<std::string, double> known_;
};

/// The sizes of an arm from a share of its steps on.
Sizes sizes_at(const Arm& arm, double share) {
  Sizes s = arm.sizes;
  for (const auto& g : arm.growth)
    if (g.at <= share) s = grown(s, g.recipe);
  return s;
}

/// Mean operations of a step over a whole run.
double mean_step_flops(const Arm& arm, StepFlops& flops) {
  double sum = 0;
  for (std::size_t i = 0; i <= arm.growth.size(); ++i) {
    const double from = i == 0 ? 0 : arm.growth[i - 1].at, to = i < arm.growth.size() ? arm.growth[i].at : 1;
    if (to > from) sum += (to - from) * flops(sizes_at(arm, from), arm);
  }
  return sum;
}

/// Operations of learning how to grow, over a whole run.
double learning_flops(const Arm& arm, StepFlops& flops) {
  double sum = 0;
  Sizes now = arm.sizes;
  for (const auto& g : arm.growth) {
    sum += flops.learning(now, g, arm);
    now = grown(now, g.recipe);
  }
  return sum;
}

std::int64_t steps_of(const Budget& b, const Arm& arm, StepFlops& flops) {
  if (b.steps > 0) return b.steps;
  return std::max<std::int64_t>(
      1, std::llround((b.tflop * 1e12 - learning_flops(arm, flops)) / mean_step_flops(arm, flops)));
}

/// Shares at which runs are cut: where arms grow, so that they share what comes before.
std::vector<double> cuts_of(const Experiment& e) {
  std::vector<double> cuts;
  for (const auto& arm : e.arms)
    for (const auto& g : arm.growth)
      if (g.at > 0) cuts.push_back(g.at);
  std::ranges::sort(cuts);
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  return cuts;
}

/// Appends the segments of an arm to a chain, which is empty or that of its base. After the last growth there is
/// nothing to share, and nothing is cut.
void append(std::vector<Link>& chain, const Arm& arm, Segment first, std::span<const double> cuts, const Experiment& e,
            StepFlops& flops) {
  const std::int64_t total = first.total;
  const auto step_at = [&](double share) { return std::llround(share * double(total)); };
  std::map<std::int64_t, const GrowthPoint*> begins{{0, nullptr}};
  for (const double cut : cuts)
    if (arm.growth.empty() || cut < arm.growth.back().at) begins.emplace(step_at(cut), nullptr);
  for (const auto& g : arm.growth) begins[step_at(g.at)] = &g;
  Sizes now = arm.sizes;
  Segment next = std::move(first);
  for (auto it = begins.begin(); it != begins.end(); ++it) {
    const auto after = std::next(it);
    next.from = it->first;
    next.to = after == begins.end() ? total : after->first;
    next.recipe = Json::array();
    next.mask_steps = 0;
    next.learning = {};
    double learning = 0;
    if (it->second) {
      next.recipe = it->second->recipe;
      next.mask_steps = it->second->mask_steps;
      next.learning = it->second->learning;
      learning = flops.learning(now, *it->second, arm);
      next.grown_after.push_back(it->first);
      now = grown(now, next.recipe);
    }
    if (mg::second_text(now.transformer.grafts)) {
      next.states = e.states;
      next.states_file = e.states_file;
      next.alone = arm.alone;
    }
    Link link{.segment = next.normalised(), .key = next.key()};
    link.flops = double(next.to - next.from) * flops(now, arm) + learning;
    next.begin = Segment::Begin::go_on;
    next.parent = link.key;
    next.model = Json::object();
    next.folder.clear();
    next.must_read = 0;
    chain.push_back(std::move(link));
  }
}

}  // namespace

std::vector<Run> lay_out(const Experiment& e, const std::string& device) {
  StepFlops flops(e);
  const auto cuts = cuts_of(e);
  std::int64_t common_steps = 0;
  for (const auto& arm : e.arms)
    if (arm.name == e.budget.of) common_steps = steps_of(e.budget, arm, flops);
  std::vector<Run> runs;
  std::map<std::uint64_t, Run> bases;
  for (const auto seed : e.seeds)
    for (std::size_t i = 0; i < e.arms.size(); ++i) {
      const Arm& arm = e.arms[i];
      Run run{.experiment = e.name,
              .arm = arm.name,
              .what = arm.what,
              .against = e.against,
              .place = std::int64_t(i),
              .seed = seed};
      Segment s{.device = device, .model = to_json(arm.sizes), .world = e.world, .measuring = e.measuring};
      if (e.base && e.base->folder.empty()) {
        const Arm& base = e.base->arm;
        s.model = to_json(base.sizes);
        s.training = base.training;
        s.seed = e.base->seed > 0 ? e.base->seed : seed;
        s.total = steps_of(e.base->budget, base, flops);
        append(run.chain, base, s, {}, e, flops);
        run.before = run.chain.size();
        bases.try_emplace(s.seed, Run{.experiment = e.name,
                                      .arm = base_name,
                                      .what = base.what,
                                      .against = e.against,
                                      .place = -1,
                                      .seed = s.seed,
                                      .chain = run.chain});
        s.begin = Segment::Begin::anew;
        s.model = Json::object();
        s.parent = run.chain.back().key;
        s.must_read = e.must_read;
      } else if (e.base) {
        s.begin = Segment::Begin::folder;
        s.model = e.base->content;
        s.folder = e.base->folder;
      }
      s.training = arm.training;
      s.adapters = arm.adapters;
      s.seed = e.base ? mg::stream_seed(seed, "after the base") : seed;
      s.total = common_steps > 0 ? common_steps : steps_of(e.budget, arm, flops);
      Arm seeded = arm;
      for (auto& g : seeded.growth) g.recipe = with_seed(g.recipe, seed);
      append(run.chain, seeded, s, cuts, e, flops);
      runs.push_back(std::move(run));
    }
  for (auto& [seed, run] : bases) runs.push_back(std::move(run));
  return runs;
}

}  // namespace growth
