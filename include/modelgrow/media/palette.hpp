// SPDX-License-Identifier: MIT
// The best few colours for a clip: exact when it has few, else median cut by variance (after Heckbert 1982 and Wan,
// Wong, Prusinkiewicz 1988) on colours of 5 bits a channel.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include <modelgrow/data/clip.hpp>
#include <modelgrow/media/canvas.hpp>

namespace modelgrow::inline v0 {

/// Up to 256 colours, and for every pixel of the clip [T, H, W] the index of its colour.
struct Palette {
  std::vector<Color> colors;
  std::vector<std::uint8_t> indices;
};

namespace detail {
/// Colours that fell into one cell of the 5-bit histogram, or into one box of cells.
struct ColorCell {
  double count = 0;
  std::array<double, 3> sum{}, square{};

  void add(const ColorCell& other) {
    count += other.count;
    for (int c = 0; c < 3; ++c) sum[c] += other.sum[c], square[c] += other.square[c];
  }
  double spread(int c) const { return count > 0 ? square[c] - sum[c] * sum[c] / count : 0; }
  int widest() const {
    int c = 0;
    for (int i = 1; i < 3; ++i)
      if (spread(i) > spread(c)) c = i;
    return c;
  }
  Color mean() const {
    const auto channel = [&](int c) { return round_to_byte(float(sum[c] / count)); };
    return {channel(0), channel(1), channel(2)};
  }
};
inline ColorCell total(const std::vector<ColorCell>& cells) {
  ColorCell sum;
  for (const auto& c : cells) sum.add(c);
  return sum;
}
}  // namespace detail

/// Throws shape_error unless the clip has 3 channels and 1 <= colors <= 256.
inline Palette make_palette(const Clip& clip, int colors = 256) {
  if (clip.channels != 3 || colors < 1 || colors > 256)
    throw shape_error("palette of " + std::to_string(colors) + " colours for a clip of " +
                      std::to_string(clip.channels) + " channels: need RGB and 1 to 256 colours");
  const std::size_t count = clip.pixels.size() / 3;
  Palette palette;
  palette.indices.resize(count);
  const auto code = [&](std::size_t i, int shift) {
    const std::uint8_t* p = &clip.pixels[3 * i];
    return std::uint32_t(p[0] >> shift) << 16 | std::uint32_t(p[1] >> shift) << 8 | std::uint32_t(p[2] >> shift);
  };

  std::map<std::uint32_t, std::uint8_t> exact;
  for (std::size_t i = 0; i < count && exact.size() <= std::size_t(colors); ++i)
    if (exact.size() < std::size_t(colors) || exact.contains(code(i, 0)))
      exact.emplace(code(i, 0), std::uint8_t(exact.size()));
    else
      break;
  bool fits = true;
  for (std::size_t i = 0; i < count && fits; ++i) fits = exact.contains(code(i, 0));
  if (fits) {
    palette.colors.resize(exact.size());
    for (const auto& [rgb, index] : exact)
      palette.colors[index] = {std::uint8_t(rgb >> 16), std::uint8_t(rgb >> 8), std::uint8_t(rgb)};
    for (std::size_t i = 0; i < count; ++i) palette.indices[i] = exact.at(code(i, 0));
    return palette;
  }

  std::map<std::uint32_t, detail::ColorCell> cells;
  for (std::size_t i = 0; i < count; ++i) {
    auto& cell = cells[code(i, 3)];
    ++cell.count;
    for (int c = 0; c < 3; ++c) {
      const double v = clip.pixels[3 * i + c];
      cell.sum[c] += v, cell.square[c] += v * v;
    }
  }
  using Box = std::vector<detail::ColorCell>;
  std::vector<Box> boxes(1);
  for (const auto& [key, cell] : cells) boxes[0].push_back(cell);
  while (int(boxes.size()) < colors) {
    std::size_t worst = boxes.size();
    double most = 0;
    for (std::size_t b = 0; b < boxes.size(); ++b) {
      const auto sum = detail::total(boxes[b]);
      if (boxes[b].size() > 1 && sum.spread(sum.widest()) > most) most = sum.spread(sum.widest()), worst = b;
    }
    if (worst == boxes.size()) break;
    Box box = std::move(boxes[worst]);
    const auto sum = detail::total(box);
    const int axis = sum.widest();
    const double mean = sum.sum[axis] / sum.count;
    const auto middle =
        std::partition(box.begin(), box.end(), [&](const auto& c) { return c.sum[axis] < mean * c.count; });
    boxes[worst].assign(box.begin(), middle);
    boxes.emplace_back(middle, box.end());
    if (boxes[worst].empty() || boxes.back().empty()) break;
  }
  for (const auto& box : boxes)
    if (!box.empty()) palette.colors.push_back(detail::total(box).mean());

  std::map<std::uint32_t, std::uint8_t> nearest;
  for (std::size_t i = 0; i < count; ++i) {
    const auto [found, fresh] = nearest.emplace(code(i, 2), std::uint8_t(0));
    if (fresh) {
      int best = 1 << 30;
      for (std::size_t k = 0; k < palette.colors.size(); ++k) {
        const auto& p = palette.colors[k];
        const int r = clip.pixels[3 * i] - p.red, g = clip.pixels[3 * i + 1] - p.green,
                  b = clip.pixels[3 * i + 2] - p.blue;
        if (const int d = r * r + g * g + b * b; d < best) best = d, found->second = std::uint8_t(k);
      }
    }
    palette.indices[i] = found->second;
  }
  return palette;
}

}  // namespace modelgrow::inline v0
