// SPDX-License-Identifier: MIT
// How a model is trained and how it is measured, as options of an experiment.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include <modelgrow/detail/fields_json.hpp>
#include <modelgrow/train/schedule.hpp>

namespace growth {
namespace mg = modelgrow;
using Json = mg::detail::json;

/// The course of the learning rate after warm-up.
enum class Course { constant, cosine };
constexpr auto words_of(Course) { return std::array<std::string_view, 2>{"constant", "cosine"}; }

struct Training {
  std::int64_t batch = 8;
  double lr = 1e-3;
  Course schedule = Course::constant;
  std::int64_t warmup = 50;
  double floor = 0;
  double weight_decay = 0.01, beta2 = 0.99, eps = 1e-10, clip_norm = 1, ema = 0.999;
  double caption_dropout = 0.1, noise_shift = 5;

  static void describe(auto& self, auto& v) {
    v("batch", self.batch, "clips a step");
    v("lr", self.lr, "learning rate after warm-up");
    v("schedule", self.schedule, "what it does after warm-up");
    v("warmup", self.warmup, "steps until then");
    v("floor", self.floor, "share of the rate that is left at the end");
    v("weight_decay", self.weight_decay, "decoupled weight decay of matrices");
    v("beta2", self.beta2, "memory of AdamW for squares");
    v("eps", self.eps, "epsilon of AdamW");
    v("clip_norm", self.clip_norm, "largest norm of the gradient");
    v("ema", self.ema, "decay of the averaged weights, which are measured");
    v("caption_dropout", self.caption_dropout, "share of captions that are left out");
    v("noise_shift", self.noise_shift, "how much noise levels lean towards noise");
  }

  mg::Schedule rates(std::int64_t total) const {
    return {.kind = schedule == Course::cosine ? mg::Schedule::Kind::cosine : mg::Schedule::Kind::constant,
            .peak = lr,
            .warmup = warmup,
            .total = total,
            .floor = floor};
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
