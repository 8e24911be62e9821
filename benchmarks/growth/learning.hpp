// SPDX-License-Identifier: MIT
// What learning how to grow takes (LiGO): a step of it, run on the device that only counts.
#pragma once
#include <modelgrow/train/learned_growth.hpp>

#include "models.hpp"

namespace growth {

template <mg::Device D>
using LearnedGrowthOn = mg::LearnedGrowth<mg::Stdit<float, D>, float, D>;

/// Counts the steps of learned growth from one size to another. Throws plan_error for a plan that it cannot begin with.
class CountedLearning {
 public:
  CountedLearning(const Sizes& before, const Sizes& after, const mg::Plan& plan)
      : small_(before.transformer),
        grown_(model_of<mg::FlopCounter>(after)),
        growth_(plan, small_, grown_.transformer) {}
  CountedLearning(const CountedLearning&) = delete;
  CountedLearning& operator=(const CountedLearning&) = delete;

  /// The pass through the model, the way back to the coefficients, and the new weights.
  template <mg::Device D>
  double flops(const Task<D>& task, std::int64_t step) {
    const double before = mg::FlopCounter::counted();
    growth_.gradients([&](auto& tape) { return task.counted_loss(tape, grown_, step); });
    growth_.put_weights();
    return mg::FlopCounter::counted() - before;
  }

 private:
  mg::Stdit<float, mg::FlopCounter> small_;
  ModelOn<mg::FlopCounter> grown_;
  LearnedGrowthOn<mg::FlopCounter> growth_;
};

}  // namespace growth
