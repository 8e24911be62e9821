// SPDX-License-Identifier: MIT
// Definitions of trainer.hpp.
#pragma once
#include <modelgrow/detail/json.hpp>
#include <modelgrow/train/trainer.hpp>

namespace modelgrow::inline v0::detail {

MODELGROW_INLINE std::string text_of(const TrainerOptions& options) {
  const auto& s = options.schedule;
  const auto& a = options.adamw;
  json j{{"steps", options.steps}, {"micro_batches", options.micro_batches},
         {"lr", s.peak},           {"schedule", s.kind == Schedule::Kind::cosine ? "cosine" : "constant"},
         {"warmup", s.warmup},     {"betas", {a.beta1, a.beta2}},
         {"eps", a.eps},           {"weight_decay", a.weight_decay}};
  if (std::isfinite(a.clip_norm)) j["clip_norm"] = a.clip_norm;
  if (options.ema) j["ema_decay"] = options.ema->decay;
  return j.dump();
}

}  // namespace modelgrow::inline v0::detail
