// SPDX-License-Identifier: MIT
// Text states of captions: one behind the other as they are computed and stored, and padded as a video model takes
// them.
#pragma once
#include <span>
#include <vector>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/core/tensor.hpp>
#include <modelgrow/text/prompt_manifest.hpp>
#include <modelgrow/text/tokenizer.hpp>

namespace modelgrow::inline v0 {

/// What TextStates of a video model are made of: states [captions, length, width] and how many of each caption are
/// attended to.
template <Element T>
struct PaddedStates {
  Tensor<T, Cpu> states;
  Tensor<std::int32_t, Cpu> lengths;

  /// Zeros for captions of these numbers of states: as long as the longest, and all valid lengths; or, where padding is
  /// attended to, all max_length.
  PaddedStates(std::span<const std::int64_t> states_of, std::int64_t width, const PromptManifest& manifest)
      : lengths({std::int64_t(states_of.size())}) {
    const bool attended = manifest.padding == PromptManifest::Padding::attended;
    std::int64_t longest = attended ? manifest.max_length : 0;
    for (std::size_t i = 0; i < states_of.size(); ++i) {
      longest = std::max(longest, states_of[i]);
      lengths.data()[i] = std::int32_t(attended ? manifest.max_length : states_of[i]);
    }
    states = Tensor<T, Cpu>::zeros({std::int64_t(states_of.size()), longest, width});
  }
  /// Fills in the states of caption i, `count` rows of the width stored as `dtype`.
  void set(std::size_t i, DType dtype, const std::byte* rows, std::int64_t count) {
    const std::int64_t width = states.dim(2);
    convert(dtype, rows, dtype_of<T>,
            reinterpret_cast<std::byte*>(states.data() + std::int64_t(i) * states.dim(1) * width), count * width);
  }
};

/// Caption i has rows [begins[i], begins[i + 1]) of states [tokens, width]. Where spans are known there is one a row:
/// the bytes of its caption that the state stands for, empty for marks such as [CLS] and words of a template.
struct CaptionStates {
  Tensor<float, Cpu> states;
  std::vector<std::int64_t> begins{0};
  std::vector<TextSpan> spans = {};

  std::int64_t count() const { return std::int64_t(begins.size()) - 1; }
  std::int64_t length(std::int64_t i) const { return begins[std::size_t(i + 1)] - begins[std::size_t(i)]; }
  std::span<const float> caption(std::int64_t i) const {
    const std::int64_t width = states.dim(1);
    return {states.data() + begins[std::size_t(i)] * width, std::size_t(length(i) * width)};
  }

  /// As a video model takes them.
  template <Element T = float>
  PaddedStates<T> padded(const PromptManifest& manifest) const {
    std::vector<std::int64_t> lengths;
    for (std::int64_t i = 0; i < count(); ++i) lengths.push_back(length(i));
    PaddedStates<T> all(lengths, states.dim(1), manifest);
    for (std::int64_t i = 0; i < count(); ++i)
      all.set(std::size_t(i), DType::f32, std::as_bytes(caption(i)).data(), length(i));
    return all;
  }
};

}  // namespace modelgrow::inline v0
