// SPDX-License-Identifier: MIT
// Captioned moving digits: one or two handwritten digits, each moving in a named direction at a named speed. Unlimited
// clips, each a pure function of (seed, index), with captions that are exactly true: an objective test of text
// alignment.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/data/digits.hpp>

namespace modelgrow::inline v0 {

enum class Direction { up, down, left, right, up_left, up_right, down_left, down_right };
enum class Speed { slowly, quickly };
/// What a digit does at the edge: come in again on the other side, or turn back.
enum class Edge { wrap, bounce };

inline constexpr int direction_count = 8;

constexpr std::string_view name_of(Direction d) {
  constexpr std::array<std::string_view, direction_count> names{
      "up", "down", "left", "right", "up and left", "up and right", "down and left", "down and right"};
  return names[std::size_t(d)];
}
constexpr std::string_view name_of(Speed s) { return s == Speed::slowly ? "slowly" : "quickly"; }

/// Unit vector (x to the right, y down) of a direction.
inline std::pair<double, double> unit_vector(Direction d) {
  constexpr int dx[] = {0, 0, -1, 1, -1, 1, -1, 1}, dy[] = {-1, 1, 0, 0, -1, -1, 1, 1};
  const int x = dx[int(d)], y = dy[int(d)];
  const double norm = std::sqrt(double(x * x + y * y));
  return {x / norm, y / norm};
}

/// What the clips look like. Speeds are frame heights travelled in one clip, so a caption means the same at any size.
struct BouncingDigitsOptions {
  int frames = 16, height = 64, width = 64, channels = 1;
  int min_digits = 1, max_digits = 1;
  int digit_size = 0;  ///< pixels; 0 is 7/16 of the height, the canonical 28 of 64
  Edge edge = Edge::wrap;
  double slow = 0.25, quick = 0.75;
  std::uint64_t seed = 0;

  int digit_pixels() const { return digit_size ? digit_size : height * 7 / 16; }
  /// Pixels a frame.
  double pixels_per_frame(Speed s) const { return (s == Speed::slowly ? slow : quick) * height / frames; }
};

/// One digit of a scene: which image, where its top left corner starts (pixels), how it moves.
struct MovingDigit {
  int label = 0, image = 0;
  Direction direction = Direction::up;
  Speed speed = Speed::slowly;
  double x = 0, y = 0;
};

/// The truth behind one clip.
struct DigitScene {
  std::vector<MovingDigit> digits;
  Edge edge = Edge::wrap;

  /// "the digit 3 moves up slowly", "the 3 moves up slowly while the 7 moves left quickly"; bouncing adds its words.
  std::string caption() const {
    std::string text;
    for (const auto& d : digits) {
      text += text.empty() ? "the " : " while the ";
      if (digits.size() == 1) text += "digit ";
      text +=
          std::to_string(d.label) + " moves " + std::string(name_of(d.direction)) + " " + std::string(name_of(d.speed));
    }
    return edge == Edge::bounce ? text + ", bouncing off the edges" : text;
  }
};

/// Generator of samples by index.
class BouncingDigits {
 public:
  /// Throws shape_error for sizes or speeds that cannot make a clip.
  BouncingDigits(Digits digits, BouncingDigitsOptions options) : digits_(std::move(digits)), options_(options) {
    const auto& o = options_;
    const int size = o.digit_pixels();
    if (o.frames < 1 || size < 4 || size >= o.height || size >= o.width || (o.channels != 1 && o.channels != 3))
      throw shape_error("moving digits of " + std::to_string(size) + " pixels in " + std::to_string(o.frames) +
                        " frames of " + std::to_string(o.height) + "x" + std::to_string(o.width) + "x" +
                        std::to_string(o.channels) + ": digits of 4 pixels or more must fit, channels be 1 or 3");
    if (o.min_digits < 1 || o.max_digits > 2 || o.min_digits > o.max_digits)
      throw shape_error("moving digits: " + std::to_string(o.min_digits) + " to " + std::to_string(o.max_digits) +
                        " a clip; choose from 1 to 2");
    const double room = std::min(o.height, o.width) - size;
    if (o.edge == Edge::bounce && o.quick * o.height / 2 > room)
      throw shape_error("moving digits: at quick = " + std::to_string(o.quick) + " a digit would turn back before " +
                        "half the clip; use at most " + std::to_string(2 * room / o.height));
    for (int i = 0; i < digits_.count(); ++i) by_label_[digits_.labels[i]].push_back(i);
    for (int label = 0; label < 10; ++label)
      if (by_label_[label].empty())
        throw shape_error("moving digits: no image of a " + std::to_string(label) + "; pass a larger set of digits");
  }

  const BouncingDigitsOptions& options() const { return options_; }

