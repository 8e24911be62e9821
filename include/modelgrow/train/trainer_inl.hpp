// SPDX-License-Identifier: MIT
// Definitions of trainer.hpp.
#pragma once
#include <modelgrow/detail/json.hpp>
#include <modelgrow/train/trainer.hpp>

namespace modelgrow::inline v0::detail {

MODELGROW_INLINE std::string text_of(const TrainerOptions& options) {
  const auto& s = options.schedule;
  const auto& a = options.adamw;
  constexpr const char *kinds[] = {"constant", "cosine", "stable_decay"}, *decays[] = {"linear", "cosine", "sqrt"},
                       *rewarms[] = {"none", "all", "added"};
  json j{{"steps", options.steps}, {"micro_batches", options.micro_batches},
         {"lr", s.peak},           {"schedule", kinds[int(s.kind)]},
         {"warmup", s.warmup},     {"betas", {a.beta1, a.beta2}},
         {"eps", a.eps},           {"weight_decay", a.weight_decay}};
  if (s.kind == Schedule::Kind::stable_decay) {
    j["decay"] = decays[int(s.decay)];
    j["decay_share"] = s.decay_share;
  }
  if (s.rewarm.of != Rewarm::Of::none)
    j["rewarm"] = {{"of", rewarms[int(s.rewarm.of)]}, {"steps", s.rewarm.steps}, {"after", s.rewarm.after}};
  if (std::isfinite(a.clip_norm)) j["clip_norm"] = a.clip_norm;
  if (options.ema) j["ema_decay"] = options.ema->decay;
  return j.dump();
}

}  // namespace modelgrow::inline v0::detail
