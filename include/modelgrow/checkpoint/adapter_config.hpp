// SPDX-License-Identifier: MIT
// What adapter_config.json of peft says about low-rank adapters, or the header of a file that diffusers wrote: ranks,
// alphas, and by patterns of names whose they are. Patterns mean what they mean in peft (utils/other.py,
// tuners_utils.py).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// An adapted layer behind a growth, and its name before.
struct MovedLayer {
  std::string before, name;
  std::int64_t rank = 0;
  double alpha = 0;
};

/// The LoraConfig of peft, as JSON text.
class LoraConfig {
 public:
  /// `prefix` stands before every key in a header ("transformer."). Throws format_error for text that is no JSON
  /// object, and for what is set there that is no plain LoRA, by its key and with what to do.
  LoraConfig(std::string text, std::string prefix, std::string where);

  const std::string& text() const { return text_; }
  /// Whether B A is scaled by alpha / sqrt(rank), not by alpha / rank.
  bool rslora() const { return rslora_; }
  /// The alpha of a layer. Throws format_error for patterns that are no regular expressions.
  double alpha_of(const std::string& layer) const { return value_of(alphas_, layer).value_or(alpha_); }
  /// The rank of a layer; nothing where it is not said. Throws format_error as alpha_of().
  std::optional<double> rank_of(const std::string& layer) const {
    const auto rank = value_of(ranks_, layer);
    return rank ? rank : rank_;
  }

  /// The same configuration for layers that have other names now: patterns become lists of names, block numbers move.
  /// `all` are the names of all layers of the grown model. Throws plan_error for a name that peft would also find at
  /// the end of another one.
  std::string text_for(const std::vector<MovedLayer>& layers, const std::vector<std::string>& all) const;

 private:
  using Patterns = std::vector<std::pair<std::string, double>>;
  std::optional<double> value_of(const Patterns& patterns, const std::string& layer) const;

  std::string text_, prefix_, where_;
  Patterns ranks_, alphas_;
  double alpha_ = 8;  // as peft has it where nothing is said
  std::optional<double> rank_;
  bool rslora_ = false;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/adapter_config_inl.hpp>
#endif