  /// Who moves where in clip `index`: two digits differ in label and in direction.
  DigitScene scene(std::uint64_t index) const {
    const Rng rng(options_.seed, index);
    std::uint64_t draw = 0;
    const auto below = [&](int n) { return int(rng.below(draw++, n)); };
    DigitScene scene{.digits = {}, .edge = options_.edge};
    const int count = options_.min_digits + below(options_.max_digits - options_.min_digits + 1);
    for (int k = 0; k < count; ++k) {
      MovingDigit d;
      d.label = k == 0 ? below(10) : (scene.digits[0].label + 1 + below(9)) % 10;
      d.image = by_label_[d.label][below(int(by_label_[d.label].size()))];
      const int first = k == 0 ? 0 : int(scene.digits[0].direction) + 1;
      d.direction = Direction((first + below(direction_count - k)) % direction_count);
      d.speed = Speed(below(2));
      const auto [dx, dy] = unit_vector(d.direction);
      d.x = start(rng.uniform(draw++), dx * options_.pixels_per_frame(d.speed), options_.width);
      d.y = start(rng.uniform(draw++), dy * options_.pixels_per_frame(d.speed), options_.height);
      scene.digits.push_back(d);
    }
    return scene;
  }

  /// The clip of a scene: digits drawn at sub-pixel places, the brighter one where they overlap.
  Clip draw(const DigitScene& scene) const {
    Clip clip = make_clip(options_.frames, options_.height, options_.width, 1);
    std::vector<float> layer(clip.frame_size());
    for (const auto& d : scene.digits) {
      const Clip sprite = sprite_of(d.image);
      const auto [dx, dy] = unit_vector(d.direction);
      const double step = options_.pixels_per_frame(d.speed);
      for (int t = 0; t < clip.frames; ++t) {
        std::fill(layer.begin(), layer.end(), 0.0f);
        place(sprite, fold(d.x + dx * step * t, options_.width), fold(d.y + dy * step * t, options_.height), layer);
        auto frame = clip.frame(t);
        for (std::size_t i = 0; i < layer.size(); ++i) frame[i] = std::max(frame[i], detail::round_to_byte(layer[i]));
      }
    }
    return options_.channels == 3 ? to_rgb(clip) : clip;
  }

  /// Clip `index` with its caption; keywords are labels, directions and speeds.
  Sample at(std::uint64_t index) const {
    const DigitScene truth = scene(index);
    Sample sample;
    sample.key = "digits-" + std::to_string(options_.seed) + "-" + std::to_string(index);
    sample.caption = truth.caption();
    for (const auto& d : truth.digits) {
      sample.keywords.push_back(std::to_string(d.label));
      sample.keywords.emplace_back(name_of(d.direction));
      sample.keywords.emplace_back(name_of(d.speed));
    }
    sample.group = "moving digits";
    sample.subgroup = truth.digits.size() == 1 ? "one digit" : "two digits";
    sample.clip = draw(truth);
    return sample;
  }

 private:
  /// Anywhere on a wrapping axis; on a bouncing one only where half a clip passes before the digit turns back.
  double start(double uniform, double velocity, int extent) const {
    if (options_.edge == Edge::wrap) return uniform * extent;
    const double half = velocity * options_.frames / 2, room = extent - options_.digit_pixels();
    return std::max(0.0, -half) + uniform * (room - std::abs(half));
  }
  double fold(double at, int extent) const {
    if (options_.edge == Edge::wrap) return at - extent * std::floor(at / extent);
    const double room = extent - options_.digit_pixels(), turn = at - 2 * room * std::floor(at / (2 * room));
    return turn < room ? turn : 2 * room - turn;
  }
  Clip sprite_of(int image) const {
    Clip digit = make_clip(1, digits_.height, digits_.width, 1);
    const auto pixels = digits_.image(image);
    digit.pixels.assign(pixels.begin(), pixels.end());
    return resize(digit, {.height = options_.digit_pixels(), .width = options_.digit_pixels()});
  }
  /// Adds the sprite with bilinear weights; on bouncing axes it stays inside, so wrapping indices never shows.
  void place(const Clip& sprite, double x, double y, std::vector<float>& layer) const {
    const int left = int(std::floor(x)), top = int(std::floor(y));
    const float fx = float(x - left), fy = float(y - top);
    for (int j = 0; j < sprite.height; ++j)
      for (int i = 0; i < sprite.width; ++i) {
        const float value = sprite.at(0, j, i, 0);
        if (value == 0) continue;
        for (int b = 0; b < 2; ++b)
          for (int a = 0; a < 2; ++a)
            layer[std::size_t((top + j + b) % options_.height) * options_.width + (left + i + a) % options_.width] +=
                value * (a ? fx : 1 - fx) * (b ? fy : 1 - fy);
      }
  }

  Digits digits_;
  BouncingDigitsOptions options_;
  std::array<std::vector<int>, 10> by_label_;
};

}  // namespace modelgrow::inline v0
