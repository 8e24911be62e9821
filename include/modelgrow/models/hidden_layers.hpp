// SPDX-License-Identifier: MIT
// Which hidden states of a language model make up the text states, in transformers' numbering.
#pragma once
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// State 0 is the embedding, state i the output of layer i, the last one behind the final norm; -1 is the last, -2 the
/// one before. No indices means all states.
struct HiddenLayers {
  enum class Combine {
    each,             // every state by itself
    normalised_mean,  // the mean of the states, each token of each brought to mean 0 and variance 1 (arXiv 2506.08210)
  };
  std::vector<int> indices = {-1};
  Combine combine = Combine::each;

  static HiddenLayers last() { return {}; }
  static HiddenLayers mean_of_all() { return {.indices = {}, .combine = Combine::normalised_mean}; }
  bool operator==(const HiddenLayers&) const = default;

  /// Indices from 0 to depth. Throws shape_error for those a model of this depth does not have.
  std::vector<std::int64_t> resolve(std::int64_t depth) const {
    std::vector<std::int64_t> all;
    for (const std::int64_t i : indices) {
      if (i < -depth - 1 || i > depth)
        throw shape_error("[HiddenLayers] there is no hidden state " + std::to_string(i) + " in a model of " +
                          std::to_string(depth) + " layers; it has 0 to " + std::to_string(depth) + ", or -1 to " +
                          std::to_string(-depth - 1));
      all.push_back(i < 0 ? i + depth + 1 : i);
    }
    if (indices.empty())
      for (std::int64_t i = 0; i <= depth; ++i) all.push_back(i);
    return all;
  }
};

}  // namespace modelgrow::inline v0
