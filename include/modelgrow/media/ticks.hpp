// SPDX-License-Identifier: MIT
// Round numbers along an axis, and how to write them.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace modelgrow::inline v0 {

enum class Scale { linear, log };

/// Ticks inside [low, high]: steps of 1, 2 or 5 times a power of ten, about `count` of them; on a log axis powers of
/// ten, with their multiples by 2 and 5 or by every digit where the range is short.
inline std::vector<double> ticks(double low, double high, int count, Scale scale) {
  std::vector<double> result;
  if (scale == Scale::log) {
    for (const auto& digits : {std::vector<int>{1}, {1, 2, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9}}) {
      result.clear();
      for (int e = int(std::floor(std::log10(low))); e <= int(std::ceil(std::log10(high))); ++e)
        for (const int d : digits)
          if (const double v = d * std::pow(10.0, e); v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9))
            result.push_back(v);
      if (int(result.size()) >= std::min(count, 4)) return result;
    }
    result.clear();  // less than a third of a decade: linear steps read better
  }
  const double rough = (high - low) / std::max(1, count), power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double m : {5.0, 2.0, 1.0})
    if (m * power >= rough * 0.99) step = m * power;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i)
    result.push_back(i * step + 0.0);  // never -0
  return result;
}

/// "0.25", "20k", "1.5M", "1e-05"; `largest` decides the unit, so that all labels of an axis share it.
inline std::string tick_label(double value, double largest) {
  struct Unit {
    double size;
    const char* suffix;
  };
  Unit unit{1, ""};
  for (const Unit& u : {Unit{1e3, "k"}, Unit{1e6, "M"}, Unit{1e9, "G"}})
    if (largest >= 10 * u.size || (u.size > 1e3 && largest >= u.size)) unit = u;
  if (value == 0 || largest >= 1e12) unit = Unit{1, ""};
  char text[32];
  std::snprintf(text, sizeof text, "%.6g%s", value / unit.size, unit.suffix);
  return text;
}

}  // namespace modelgrow::inline v0
