// SPDX-License-Identifier: MIT
// Random variants of clips that keep their captions true: mirrored, shifted, begun at another frame of a loop. A pure
// function of (seed, position in the sequence of samples), as batches are.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/data/clip.hpp>

namespace modelgrow::inline v0 {

/// What may be done to a clip; by default nothing.
struct Augmentation {
  double mirror = 0;  // probability of swapping left and right; 0 where captions name sides
  int shift = 0;      // up to so many pixels in each direction, the border repeated
  double roll = 0;    // probability of beginning at a random frame; for clips that loop
  std::uint64_t seed = 0;

  bool none() const { return mirror == 0 && shift == 0 && roll == 0; }
};

/// Changes `clip` [C, T, H, W] in place as sample number `position` of the run. Throws shape_error unless the clip has
/// `channels` times the pixels of `size`, when the shift is negative or wider than the clip, and for chances beyond 0
/// to 1.
inline void augment(std::span<float> clip, int channels, ClipSize size, const Augmentation& how,
                    std::uint64_t position) {
  const auto [frames, height, width] = size;
  if (clip.size() != std::size_t(channels) * frames * height * width)
    throw shape_error("augment: a clip of " + std::to_string(clip.size()) + " values is not " +
                      std::to_string(channels) + " channels of " + std::to_string(frames) + " frames, " +
                      std::to_string(height) + "x" + std::to_string(width));
  if (how.shift < 0 || how.shift >= std::min(height, width))
    throw shape_error("augment: a shift of " + std::to_string(how.shift) + " pixels in a clip of " +
                      std::to_string(height) + "x" + std::to_string(width) + "; take 0 to " +
                      std::to_string(std::min(height, width) - 1));
  if (!(how.mirror >= 0 && how.mirror <= 1 && how.roll >= 0 && how.roll <= 1))
    throw shape_error("augment: mirror is " + std::to_string(how.mirror) + " and roll " + std::to_string(how.roll) +
                      "; both are probabilities, from 0 to 1");
  if (how.none()) return;
  const Rng rng(how.seed, hash_name("augment") ^ position);
  const bool mirrored = rng.uniform(0) < how.mirror;
  const auto offset = [&](std::uint64_t i) { return int(rng.below(i, 2 * std::uint64_t(how.shift) + 1)) - how.shift; };
  const int down = offset(1), right = offset(2);
  const int first = rng.uniform(3) < how.roll ? int(rng.below(4, std::uint64_t(frames))) : 0;

  const std::vector<float> from(clip.begin(), clip.end());
  std::vector<int> column(std::size_t(width), 0);
  for (int x = 0; x < width; ++x) {
    const int source = std::clamp(x - right, 0, width - 1);
    column[std::size_t(x)] = mirrored ? width - 1 - source : source;
  }
  auto to = clip.begin();
  for (int c = 0; c < channels; ++c)
    for (int t = 0; t < frames; ++t)
      for (int y = 0; y < height; ++y) {
        const int row = (c * frames + (t + first) % frames) * height + std::clamp(y - down, 0, height - 1);
        for (const int x : column) *to++ = from[std::size_t(row) * width + x];
      }
}

}  // namespace modelgrow::inline v0
