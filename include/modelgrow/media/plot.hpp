// SPDX-License-Identifier: MIT
// Line plots: named series over common axes, drawn smoothly, with ticks, legend, spread bands and marks.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/media/canvas.hpp>
#include <modelgrow/media/font.hpp>
#include <modelgrow/media/ticks.hpp>

namespace modelgrow::inline v0 {

/// One curve; points that are not finite (or not positive on a log axis) leave a gap. `low` and `high`, when given,
/// shade a band, such as the range over seeds.
struct Series {
  std::string name = {};
  std::vector<double> x = {}, y = {};
  std::vector<double> low = {}, high = {};
};

/// A dashed vertical line with a word at its top.
struct PlotMark {
  double x = 0;
  std::string text = {};
};

struct PlotOptions {
  std::string title = {}, x_label = {}, y_label = {};
  int width = 960, height = 560;
  Scale x_scale = Scale::linear, y_scale = Scale::linear;
  std::vector<PlotMark> marks = {};
};

/// Colours told apart by people with any colour vision (after Okabe and Ito 2008), strongest first.
inline constexpr std::array<Color, 8> series_colors{{{0, 114, 178},
                                                     {213, 94, 0},
                                                     {0, 158, 115},
                                                     {204, 121, 167},
                                                     {86, 180, 233},
                                                     {230, 159, 0},
                                                     {90, 90, 90},
                                                     {160, 80, 40}}};

namespace detail {
/// Maps data to pixels along one axis, in data or logarithms of data.
struct PlotAxis {
  Scale scale = Scale::linear;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  double from = 0, to = 1;  // pixels

  std::string label(double v) const {
    return tick_label(v, scale == Scale::log ? std::abs(v) : std::max(std::abs(low), std::abs(high)));
  }
  bool shows(double v) const { return std::isfinite(v) && (scale == Scale::linear || v > 0); }
  double value(double v) const { return scale == Scale::log ? std::log10(v) : v; }
  void include(double v) {
    if (shows(v)) low = std::min(low, v), high = std::max(high, v);
  }
  void pad(double share) {
    double a = value(low), b = value(high), more = (b - a) * share;
    if (b - a <= 1e-12 * std::max(1.0, std::abs(b)))
      more = scale == Scale::log ? 0.1 : std::max(0.5, std::abs(b) * 0.05);
    low = scale == Scale::log ? std::pow(10.0, a - more) : a - more;
    high = scale == Scale::log ? std::pow(10.0, b + more) : b + more;
  }
  double at(double v) const { return from + (to - from) * (value(v) - value(low)) / (value(high) - value(low)); }
};

inline void check_series(std::span<const Series> series) {
  if (series.empty()) throw shape_error("plot: no series");
  for (const auto& s : series)
    if (s.x.size() != s.y.size() || s.low.size() != s.high.size() || (!s.low.empty() && s.low.size() != s.x.size()))
      throw shape_error("plot: series '" + s.name + "' has " + std::to_string(s.x.size()) + " x, " +
                        std::to_string(s.y.size()) + " y, " + std::to_string(s.low.size()) + " low and " +
                        std::to_string(s.high.size()) +
                        " high values; give as many of each (low and high may be empty)");
}

/// The runs of points that can be shown.
inline std::vector<Polyline> curve(const Series& s, std::span<const double> y, const PlotAxis& xs, const PlotAxis& ys) {
  std::vector<Polyline> lines(1);
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (xs.shows(s.x[i]) && ys.shows(y[i]))
      lines.back().push_back({xs.at(s.x[i]), ys.at(y[i])});
    else if (!lines.back().empty())
      lines.emplace_back();
  }
  return lines;
}
}  // namespace detail

