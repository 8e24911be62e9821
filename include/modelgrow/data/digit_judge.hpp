// SPDX-License-Identifier: MIT
// An automatic judge of moving-digit clips: which digits, which way, how fast. The velocity whose still layer keeps
// most light is the motion; the still layer is the digit, cleaned of all that moves otherwise.
#pragma once
#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/data/bouncing_digits.hpp>
#include <modelgrow/data/digit_classifier.hpp>
#include <modelgrow/data/moving_layers.hpp>

namespace modelgrow::inline v0 {

/// What the judge saw of one digit; no direction and speed when it stands still.
struct JudgedDigit {
  int label = 0;
  std::optional<Direction> direction;
  std::optional<Speed> speed;
};

/// Shares of a scene's digits that were recognised by label, by direction and by speed.
struct Agreement {
  double label = 0, direction = 0, speed = 0;
};

/// Compares what was seen with the truth, under the pairing of digits that gets most right. Throws shape_error when the
/// numbers of digits differ.
inline Agreement agreement(std::span<const JudgedDigit> seen, const DigitScene& truth) {
  const std::size_t n = truth.digits.size();
  if (seen.size() != n || n < 1 || n > 2)
    throw shape_error("agreement: " + std::to_string(seen.size()) + " digits seen, " + std::to_string(n) +
                      " in the scene; judge as many as the scene has (1 or 2)");
  Agreement best{.label = -1};
  for (std::size_t swap = 0; swap < n; ++swap) {
    Agreement now;
    for (std::size_t i = 0; i < n; ++i) {
      const auto& s = seen[i ^ swap];
      const auto& d = truth.digits[i];
      now.label += double(s.label == d.label) / double(n);
      now.direction += double(s.direction == d.direction) / double(n);
      now.speed += double(s.speed == d.speed) / double(n);
    }
    if (now.label + now.direction + now.speed > best.label + best.direction + best.speed) best = now;
  }
  return best;
}

/// Recognises digits and motion in clips of the geometry and speeds that the generator's options give.
class DigitJudge {
 public:
  /// `reference` are labelled digits, best others than those in the clips. Throws shape_error when there are none.
  DigitJudge(const Digits& reference, const BouncingDigitsOptions& options)
      : options_(options), classifier_(reference, options.digit_pixels()), motions_(1) {
    for (int d = 0; d < direction_count; ++d)
      for (const Speed speed : {Speed::slowly, Speed::quickly})
        for (const double pace : {0.7, 1.0, 1.3}) {  // clips made by a model keep speeds only roughly
          const auto [x, y] = unit_vector(Direction(d));
          const double step = pace * options.pixels_per_frame(speed);
          motions_.push_back(Motion{.velocity = {x * step, y * step}, .direction = Direction(d), .speed = speed});
        }
  }

  /// The `count` (1 or 2) digits of a clip. Throws shape_error when the clip does not have the frames, height and width
  /// of the options.
  std::vector<JudgedDigit> judge(const Clip& clip, int count) const {
    if (clip.frames != options_.frames || clip.height != options_.height || clip.width != options_.width)
      throw shape_error("digit judge: the clip has " + std::to_string(clip.frames) + " frames of " +
                        std::to_string(clip.height) + "x" + std::to_string(clip.width) + ", expected " +
                        std::to_string(options_.frames) + " of " + std::to_string(options_.height) + "x" +
                        std::to_string(options_.width) + "; resize it first");
    if (count < 1 || count > 2)
      throw shape_error("digit judge: asked for " + std::to_string(count) + " digits; it sees 1 or 2");
    // A bouncing digit keeps its direction for half the clip (BouncingDigits starts it so): look at that half only.
    const auto frames = grey_frames(clip, options_.edge == Edge::wrap ? clip.frames : clip.frames / 2 + 1);
    const Layer first = strongest(frames, {});
    if (count == 1) return {recognise(frames, *first.motion)};
    // With the first digit hidden the second is clear, with the second hidden the first is.
    const auto without_first = hide(frames, digit_only(first.still), first.motion->velocity);
    const Layer second = strongest(without_first, first.motion->direction);
    const auto without_second = hide(frames, digit_only(second.still), second.motion->velocity);
    return {recognise(without_second, *first.motion), recognise(without_first, *second.motion)};
  }

 private:
  struct Motion {
    Velocity velocity;
    std::optional<Direction> direction;
    std::optional<Speed> speed;
  };
  struct Layer {
    const Motion* motion = nullptr;
    GreyImage still;
  };

  /// The motion whose still layer has most energy; not `taken` (two digits of a scene differ in direction).
  Layer strongest(std::span<const GreyImage> frames, std::optional<Direction> taken) const {
    Layer best;
    double most = -1;
    for (const auto& motion : motions_) {
      if (taken && motion.direction == taken) continue;
      GreyImage still = still_layer(frames, motion.velocity);
      double energy = 0;
      for (float v : still.light) energy += double(v) * v;
      if (energy > most) {
        most = energy;
        best = Layer{.motion = &motion, .still = std::move(still)};
      }
    }
    return best;
  }
  /// The layer with all dark outside the digit's window.
  GreyImage digit_only(const GreyImage& still) const {
    const int size = options_.digit_pixels();
    const auto [top, left] = brightest_window(still, size);
    GreyImage digit{.height = still.height, .width = still.width, .light = std::vector<float>(still.light.size())};
    for (int y = 0; y < size; ++y)
      for (int x = 0; x < size; ++x) {
        const int row = (top + y) % still.height, column = (left + x) % still.width;
        digit.at(row, column) = still.at(row, column);
      }
    return digit;
  }
  JudgedDigit recognise(std::span<const GreyImage> frames, const Motion& motion) const {
    const int size = options_.digit_pixels();
    GreyImage still = still_layer(frames, motion.velocity, 1.0);
    std::vector<float> sorted = still.light;  // most of a still layer is ground: its median is the ground's level
    std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
    for (float& v : still.light) v = std::max(0.0f, v - sorted[sorted.size() / 2]);
    const auto [top, left] = brightest_window(still, size);
    GreyImage digit{.height = size, .width = size, .light = std::vector<float>(std::size_t(size) * size)};
    for (int y = 0; y < size; ++y)
      for (int x = 0; x < size; ++x) digit.at(y, x) = still.at((top + y) % still.height, (left + x) % still.width);
    return JudgedDigit{.label = classifier_.classify(digit), .direction = motion.direction, .speed = motion.speed};
  }

  BouncingDigitsOptions options_;
  DigitClassifier classifier_;
  std::vector<Motion> motions_;
};

}  // namespace modelgrow::inline v0
