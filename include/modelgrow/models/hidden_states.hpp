// SPDX-License-Identifier: MIT
// What every encoder of prompts does around its layers: prompts checked, cut into parts of bounded memory, and the
// chosen hidden states collected.
#pragma once
#include <algorithm>

#include <modelgrow/models/hidden_layers.hpp>
#include <modelgrow/models/packed_prompts.hpp>
#include <modelgrow/ops/normalise.hpp>

namespace modelgrow::inline v0 {

/// Consecutive prompts that are computed together: [first, first + ids.size()) of all tokens.
template <Device D>
struct PromptPart {
  std::int64_t first = 0, longest = 0;
  std::vector<std::int64_t> begins;        // of each prompt, and the end, counted from `first`
  Tensor<std::int32_t, D> ids, positions;  // positions count from the begin of each prompt
  std::int64_t tokens() const { return ids.size(); }
};

/// Calls f(PromptPart) for parts of at most `at_once` tokens (or one prompt, if it is longer).
template <Device D, class F>
void for_parts(const PackedPrompts& prompts, std::int64_t at_once, F f) {
  for (std::int64_t first = 0; first < prompts.count();) {
    PromptPart<D> part{
        .first = prompts.begins[std::size_t(first)], .longest = 0, .begins = {0}, .ids = {}, .positions = {}};
    std::vector<std::int32_t> positions;
    do {
      for (std::int64_t t = 0; t < prompts.length(first); ++t) positions.push_back(std::int32_t(t));
      part.longest = std::max(part.longest, prompts.length(first));
      part.begins.push_back(prompts.begins[std::size_t(++first)] - part.first);
    } while (first < prompts.count() && prompts.begins[std::size_t(first + 1)] - part.first <= at_once);
    const auto n = std::int64_t(positions.size());
    part.ids =
        Tensor<std::int32_t, D>::from({n}, std::span(prompts.ids).subspan(std::size_t(part.first), positions.size()));
    part.positions = Tensor<std::int32_t, D>::from({n}, positions);
    f(part);
  }
}

/// Throws shape_error "[who] .." for empty prompts, prompts longer than max_length, and ids outside the vocabulary.
inline void check_prompts(const PackedPrompts& prompts, const char* who, std::int64_t vocabulary,
                          std::int64_t max_length) {
  for (std::int64_t i = 0; i < prompts.count(); ++i)
    if (const auto n = prompts.length(i); n < 1 || n > max_length)
      throw shape_error("[" + std::string(who) + "] prompt " + std::to_string(i) + " has " + std::to_string(n) +
                        " tokens; expected 1 to " + std::to_string(max_length) + ": crop it");
  for (std::size_t i = 0; i < prompts.ids.size(); ++i)
    if (prompts.ids[i] < 0 || prompts.ids[i] >= vocabulary)
      throw shape_error("[" + std::string(who) + "] token " + std::to_string(i) + " has the id " +
                        std::to_string(prompts.ids[i]) + "; the model knows 0 to " + std::to_string(vocabulary - 1) +
                        ": use the tokenizer of this model");
}

/// The states that HiddenLayers asks for, gathered part by part: [tokens, width] each, or their mean alone.
template <Device D>
class HiddenStates {
 public:
  /// Throws shape_error for layers that a model of this depth lacks.
  HiddenStates(const HiddenLayers& layers, std::int64_t depth, std::int64_t tokens, std::int64_t width)
      : layers_(layers.resolve(depth)), mean_(layers.combine == HiddenLayers::Combine::normalised_mean) {
    for (std::size_t i = 0; i < (mean_ ? 1 : layers_.size()); ++i)
      results_.push_back(Tensor<float, D>::zeros({tokens, width}));
  }

  /// The last state that anybody asked for: later layers need not run.
  std::int64_t last() const { return *std::max_element(layers_.begin(), layers_.end()); }
  bool wants(std::int64_t i) const { return std::find(layers_.begin(), layers_.end(), i) != layers_.end(); }
  /// State i [n, width] of the tokens from `first` on.
  void keep(std::int64_t i, std::int64_t first, const Tensor<float, D>& state) {
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      if (layers_[k] != i) continue;
      const auto result = results_[mean_ ? 0 : k].view(first * state.dim(1), state.shape());
      if (mean_)
        add_normalised(state, 1.0 / double(layers_.size()), result);
      else
        D::copy(result.data(), state.data(), state.bytes());
    }
  }
  std::vector<Tensor<float, D>> take() { return std::move(results_); }

 private:
  std::vector<std::int64_t> layers_;
  bool mean_;
  std::vector<Tensor<float, D>> results_;
};

}  // namespace modelgrow::inline v0
