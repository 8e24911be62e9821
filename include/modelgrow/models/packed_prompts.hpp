// SPDX-License-Identifier: MIT
// Token ids of prompts one behind the other, so that no padding is computed, and results laid out with padding.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {

/// Prompt i has tokens [begins[i], begins[i + 1]) of ids.
struct PackedPrompts {
  std::vector<std::int32_t> ids;
  std::vector<std::int64_t> begins{0};

  PackedPrompts() = default;
  explicit PackedPrompts(std::span<const std::vector<std::int32_t>> prompts) {
    for (const auto& p : prompts) add(p);
  }
  /// The valid tokens of a padded batch [batch, length] whose mask is 1 where a token counts; padding may be on either
  /// side. Throws shape_error.
  PackedPrompts(std::span<const std::int32_t> padded, std::span<const std::int32_t> mask, std::int64_t length) {
    if (length <= 0 || padded.size() != mask.size() || padded.size() % std::size_t(length) != 0)
      throw shape_error("[PackedPrompts] there are " + std::to_string(padded.size()) + " ids and a mask of " +
                        std::to_string(mask.size()) + " for rows of " + std::to_string(length) +
                        "; expected equal numbers, in whole rows");
    for (std::size_t i = 0; i < padded.size(); ++i) {
      if (mask[i]) ids.push_back(padded[i]);
      if ((i + 1) % std::size_t(length) == 0) begins.push_back(std::int64_t(ids.size()));
    }
  }

  void add(std::span<const std::int32_t> prompt) {
    ids.insert(ids.end(), prompt.begin(), prompt.end());
    begins.push_back(std::int64_t(ids.size()));
  }
  std::int64_t count() const { return std::int64_t(begins.size()) - 1; }
  std::int64_t tokens() const { return begins.back(); }
  std::int64_t length(std::int64_t i) const { return begins[std::size_t(i + 1)] - begins[std::size_t(i)]; }
  std::int64_t longest() const {
    std::int64_t n = 0;
    for (std::int64_t i = 0; i < count(); ++i) n = std::max(n, length(i));
    return n;
  }
  std::vector<std::int32_t> lengths() const {
    std::vector<std::int32_t> n;
    for (std::int64_t i = 0; i < count(); ++i) n.push_back(std::int32_t(length(i)));
    return n;
  }

  /// Packed states [tokens, width] as [count, longest, width], zero behind the end of each prompt. Throws shape_error.
  template <class T>
  Tensor<T, Cpu> padded(const Tensor<T, Cpu>& states) const {
    if (states.shape().rank() != 2 || states.dim(0) != tokens())
      throw shape_error("[PackedPrompts] the states are " + to_string(states.shape()) + "; expected [" +
                        std::to_string(tokens()) + ", width]: those of these prompts");
    const std::int64_t n = longest(), width = states.dim(1);
    auto all = Tensor<T, Cpu>::zeros({count(), n, width});
    for (std::int64_t i = 0; i < count(); ++i)
      std::copy_n(states.data() + begins[std::size_t(i)] * width, length(i) * width, all.data() + i * n * width);
    return all;
  }
};

}  // namespace modelgrow::inline v0
