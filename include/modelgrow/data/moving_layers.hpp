// SPDX-License-Identifier: MIT
// Finding what moves how: of all things in a clip only those with velocity v stay put when every frame t is shifted
// back by v * t, so the picture of each pixel's darkest values over the shifted frames shows just them (on a dark
// ground).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <modelgrow/data/clip.hpp>

namespace modelgrow::inline v0 {

/// Grey picture [H, W], 0 (dark) to 255.
struct GreyImage {
  int height = 0, width = 0;
  std::vector<float> light;

  float& at(int y, int x) { return light[std::size_t(y) * width + x]; }
  float at(int y, int x) const { return light[std::size_t(y) * width + x]; }
  /// Bilinear; dark outside.
  float sample(double y, double x) const {
    const int top = int(std::floor(y)), left = int(std::floor(x));
    const float fy = float(y - top), fx = float(x - left);
    float sum = 0;
    for (int b = 0; b < 2; ++b)
      for (int a = 0; a < 2; ++a)
        if (top + b >= 0 && top + b < height && left + a >= 0 && left + a < width)
          sum += at(top + b, left + a) * (a ? fx : 1 - fx) * (b ? fy : 1 - fy);
    return sum;
  }
};

/// Pixels a frame, x to the right, y down.
struct Velocity {
  double x = 0, y = 0;
};

/// The first `frames` frames of a clip, channels averaged.
inline std::vector<GreyImage> grey_frames(const Clip& clip, int frames) {
  std::vector<GreyImage> result(frames, GreyImage{.height = clip.height, .width = clip.width, .light = {}});
  for (int t = 0; t < frames; ++t) {
    const auto pixels = clip.frame(t);
    for (std::size_t i = 0; i < pixels.size(); i += clip.channels) {
      int sum = 0;
      for (int c = 0; c < clip.channels; ++c) sum += pixels[i + c];
      result[t].light.push_back(float(sum) / float(clip.channels));
    }
  }
  return result;
}

/// Light of a pixel that hide() declared unknown.
inline constexpr float unknown_light = -1e6f;

/// `image` moved by shift pixels around the edges, bilinear; a pixel made of unknown light comes out negative.
inline GreyImage shifted(const GreyImage& image, double shift_x, double shift_y) {
  const auto wrap = [](int i, int n) { return ((i % n) + n) % n; };
  const int left = int(std::floor(-shift_x)), top = int(std::floor(-shift_y));
  const float fx = float(-shift_x - left), fy = float(-shift_y - top);
  GreyImage out{.height = image.height, .width = image.width, .light = std::vector<float>(image.light.size())};
  float* target = out.light.data();
  for (int y = 0; y < image.height; ++y) {
    const float* row0 = &image.light[std::size_t(wrap(y + top, image.height)) * image.width];
    const float* row1 = &image.light[std::size_t(wrap(y + top + 1, image.height)) * image.width];
    for (int x = 0; x < image.width; ++x) {
      const int x0 = wrap(x + left, image.width), x1 = x0 + 1 == image.width ? 0 : x0 + 1;
      *target++ = (1 - fy) * ((1 - fx) * row0[x0] + fx * row0[x1]) + fy * ((1 - fx) * row1[x0] + fx * row1[x1]);
    }
  }
  return out;
}

/// What moves with `velocity`, where it is in frame 0: per pixel the mean of the darkest `share` of the known values
/// over the frames shifted back; dark where fewer than a third are known.
inline GreyImage still_layer(std::span<const GreyImage> frames, Velocity velocity, double share = 1.0 / 3) {
  std::vector<GreyImage> back;
  for (std::size_t t = 0; t < frames.size(); ++t)
    back.push_back(shifted(frames[t], -velocity.x * double(t), -velocity.y * double(t)));
  GreyImage layer = back[0];
  const std::size_t enough = std::max<std::size_t>(1, frames.size() / 3);
  std::vector<float> values;
  for (std::size_t i = 0; i < layer.light.size(); ++i) {
    values.clear();
    for (const auto& frame : back)
      if (frame.light[i] >= 0) values.push_back(frame.light[i]);
    layer.light[i] = 0;
    if (values.size() < enough) continue;
    const std::size_t keep = std::max<std::size_t>(1, std::size_t(share * double(values.size())));
    std::partial_sort(values.begin(), values.begin() + keep, values.end());
    for (std::size_t k = 0; k < keep; ++k) layer.light[i] += values[k] / float(keep);
  }
  return layer;
}

/// The frames with everything unknown that `layer`, moving with `velocity`, covers visibly.
inline std::vector<GreyImage> hide(std::span<const GreyImage> frames, const GreyImage& layer, Velocity velocity) {
  std::vector<GreyImage> left(frames.begin(), frames.end());
  for (std::size_t t = 0; t < left.size(); ++t) {
    const GreyImage cover = shifted(layer, velocity.x * double(t), velocity.y * double(t));
    for (std::size_t i = 0; i < cover.light.size(); ++i)
      if (cover.light[i] > 32) left[t].light[i] = unknown_light;
  }
  return left;
}

/// Row and column of the size x size window, around the edges, that holds most light.
inline std::pair<int, int> brightest_window(const GreyImage& image, int size) {
  std::pair<int, int> best{0, 0};
  double most = -1;
  for (int top = 0; top < image.height; ++top) {
    std::vector<double> column(image.width);
    for (int y = 0; y < size; ++y)
      for (int x = 0; x < image.width; ++x) column[x] += image.at((top + y) % image.height, x);
    for (int left = 0; left < image.width; ++left) {
      double sum = 0;
      for (int x = 0; x < size; ++x) sum += column[(left + x) % image.width];
      if (sum > most) most = sum, best = {top, left};
    }
  }
  return best;
}

}  // namespace modelgrow::inline v0
