// SPDX-License-Identifier: MIT
// A clip is a short stack of 8-bit frames; a sample is a clip with what it is called.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// Frames of 8-bit pixels, laid out [T, H, W, C]; 1 channel is grey, 3 are red, green, blue.
struct Clip {
  int frames = 0, height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;

  std::size_t frame_size() const { return std::size_t(height) * width * channels; }
  std::size_t size() const { return frame_size() * frames; }
  std::span<const std::uint8_t> frame(int t) const { return std::span(pixels).subspan(t * frame_size(), frame_size()); }
  std::span<std::uint8_t> frame(int t) { return std::span(pixels).subspan(t * frame_size(), frame_size()); }
  std::uint8_t& at(int t, int y, int x, int c) {
    return pixels[((std::size_t(t) * height + y) * width + x) * channels + c];
  }
  std::uint8_t at(int t, int y, int x, int c) const {
    return pixels[((std::size_t(t) * height + y) * width + x) * channels + c];
  }
  bool operator==(const Clip&) const = default;
};

/// One captioned clip of a data set; the key is unique in it.
struct Sample {
  std::string key, caption;
  std::vector<std::string> keywords;
  std::string group, subgroup;
  Clip clip;
};

/// Frames, height and width to resize to; 0 keeps what the clip has.
struct ClipSize {
  int frames = 0, height = 0, width = 0;
};

/// Black clip of this shape. Throws shape_error unless every size is positive.
inline Clip make_clip(int frames, int height, int width, int channels) {
  if (frames <= 0 || height <= 0 || width <= 0 || channels <= 0)
    throw shape_error("clip of " + std::to_string(frames) + " frames, " + std::to_string(height) + "x" +
                      std::to_string(width) + ", " + std::to_string(channels) +
                      " channels: every size must be positive");
  Clip clip{.frames = frames, .height = height, .width = width, .channels = channels, .pixels = {}};
  clip.pixels.resize(clip.size());
  return clip;
}

namespace detail {
/// The source cells that one output cell of a box filter covers, with their shares of its area.
struct BoxTap {
  int first = 0;
  std::vector<float> weights;
};
inline std::vector<BoxTap> box_taps(int from, int to) {
  std::vector<BoxTap> taps(to);
  for (int i = 0; i < to; ++i) {
    const double low = double(i) * from / to, high = double(i + 1) * from / to;
    taps[i].first = int(low);
    for (int j = int(low); j < from && j < high; ++j)
      if (const double share = std::min(high, j + 1.0) - std::max(low, double(j)); share > 1e-9)
        taps[i].weights.push_back(float(share / (high - low)));
  }
  return taps;
}
inline std::uint8_t round_to_byte(float value) { return std::uint8_t(std::clamp(value, 0.0f, 255.0f) + 0.5f); }
}  // namespace detail

/// Clip resized by area averaging (box filter) in space; frame t of T' is frame floor(t * T / T') of the source.
inline Clip resize(const Clip& clip, ClipSize size) {
  Clip out = make_clip(size.frames ? size.frames : clip.frames, size.height ? size.height : clip.height,
                       size.width ? size.width : clip.width, clip.channels);
  const int channels = clip.channels;
  const auto rows = detail::box_taps(clip.height, out.height), columns = detail::box_taps(clip.width, out.width);
  std::vector<float> narrow(std::size_t(clip.height) * out.width * channels);
  for (int t = 0; t < out.frames; ++t) {
    const auto source = clip.frame(int(std::int64_t(t) * clip.frames / out.frames));
    const auto target = out.frame(t);
    if (out.height == clip.height && out.width == clip.width) {
      std::copy(source.begin(), source.end(), target.begin());
      continue;
    }
    for (int y = 0; y < clip.height; ++y)
      for (int x = 0; x < out.width; ++x)
        for (int c = 0; c < channels; ++c) {
          float sum = 0;
          const std::uint8_t* p = &source[(std::size_t(y) * clip.width + columns[x].first) * channels + c];
          for (float w : columns[x].weights) sum += w * float(*p), p += channels;
          narrow[(std::size_t(y) * out.width + x) * channels + c] = sum;
        }
    const std::size_t stride = std::size_t(out.width) * channels;
    for (int y = 0; y < out.height; ++y)
      for (std::size_t i = 0; i < stride; ++i) {
        float sum = 0;
        const float* p = &narrow[rows[y].first * stride + i];
        for (float w : rows[y].weights) sum += w * *p, p += stride;
        target[y * stride + i] = detail::round_to_byte(sum);
      }
  }
  return out;
}

/// The clip with three equal channels where it had one. Throws shape_error for other channel counts than 1 and 3.
inline Clip to_rgb(const Clip& clip) {
  if (clip.channels == 3) return clip;
  if (clip.channels != 1)
    throw shape_error("clip has " + std::to_string(clip.channels) + " channels: only 1 (grey) or 3 (RGB) become RGB");
  Clip out = make_clip(clip.frames, clip.height, clip.width, 3);
  for (std::size_t i = 0; i < clip.pixels.size(); ++i) std::fill_n(&out.pixels[3 * i], 3, clip.pixels[i]);
  return out;
}

/// Writes the clip as [C, T, H, W] values in [-1, 1] (0 -> -1, 255 -> 1). Throws shape_error unless out has clip.size()
/// values.
inline void to_float(const Clip& clip, std::span<float> out) {
  if (out.size() != clip.size())
    throw shape_error("to_float: the clip has " + std::to_string(clip.size()) + " values, the target " +
                      std::to_string(out.size()) + ": pass frames * height * width * channels floats");
  const std::size_t cells = clip.size() / clip.channels;
  for (int c = 0; c < clip.channels; ++c)
    for (std::size_t i = 0; i < cells; ++i)
      out[c * cells + i] = float(clip.pixels[i * clip.channels + c]) / 127.5f - 1.0f;
}

/// Inverse of to_float: values outside [-1, 1] are clamped, then rounded; NaN becomes black. Throws shape_error.
inline Clip from_float(std::span<const float> values, int frames, int height, int width, int channels) {
  Clip clip = make_clip(frames, height, width, channels);
  if (values.size() != clip.size())
    throw shape_error("from_float: " + std::to_string(values.size()) + " values for a clip of " +
                      std::to_string(clip.size()) + ": pass frames * height * width * channels floats");
  const std::size_t cells = clip.size() / channels;
  for (int c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < cells; ++i) {
      const float v = values[c * cells + i];
      clip.pixels[i * channels + c] = v > -1.0f ? detail::round_to_byte((v + 1.0f) * 127.5f) : std::uint8_t(0);
    }
  return clip;
}

}  // namespace modelgrow::inline v0
