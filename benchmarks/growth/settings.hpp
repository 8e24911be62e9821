// SPDX-License-Identifier: MIT
// How a model is trained and how it is measured, as options of an experiment.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/detail/fields_json.hpp>
#include <modelgrow/train/schedule.hpp>

namespace growth {
namespace mg = modelgrow;
using Json = mg::detail::json;

/// Words for the enums of mg::Schedule, in their order.
enum class Course { constant, cosine, stable_decay };
constexpr auto words_of(Course) { return std::array<std::string_view, 3>{"constant", "cosine", "stable_decay"}; }
enum class Decay { linear, cosine, sqrt };
constexpr auto words_of(Decay) { return std::array<std::string_view, 3>{"linear", "cosine", "sqrt"}; }
enum class RewarmOf { none, all, added };
constexpr auto words_of(RewarmOf) { return std::array<std::string_view, 3>{"none", "all", "added"}; }

struct Training {
  std::int64_t batch = 8;
  double lr = 1e-3;
  Course schedule = Course::constant;
  std::int64_t warmup = 50;
  double floor = 0;
  Decay decay = Decay::linear;
  double decay_share = 0.2;
  RewarmOf rewarm = RewarmOf::none;
  std::int64_t rewarm_steps = 0;
  double weight_decay = 0.01, beta2 = 0.99, eps = 1e-10, clip_norm = 1, ema = 0.999;
  double caption_dropout = 0.1, noise_shift = 5;

  static void describe(auto& self, auto& v) {
    v("batch", self.batch, "clips a step");
    v("lr", self.lr, "learning rate after warm-up");
    v("schedule", self.schedule, "what it does after warm-up");
    v("warmup", self.warmup, "steps until then");
    v("floor", self.floor, "share of the rate that is left at the end");
    v("decay", self.decay, "how the rate of stable_decay falls");
    v("decay_share", self.decay_share, "share of the steps in which it does");
    v("rewarm", self.rewarm, "what warms up again after each growth");
    v("rewarm_steps", self.rewarm_steps, "and for how many steps");
    v("weight_decay", self.weight_decay, "decoupled weight decay of matrices");
    v("beta2", self.beta2, "memory of AdamW for squares");
    v("eps", self.eps, "epsilon of AdamW");
    v("clip_norm", self.clip_norm, "largest norm of the gradient");
    v("ema", self.ema, "decay of the averaged weights, which are measured");
    v("caption_dropout", self.caption_dropout, "share of captions that are left out");
    v("noise_shift", self.noise_shift, "how much noise levels lean towards noise");
  }

  /// Of a run of so many steps whose model grew after these.
  mg::Schedule rates(std::int64_t total, std::vector<std::int64_t> grown_after) const {
    return {.kind = mg::Schedule::Kind(schedule),
            .peak = lr,
            .warmup = warmup,
            .total = total,
            .floor = floor,
            .decay = mg::Schedule::Decay(decay),
            .decay_share = decay_share,
            .rewarm = {.of = mg::Rewarm::Of(rewarm), .steps = rewarm_steps, .after = std::move(grown_after)}};
  }
};

struct Measuring {
  std::int64_t every = 0, rounds = 2, prompts = 0, judge_every = 0, sample_steps = 12;
  double guidance = 1.5;

  static void describe(auto& self, auto& v) {
    v("every", self.every, "steps between validations; 0: twenty a run");
    v("rounds", self.rounds, "noise levels of each validation clip");
    v("prompts", self.prompts, "of each kind to sample and judge; 0: none");
    v("judge_every", self.judge_every, "steps between judgements; 0: at the end only");
    v("sample_steps", self.sample_steps, "Euler steps of a sample");
    v("guidance", self.guidance, "of classifier-free guidance");
  }
};

/// Low-rank adapters that are trained in place of the model; rank 0: none.
struct Adapters {
  std::int64_t rank = 0;
  double alpha = 8;
  std::string pattern = "transformer.blocks.*";

  static void describe(auto& self, auto& v) {
    v("rank", self.rank, "of the adapters; 0: none, the model is trained");
    v("alpha", self.alpha, "they count alpha / rank times");
    v("pattern", self.pattern, "names of the layers that get one");
  }
};

/// Learned growth (LiGO): how a model grows is learned before what has grown is trained; 0 steps: it is not.
struct Learning {
  std::int64_t steps = 0;
  double rate = 1e-3;

  static void describe(auto& self, auto& v) {
    v("steps", self.steps, "on the batches that training goes on with; 0: growth is as the recipe says");
    v("rate", self.rate, "learning rate of the coefficients");
  }
};

/// Every field, those by default too: what a run is remembered by must not follow a default that changes.
template <mg::Described O>
Json complete(const O& options) {
  mg::detail::FieldValues values;
  auto visit = [&](std::string_view key, const auto& value, std::string_view) {
    values.emplace_back(key, mg::detail::field_value(value));
  };
  O::describe(options, visit);
  return mg::detail::json_of(values);
}

}  // namespace growth