/// The plot as a picture. Throws shape_error for series of unequal lengths or when no point can be shown.
inline Clip plot(std::span<const Series> series, const PlotOptions& options = {}) {
  constexpr Color ink{40, 44, 52}, soft{110, 116, 126}, grid{229, 232, 237}, frame{160, 166, 176};
  constexpr double text = 8.5;
  detail::check_series(series);
  detail::PlotAxis xs{.scale = options.x_scale}, ys{.scale = options.y_scale};
  for (const auto& s : series)
    for (std::size_t i = 0; i < s.x.size(); ++i)
      if (xs.shows(s.x[i]) && ys.shows(s.y[i])) {
        xs.include(s.x[i]), ys.include(s.y[i]);
        if (!s.low.empty()) ys.include(s.low[i]), ys.include(s.high[i]);
      }
  if (!(xs.low <= xs.high))
    throw shape_error("plot: no point can be shown; are all values finite, on a log axis positive?");
  for (const auto& m : options.marks) xs.include(m.x);
  xs.pad(0), ys.pad(0.06);

  // Legend entries in lines above the plot; then the margins follow.
  std::vector<std::vector<std::size_t>> legend(1);
  double used = 0;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const double wide = text_width(series[i].name, text) + 62;
    if (used + wide > options.width - 110 && !legend.back().empty()) legend.emplace_back(), used = 0;
    legend.back().push_back(i), used += wide;
  }
  const auto y_ticks = ticks(ys.low, ys.high, std::max(3, options.height / 80), ys.scale);
  double y_text = 0;
  for (const double v : y_ticks) y_text = std::max(y_text, text_width(ys.label(v), text));
  double top = options.title.empty() ? 24 : 58;
  const double legend_top = top;
  top += 20.0 * double(legend.size()) + 8;
  if (!options.marks.empty()) top += 10;
  const double left = 26 + y_text + (options.y_label.empty() ? 0 : 26), right = options.width - 30;
  const double bottom = options.height - 36 - (options.x_label.empty() ? 0 : 24);
  if (right - left < 40 || bottom - top < 40)
    throw shape_error("plot: " + std::to_string(options.width) + "x" + std::to_string(options.height) +
                      " pixels leave no room for the curves; make it larger");
  xs.from = left, xs.to = right, ys.from = bottom, ys.to = top;

  Canvas canvas(options.height, options.width);
  for (const double v : y_ticks) {
    const double y = std::round(ys.at(v));
    canvas.rectangle({left, y}, {right, y + 1}, grid);
    draw_text(canvas, {left - 9, y + text / 2 + 0.5}, ys.label(v),
              {.size = text, .color = soft, .align = TextAlign::right});
  }
  for (const double v : ticks(xs.low, xs.high, std::max(3, options.width / 110), xs.scale)) {
    const double x = std::round(xs.at(v));
    canvas.rectangle({x, bottom}, {x + 1, bottom + 5}, frame);
    draw_text(canvas, {x + 0.5, bottom + 12 + text}, xs.label(v),
              {.size = text, .color = soft, .align = TextAlign::center});
  }
  canvas.rectangle({left, std::round(bottom)}, {right, std::round(bottom) + 1}, frame);
  for (const auto& mark : options.marks) {
    const double x = std::round(xs.at(mark.x));
    for (double y = top - 4; y < bottom; y += 8) canvas.rectangle({x, y}, {x + 1, std::min(y + 4, bottom)}, soft);
    const double half = text_width(mark.text, 7.5) / 2;
    draw_text(canvas, {std::clamp(x, left + half, right - half), top - 9}, mark.text,
              {.size = 7.5, .color = soft, .align = TextAlign::center});
  }
  const auto color = [](std::size_t i) { return series_colors[i % series_colors.size()]; };
  for (std::size_t i = 0; i < series.size(); ++i) {
    if (series[i].low.empty()) continue;
    const auto low = detail::curve(series[i], series[i].low, xs, ys),
               high = detail::curve(series[i], series[i].high, xs, ys);
    for (std::size_t k = 0; k < std::min(low.size(), high.size()); ++k) canvas.band(high[k], low[k], color(i), 0.16);
  }
  for (std::size_t i = 0; i < series.size(); ++i)
    canvas.stroke(detail::curve(series[i], series[i].y, xs, ys), 2.2, color(i));

  if (!options.title.empty()) draw_text(canvas, {left, 34}, options.title, {.size = 12.5, .color = ink});
  for (std::size_t line = 0; line < legend.size(); ++line) {
    double x = left;
    for (const std::size_t i : legend[line]) {
      const double y = legend_top + 20.0 * double(line) + 4;
      canvas.stroke(Polyline{{x + 2, y}, {x + 24, y}}, 3.2, color(i));
      draw_text(canvas, {x + 33, y + text / 2}, series[i].name, {.size = text, .color = ink});
      x += text_width(series[i].name, text) + 62;
    }
  }
  if (!options.x_label.empty())
    draw_text(canvas, {(left + right) / 2, options.height - 16.0}, options.x_label,
              {.color = ink, .align = TextAlign::center});
  if (!options.y_label.empty())
    draw_text(canvas, {26, (top + bottom) / 2}, options.y_label,
              {.color = ink, .align = TextAlign::center, .degrees = 90});
  return canvas.picture();
}

}  // namespace modelgrow::inline v0
