// SPDX-License-Identifier: MIT
// Which digit is it: nearest neighbours among labelled digits, after centring by mass and taking out the slant (the
// classical deskewed k-NN baseline of MNIST). Nothing to train, nothing random.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/data/digits.hpp>
#include <modelgrow/data/moving_layers.hpp>

namespace modelgrow::inline v0 {

/// Classifies grey pictures of one digit, white on black, as large as `size` x `size` squares of the reference digits.
class DigitClassifier {
 public:
  /// Reference digits are resized to `size` pixels first. Throws shape_error when there are none.
  DigitClassifier(const Digits& reference, int size) : size_(size) {
    if (reference.count() == 0 || size < 4)
      throw shape_error("digit classifier: " + std::to_string(reference.count()) + " reference digits at " +
                        std::to_string(size) + " pixels; pass the bundled digits and 4 pixels or more");
    Clip digit = make_clip(1, reference.height, reference.width, 1);
    for (int i = 0; i < reference.count(); ++i) {
      const auto image = reference.image(i);
      std::copy(image.begin(), image.end(), digit.pixels.begin());
      const GreyImage sharp = grey_frames(resize(digit, {.height = size, .width = size}), 1)[0];
      for (const GreyImage& p : {sharp, shifted(shifted(sharp, 0.5, 0.5), -0.5, -0.5)}) {
        const Features f = features(p);
        features_.insert(features_.end(), f.begin(), f.end());
        labels_.push_back(reference.labels[i]);
      }
    }
  }

  /// Label 0..9 by a vote of the nearest 5, weighted by similarity.
  int classify(const GreyImage& picture) const {
    const auto f = features(picture);
    std::vector<std::pair<float, std::size_t>> nearest(labels_.size());
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      float dot = 0;
      const float* r = &features_[i * f.size()];
      for (std::size_t k = 0; k < f.size(); ++k) dot += f[k] * r[k];
      nearest[i] = {-dot, i};
    }
    const std::size_t voters = std::min<std::size_t>(5, nearest.size());
    std::partial_sort(nearest.begin(), nearest.begin() + voters, nearest.end());
    std::array<float, 10> votes{};
    for (std::size_t k = 0; k < voters; ++k) votes[labels_[nearest[k].second]] += 0.01f - nearest[k].first;
    return int(std::max_element(votes.begin(), votes.end()) - votes.begin());
  }

 private:
  static constexpr int grid_ = 16;
  using Features = std::array<float, grid_ * grid_>;

  /// Samples on a grid around the centre of mass, sheared upright, scaled to length 1.
  Features features(const GreyImage& p) const {
    double mass = 1e-9, x = 0, y = 0, xy = 0, yy = 1e-9;
    for (int r = 0; r < p.height; ++r)
      for (int c = 0; c < p.width; ++c) mass += p.at(r, c), x += c * p.at(r, c), y += r * p.at(r, c);
    x /= mass, y /= mass;
    for (int r = 0; r < p.height; ++r)
      for (int c = 0; c < p.width; ++c) xy += (c - x) * (r - y) * p.at(r, c), yy += (r - y) * (r - y) * p.at(r, c);
    const double shear = std::clamp(xy / yy, -1.0, 1.0), step = size_ * (22.0 / 28.0) / grid_;
    Features f;
    float square = 1e-9f;
    for (int r = 0; r < grid_; ++r)
      for (int c = 0; c < grid_; ++c) {
        const double dy = (r - (grid_ - 1) / 2.0) * step, dx = (c - (grid_ - 1) / 2.0) * step;
        const float v = p.sample(y + dy, x + dx + shear * dy);
        f[r * grid_ + c] = v;
        square += v * v;
      }
    for (float& v : f) v /= std::sqrt(square);
    return f;
  }

  int size_;
  std::vector<std::uint8_t> labels_;
  std::vector<float> features_;
};

}  // namespace modelgrow::inline v0
