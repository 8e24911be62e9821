// SPDX-License-Identifier: MIT
// Moving shapes: endless clips of one to three objects whose caption determines every pixel, so that what a model lacks
// is never data and a sample can be compared with the true clip. Each clip is a pure function of (seed, index).
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include <modelgrow/core/error.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/data/shape_sprites.hpp>
#include <modelgrow/data/shape_words.hpp>

namespace modelgrow::inline v0 {

/// Red, green, blue in the order of the words for colours, far from each other and from the grey ground.
inline constexpr std::array<std::array<std::uint8_t, 3>, 8> shape_palette{{{230, 25, 25},
                                                                           {13, 166, 25},
                                                                           {25, 51, 242},
                                                                           {250, 230, 25},
                                                                           {166, 25, 204},
                                                                           {25, 217, 230},
                                                                           {255, 255, 255},
                                                                           {0, 0, 0}}};
/// The ground, 0 for a network.
inline constexpr std::uint8_t shape_ground = 128;

/// What the clips look like; everything scales with the shorter side.
struct ShapeWorldOptions {
  int frames = 8, height = 16, width = 16;
  int min_objects = 1, max_objects = 1;
  std::uint64_t seed = 0;
};

/// Generator of clips by index.
class ShapeWorld {
 public:
  /// Throws shape_error for sizes and numbers of objects that cannot make a clip.
  explicit ShapeWorld(ShapeWorldOptions options) : options_(options) {
    const auto& o = options_;
    if (o.frames < 1 || o.height < 12 || o.width < 12)
      throw shape_error("moving shapes in " + std::to_string(o.frames) + " frames of " + std::to_string(o.height) +
                        "x" + std::to_string(o.width) +
                        ": shapes are told apart from 12x12 pixels on, in 1 frame or more");
    if (o.min_objects < 1 || o.max_objects > 3 || o.min_objects > o.max_objects)
      throw shape_error("moving shapes: " + std::to_string(o.min_objects) + " to " + std::to_string(o.max_objects) +
                        " a clip; choose from 1 to 3");
  }

  const ShapeWorldOptions& options() const { return options_; }

  /// Who moves where in clip `index`: objects differ in colour and keep apart in every frame.
  ShapeScene scene(std::uint64_t index) const {
    const Rng rng(options_.seed, index);
    std::uint64_t draw = 0;
    const auto below = [&](std::size_t n) { return int(rng.below(draw++, n)); };
    const int count = options_.min_objects + below(std::size_t(options_.max_objects - options_.min_objects + 1));
    ShapeScene scene;
    while (int(scene.objects.size()) < count) {
      constexpr int tries = 64;  // then begin anew: where two objects stand there may be no room for a third
      const auto before = scene.objects.size();
      for (int i = 0; i < tries && scene.objects.size() == before; ++i) {
        ShapeObject o;
        for (const WordClass c : word_classes) o[c] = below(words_of(c).size());
        if (fits(o, scene)) scene.objects.push_back(o);
      }
      if (scene.objects.size() == before) scene.objects.clear();
    }
    return scene;
  }

  /// Where the centre of an object is in frame t, x and y in sixteenths of a pixel: halfway through the clip at its
  /// place, at a constant speed of 7/16 of the shorter side a clip.
  std::pair<int, int> centre(const ShapeObject& o, int t) const {
    constexpr int dx[] = {0, 1, 0, -1, 0}, dy[] = {-1, 0, 1, 0, 0};
    const int place = o[WordClass::place], way = o[WordClass::direction];
    const int steps = std::max(1, options_.frames - 1);
    const int gone = (2 * t - options_.frames + 1) * 7 * side() / (2 * steps);
    return {options_.width * pixel_units * (1 + place % 3) / 4 + dx[way] * gone,
            options_.height * pixel_units * (1 + place / 3) / 4 + dy[way] * gone};
  }
  /// In sixteenths of a pixel: 9/64 or 14/64 of the shorter side.
  int radius(const ShapeObject& o) const { return side() * (o[WordClass::size] == 0 ? 9 : 14) / 4; }

  /// The clip of a scene; where objects overlap, the later one lies on top.
  Clip draw(const ShapeScene& scene) const {
    Clip clip = make_clip(options_.frames, options_.height, options_.width, 3);
    std::ranges::fill(clip.pixels, shape_ground);
    for (const ShapeObject& o : scene.objects)
      for (int t = 0; t < clip.frames; ++t)
        for_each_covered(o, t, [&](int row, int column, int covered) {
          for (int c = 0; c < 3; ++c) {
            std::uint8_t& value = clip.at(t, row, column, c);
            const int colour = shape_palette[std::size_t(o[WordClass::colour])][std::size_t(c)];
            value = std::uint8_t((value * (full_coverage - covered) + colour * covered + full_coverage / 2) /
                                 full_coverage);
          }
        });
    return clip;
  }

  /// Calls f(row, column, coverage) for the pixels of frame t that an object touches; coverage is 1 to 64.
  template <class F>
  void for_each_covered(const ShapeObject& o, int t, F&& f) const {
    const auto [x, y] = centre(o, t);
    modelgrow::for_each_covered(ShapeKind(o[WordClass::shape]), x, y, radius(o), options_.height, options_.width, f);
  }

  /// Clip `index` with its caption; the keyword is the caption in words that are never trained on.
  Sample at(std::uint64_t index) const {
    const ShapeScene truth = scene(index);
    return {.key = "shapes-" + std::to_string(options_.seed) + "-" + std::to_string(index),
            .caption = caption_of(truth),
            .keywords = {caption_of(truth, Wording::reworded)},
            .group = "moving shapes",
            .subgroup = std::to_string(truth.objects.size()) + (truth.objects.size() == 1 ? " object" : " objects"),
            .clip = draw(truth)};
  }

 private:
  int side() const { return std::min(options_.height, options_.width); }  // pixels, or sixteenths of a sixteenth

  /// Of another colour than all others, and half a pixel or more away from them in every frame.
  bool fits(const ShapeObject& o, const ShapeScene& scene) const {
    return std::ranges::all_of(scene.objects, [&](const ShapeObject& other) {
      if (o[WordClass::colour] == other[WordClass::colour]) return false;
      const std::int64_t apart = radius(o) + radius(other) + pixel_units / 2;
      for (int t = 0; t < options_.frames; ++t) {
        const auto [x, y] = centre(o, t);
        const auto [u, v] = centre(other, t);
        if (std::int64_t(x - u) * (x - u) + std::int64_t(y - v) * (y - v) < apart * apart) return false;
      }
      return true;
    });
  }

  ShapeWorldOptions options_;
};

}  // namespace modelgrow::inline v0
