// SPDX-License-Identifier: MIT
// Names of optimizer state in a file: "<optimizer>.<entry>.<parameter>".
#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace modelgrow::inline v0 {

/// Optimizers whose state can be moved; grow/optimizers/ has a rule for each. `muon` has the rates of adjust_lr_fn
/// "original", `muon_rms` those of "match_rms_adamw".
enum class Optimizer {
  adamw,
  adam,
  nadam,
  radam,
  adamax,
  rmsprop,
  adagrad,
  adadelta,
  lion,
  sgd,
  adafactor,
  came,
  muon,
  muon_rms,
  schedule_free,
  prodigy
};
constexpr auto words_of(Optimizer) {
  return std::array<std::string_view, 16>{"adamw",   "adam",     "nadam",         "radam",  "adamax",    "rmsprop",
                                          "adagrad", "adadelta", "lion",          "sgd",    "adafactor", "came",
                                          "muon",    "muon_rms", "schedule_free", "prodigy"};
}
constexpr std::string_view name(Optimizer o) { return words_of(o)[static_cast<std::size_t>(o)]; }

/// A name of an optimizer file, taken apart: the entry is "m", "momentum_buffer", ..
struct StateName {
  Optimizer optimizer;
  std::string entry, parameter;
};
inline std::string state_name(Optimizer optimizer, std::string_view entry, std::string_view parameter) {
  return std::string(name(optimizer)).append(".").append(entry).append(".").append(parameter);
}

namespace detail {
/// The length of "<optimizer>.<entry>." at the begin of a name; 0 where it begins otherwise.
inline std::size_t state_prefix(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == text.npos) return 0;
  for (const auto word : words_of(Optimizer{}))
    if (text.substr(0, dot) == word) {
      const auto end = text.find('.', dot + 1);
      return end == text.npos || end == dot + 1 || end + 1 == text.size() ? 0 : end + 1;
    }
  return 0;
}
}  // namespace detail

/// Nothing for a name of another form.
inline std::optional<StateName> parse_state_name(std::string_view text) {
  const std::size_t prefix = detail::state_prefix(text);
  if (prefix == 0) return std::nullopt;
  const std::size_t dot = text.find('.');
  std::size_t optimizer = 0;
  while (text.substr(0, dot) != words_of(Optimizer{})[optimizer]) ++optimizer;
  return StateName{.optimizer = static_cast<Optimizer>(optimizer),
                   .entry = std::string(text.substr(dot + 1, prefix - dot - 2)),
                   .parameter = std::string(text.substr(prefix))};
}

/// What AdamW of this library holds for one parameter; `master` are the weights in full precision, `anneal` the steps
/// after which the multipliers `lr` and `eps` are 1.
enum class OptimizerKind { m, v, master, step, lr, eps, anneal };
constexpr auto words_of(OptimizerKind) {
  return std::array<std::string_view, 7>{"m", "v", "master", "step", "lr", "eps", "anneal"};
}

/// A name of state of AdamW, taken apart.
struct OptimizerName {
  OptimizerKind kind;
  std::string parameter;
};
inline std::string optimizer_name(OptimizerKind kind, std::string_view parameter) {
  return state_name(Optimizer::adamw, words_of(kind)[static_cast<std::size_t>(kind)], parameter);
}
/// Nothing for a name of another form.
inline std::optional<OptimizerName> parse_optimizer_name(std::string_view text) {
  const auto parsed = parse_state_name(text);
  if (!parsed || parsed->optimizer != Optimizer::adamw) return std::nullopt;
  for (std::size_t k = 0; k < words_of(OptimizerKind{}).size(); ++k)
    if (parsed->entry == words_of(OptimizerKind{})[k])
      return OptimizerName{.kind = static_cast<OptimizerKind>(k), .parameter = parsed->parameter};
  return std::nullopt;
}

}  // namespace modelgrow::inline v0
