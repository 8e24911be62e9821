// SPDX-License-Identifier: MIT
// Handwritten digits: small grey images, white on black, with their labels.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// Images [N, H, W] and labels 0..9 [N].
struct Digits {
  int height = 0, width = 0;
  std::vector<std::uint8_t> pixels, labels;

  int count() const { return int(labels.size()); }
  std::span<const std::uint8_t> image(int i) const {
    const std::size_t size = std::size_t(height) * width;
    return std::span(pixels).subspan(i * size, size);
  }
  /// Images first .. first + count - 1, for keeping a judge's digits apart from those it judges. Throws shape_error.
  Digits slice(int first, int size) const {
    if (first < 0 || size < 0 || first > count() - size)
      throw shape_error("digits " + std::to_string(first) + ".." + std::to_string(first + size) + " of " +
                        std::to_string(count()) + ": choose a range inside");
    const std::size_t area = std::size_t(height) * width;
    return Digits{.height = height,
                  .width = width,
                  .pixels = {pixels.begin() + first * area, pixels.begin() + (first + size) * area},
                  .labels = {labels.begin() + first, labels.begin() + first + size}};
  }
};

}  // namespace modelgrow::inline v0
