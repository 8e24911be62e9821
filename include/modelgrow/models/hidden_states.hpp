// SPDX-License-Identifier: MIT
// What every encoder of prompts does around its layers: prompts checked, cut into parts of bounded memory, and the
// chosen hidden states collected.
#pragma once
#include <algorithm>

#include <modelgrow/models/hidden_layers.hpp>
#include <modelgrow/models/packed_prompts.hpp>
#include <modelgrow/ops/add_to.hpp>
#include <modelgrow/ops/normalise.hpp>

namespace modelgrow::inline v0 {

/// Prompts that are computed together, each token once. With a prefix, its tokens come first, as a sequence of their
/// own, and each prompt has only the tokens behind it.
template <Device D>
struct PromptPart {
  std::int64_t prefix = 0, longest = 0;              // tokens of the prefix, and of the longest prompt with its prefix
  std::vector<std::int64_t> begins{0};               // of each sequence, and the end
  Tensor<std::int32_t, D> ids = {}, positions = {};  // positions count from the begin of the whole prompt
  struct Run {
    std::int64_t from, to, tokens;
  };
  std::vector<Run> runs = {};  // tokens of this part and where they are in all prompts
  std::int64_t tokens() const { return ids.size(); }
};

/// Whether a token's state depends only on what stands before it, so that prompts may share the states of their common
/// beginning.
enum class CommonPrefix { share, compute };

/// Length of what all prompts begin with; 0 for one prompt.
inline std::int64_t common_prefix(const PackedPrompts& prompts) {
  if (prompts.count() < 2) return 0;
  std::int64_t n = prompts.length(0);
  for (std::int64_t i = 1; i < prompts.count(); ++i) {
    const std::int32_t* first = prompts.ids.data();
    const std::int32_t* other = first + prompts.begins[std::size_t(i)];
    n = std::mismatch(first, first + std::min(n, prompts.length(i)), other).first - first;
  }
  return n;
}

/// Calls f(PromptPart) for parts of at most `at_once` tokens (or one prompt, if it is longer).
template <Device D, class F>
void for_parts(const PackedPrompts& prompts, CommonPrefix common, std::int64_t at_once, F f) {
  const std::int64_t prefix = common == CommonPrefix::share ? common_prefix(prompts) : 0;
  for (std::int64_t i = 0; i < prompts.count();) {
    PromptPart<D> part{.prefix = prefix};
    std::vector<std::int32_t> ids, positions;
    const auto add = [&](std::int64_t first, std::int64_t tokens, std::int64_t position) {
      const auto begin = prompts.ids.begin() + first;
      ids.insert(ids.end(), begin, begin + tokens);
      for (std::int64_t t = 0; t < tokens; ++t) positions.push_back(std::int32_t(position + t));
      part.begins.push_back(std::int64_t(ids.size()));
    };
    if (prefix > 0) add(0, prefix, 0);
    do {
      const std::int64_t first = prompts.begins[std::size_t(i)], own = prompts.length(i) - prefix;
      if (prefix > 0) part.runs.push_back({0, first, prefix});
      part.runs.push_back({std::int64_t(ids.size()), first + prefix, own});
      add(first + prefix, own, prefix);
      part.longest = std::max(part.longest, prompts.length(i));
      ++i;
    } while (i < prompts.count() && std::int64_t(ids.size()) + prompts.length(i) - prefix <= at_once);
    const auto n = std::int64_t(ids.size());
    part.ids = Tensor<std::int32_t, D>::from({n}, ids);
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
  /// State i [n, width] of the tokens of a part.
  void keep(std::int64_t i, const PromptPart<D>& part, const Tensor<float, D>& state) {
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      if (layers_[k] != i) continue;
      Tensor<float, D> normalised = state;
      if (mean_) {
        normalised = Tensor<float, D>(state.shape());
        normalise(state, {}, {}, 1e-5, normalised);
      }
      for (const auto& run : part.runs) {
        const std::int64_t width = state.dim(1);
        const auto from = normalised.view(run.from * width, {run.tokens, width});
        const auto to = results_[mean_ ? 0 : k].view(run.to * width, {run.tokens, width});
        if (mean_)
          add_to(to, from, 1.0 / double(layers_.size()));
        else
          D::copy(to.data(), from.data(), from.bytes());
      }
    }
  }
  std::vector<Tensor<float, D>> take() { return std::move(results_); }

 private:
  std::vector<std::int64_t> layers_;
  bool mean_;
  std::vector<Tensor<float, D>> results_;
};

}  // namespace modelgrow::inline v0
