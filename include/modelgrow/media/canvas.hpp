// SPDX-License-Identifier: MIT
// A picture to draw on, with smooth edges: strokes cover each pixel by its distance to the nearest point of the stroke.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <modelgrow/data/clip.hpp>

namespace modelgrow::inline v0 {

struct Color {
  std::uint8_t red = 0, green = 0, blue = 0;
  bool operator==(const Color&) const = default;
};

/// Pixels, x to the right, y down; (0, 0) is the top left corner, (0.5, 0.5) the centre of the first pixel.
struct Point {
  double x = 0, y = 0;
};
using Polyline = std::vector<Point>;

/// An RGB picture (a clip of one frame).
class Canvas {
 public:
  /// Throws shape_error unless both sizes are positive.
  Canvas(int height, int width, Color ground = {255, 255, 255}) : picture_(make_clip(1, height, width, 3)) {
    rectangle({0, 0}, {double(width), double(height)}, ground);
  }

  int height() const { return picture_.height; }
  int width() const { return picture_.width; }
  const Clip& picture() const { return picture_; }

  /// Fills between two corners; edges between pixels are blended.
  void rectangle(Point from, Point to, Color color, double opacity = 1) {
    for (int y = std::max(0, int(from.y)); y < std::min<double>(height(), to.y); ++y)
      for (int x = std::max(0, int(from.x)); x < std::min<double>(width(), to.x); ++x)
        blend(y, x, color, opacity * overlap(x, from.x, to.x) * overlap(y, from.y, to.y));
  }

  /// Draws polylines with round ends and joints as one stroke: where they cross or meet nothing is blended twice. A
  /// polyline of one point is a dot.
  void stroke(std::span<const Polyline> lines, double thickness, Color color, double opacity = 1) {
    const double reach = thickness / 2 + 0.5;
    double left = 1e9, top = 1e9, right = -1e9, bottom = -1e9;
    for (const auto& line : lines)
      for (const auto& p : line) {
        left = std::min(left, p.x), right = std::max(right, p.x);
        top = std::min(top, p.y), bottom = std::max(bottom, p.y);
      }
    const int x0 = clip_to(left - reach, width()), x1 = clip_to(right + reach + 1, width());
    const int y0 = clip_to(top - reach, height()), y1 = clip_to(bottom + reach + 1, height());
    if (x0 >= x1 || y0 >= y1) return;
    std::vector<float> cover(std::size_t(y1 - y0) * (x1 - x0));
    for (const auto& line : lines)
      for (std::size_t i = 0; i < line.size(); ++i) {
        if (i == 0 && line.size() > 1) continue;
        const Point a = line[i == 0 ? 0 : i - 1], b = line[i];
        const int c0 = std::max(x0, clip_to(std::min(a.x, b.x) - reach, width()));
        const int c1 = std::min(x1, clip_to(std::max(a.x, b.x) + reach + 1, width()));
        const int r0 = std::max(y0, clip_to(std::min(a.y, b.y) - reach, height()));
        const int r1 = std::min(y1, clip_to(std::max(a.y, b.y) + reach + 1, height()));
        for (int y = r0; y < r1; ++y)
          for (int x = c0; x < c1; ++x) {
            float& c = cover[std::size_t(y - y0) * (x1 - x0) + (x - x0)];
            c = std::max(c, float(std::clamp(reach - distance({x + 0.5, y + 0.5}, a, b), 0.0, 1.0)));
          }
      }
    for (int y = y0; y < y1; ++y)
      for (int x = x0; x < x1; ++x) blend(y, x, color, opacity * cover[std::size_t(y - y0) * (x1 - x0) + (x - x0)]);
  }
  void stroke(const Polyline& line, double thickness, Color color, double opacity = 1) {
    stroke(std::span(&line, 1), thickness, color, opacity);
  }

  /// Fills between two curves given at the same x, left to right, one strip of pixels at a time.
  void band(std::span<const Point> upper, std::span<const Point> lower, Color color, double opacity) {
    for (std::size_t i = 1; i < std::min(upper.size(), lower.size()); ++i)
      for (int x = clip_to(upper[i - 1].x, width()); x < std::min<double>(width(), upper[i].x); ++x) {
        const double from = std::max<double>(x, upper[i - 1].x), to = std::min<double>(x + 1, upper[i].x);
        const double span = upper[i].x - upper[i - 1].x;
        if (span <= 0 || to <= from) continue;
        const double at = ((from + to) / 2 - upper[i - 1].x) / span;
        const double high = upper[i - 1].y + at * (upper[i].y - upper[i - 1].y);
        const double low = lower[i - 1].y + at * (lower[i].y - lower[i - 1].y);
        rectangle({from, std::min(high, low)}, {to, std::max(high, low)}, color, opacity);
      }
  }

  /// Copies one frame of a grey or RGB clip to (top, left), every pixel `scale` times as large.
  void place(const Clip& clip, int frame, int top, int left, int scale = 1) {
    for (int y = 0; y < clip.height * scale; ++y)
      for (int x = 0; x < clip.width * scale; ++x) {
        if (top + y < 0 || left + x < 0 || top + y >= height() || left + x >= width()) continue;
        for (int c = 0; c < 3; ++c)
          picture_.at(0, top + y, left + x, c) = clip.at(frame, y / scale, x / scale, clip.channels == 3 ? c : 0);
      }
  }

 private:
  static int clip_to(double at, int extent) { return int(std::clamp(std::floor(at), 0.0, double(extent))); }
  static double overlap(int cell, double from, double to) {
    return std::clamp(std::min(cell + 1.0, to) - std::max(double(cell), from), 0.0, 1.0);
  }
  static double distance(Point p, Point a, Point b) {
    const double dx = b.x - a.x, dy = b.y - a.y, square = dx * dx + dy * dy;
    const double t = square > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / square, 0.0, 1.0) : 0.0;
    return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
  }
  void blend(int y, int x, Color color, double opacity) {
    if (opacity <= 0) return;
    const std::uint8_t target[3] = {color.red, color.green, color.blue};
    for (int c = 0; c < 3; ++c) {
      std::uint8_t& p = picture_.at(0, y, x, c);
      p = detail::round_to_byte(float(p + opacity * (target[c] - p)));
    }
  }

  Clip picture_;
};

}  // namespace modelgrow::inline v0
