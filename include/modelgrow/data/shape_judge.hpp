// SPDX-License-Identifier: MIT
// An automatic judge of moving shapes: for each colour of the palette, of everything that the world can say of an
// object the one whose clip, at whatever strength, is nearest to what the clip shows in this colour.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/data/shape_world.hpp>

namespace modelgrow::inline v0 {

/// An object is there when it is at least so strong, where a true one is 1 and the ground 0.
inline constexpr float faintest_shape = 0.5f;

/// Sees at most one object of each colour in clips of the geometry that the world's options give.
class ShapeJudge {
 public:
  /// Throws shape_error as ShapeWorld.
  explicit ShapeJudge(const ShapeWorldOptions& options) : world_(options) { add_tracks({}, WordClass::size); }

  /// The objects of a clip, in the order of their colours. Throws shape_error when the clip does not have the frames,
  /// height and width of the options, and three channels.
  std::vector<ShapeObject> judge(const Clip& clip) const {
    const auto& o = world_.options();
    if (clip.frames != o.frames || clip.height != o.height || clip.width != o.width || clip.channels != 3)
      throw shape_error("shape judge: the clip has " + std::to_string(clip.frames) + " frames of " +
                        std::to_string(clip.height) + "x" + std::to_string(clip.width) + "x" +
                        std::to_string(clip.channels) + ", expected " + std::to_string(o.frames) + " of " +
                        std::to_string(o.height) + "x" + std::to_string(o.width) + "x3; resize it first");
    const auto shown = colours_of(clip);
    std::vector<ShapeObject> seen;
    for (std::size_t colour = 0; colour < shape_palette.size(); ++colour) {
      const Track* best = nullptr;
      float most = -1, strength = 0;
      for (const Track& track : tracks_) {
        float met = 0;
        for (const auto& [pixel, covered] : track.pixels) met += covered * shown[colour][pixel];
        const float explained = met * met / track.energy;  // of the sum of squares, by the track at its best strength
        if (explained > most) best = &track, most = explained, strength = met / track.energy;
      }
      if (strength < faintest_shape) continue;
      seen.push_back(best->object);
      seen.back()[WordClass::colour] = int(colour);
    }
    return seen;
  }

 private:
  /// How much an object of any colour covers of which pixels of a clip [T, H, W].
  struct Track {
    ShapeObject object;
    std::vector<std::pair<std::uint32_t, float>> pixels;
    float energy = 0;  // sum of squares
  };
  using Shown = std::array<std::vector<float>, shape_palette.size()>;  // per colour, [T, H, W]

  /// Tracks of all objects with these values of the classes before `c`, of the first colour.
  void add_tracks(ShapeObject o, WordClass c) {
    const auto values = c == WordClass::colour ? std::size_t{1} : words_of(c).size();
    for (std::size_t value = 0; value < values; ++value) {
      o[c] = int(value);
      if (c == word_classes.back())
        tracks_.push_back(track_of(o));
      else
        add_tracks(o, WordClass(int(c) + 1));
    }
  }
  Track track_of(const ShapeObject& object) const {
    Track track{.object = object, .pixels = {}};
    const auto& o = world_.options();
    for (int t = 0; t < o.frames; ++t)
      world_.for_each_covered(object, t, [&](int row, int column, int covered) {
        const float share = float(covered) / float(full_coverage);
        track.pixels.emplace_back(std::uint32_t((t * o.height + row) * o.width + column), share);
        track.energy += share * share;
      });
    return track;
  }

  /// A pixel shows the colour whose mixtures with the ground come nearest to it, as much as there is in the mixture.
  static Shown colours_of(const Clip& clip) {
    Shown shown;
    const std::size_t pixels = clip.size() / 3;
    for (auto& map : shown) map.assign(pixels, 0.0f);
    for (std::size_t i = 0; i < pixels; ++i) {
      std::size_t best = 0;
      float nearest = -1, share_of_best = 0;
      for (std::size_t colour = 0; colour < shape_palette.size(); ++colour) {
        float along = 0, length = 0, distance = 0;
        for (std::size_t c = 0; c < 3; ++c) {
          const float full = float(shape_palette[colour][c]) - shape_ground;
          along += full * (float(clip.pixels[3 * i + c]) - shape_ground);
          length += full * full;
        }
        const float share = std::clamp(along / length, 0.0f, 1.0f);
        for (std::size_t c = 0; c < 3; ++c) {
          const float full = float(shape_palette[colour][c]) - shape_ground;
          const float off = float(clip.pixels[3 * i + c]) - shape_ground - share * full;
          distance += off * off;
        }
        if (nearest < 0 || distance < nearest) best = colour, nearest = distance, share_of_best = share;
      }
      shown[best][i] = share_of_best;
    }
    return shown;
  }

  ShapeWorld world_;
  std::vector<Track> tracks_;
};

}  // namespace modelgrow::inline v0
