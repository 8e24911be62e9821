// SPDX-License-Identifier: MIT
// How far a grown tensor is from its ancestor: sums the copies along some axes, follows the copies along the others,
// and compares with the old bytes. For a linear map that is W' E_in = E_out W. Memory is a few rows.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <vector>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/core/parallel.hpp>
#include <modelgrow/grow/correspondence.hpp>

namespace modelgrow::inline v0::detail {

/// One axis of a comparison.
struct ComparedAxis {
  AxisUnits units;
  std::int64_t old_size = 1;
  bool summed = false;
  std::int64_t size() const { return std::int64_t(units.ancestor.size()); }
};

/// A run of axes as one: for each new index, its slot; for each slot, its place in the old tensor and what becomes of
/// the number there. Summed axes have one slot for each ancestor, others one for each new index.
struct ComparedRun {
  std::vector<std::int64_t> slot{0}, place{0};
  std::vector<double> scale{1.0};
  ComparedRun(const std::vector<ComparedAxis>& axes, std::size_t begin, std::size_t end, std::int64_t stride) {
    for (std::size_t a = begin; a < end; ++a) stride /= axes[a].old_size;  // of the axis before the run, to the last
    std::vector<std::int64_t> strides(end - begin);
    for (std::size_t a = end; a-- > begin; stride *= axes[a].old_size) strides[a - begin] = stride;
    for (std::size_t a = begin; a < end; ++a) {
      const auto& axis = axes[a];
      const auto& units = axis.units;
      const std::int64_t slots = axis.summed ? std::int64_t(units.old.size()) : axis.size();
      std::vector<std::int64_t> next_slot, next_place;
      std::vector<double> next_scale;
      for (auto s : slot)
        for (std::int64_t j = 0; j < axis.size(); ++j)
          next_slot.push_back(s * slots + (axis.summed ? units.ancestor[std::size_t(j)] : j));
      for (std::size_t s = 0; s < place.size(); ++s)
        for (std::int64_t j = 0; j < slots; ++j) {
          const auto ancestor = std::size_t(axis.summed ? j : units.ancestor[std::size_t(j)]);
          next_place.push_back(place[s] + strides[a - begin] * units.old[ancestor]);
          next_scale.push_back(scale[s] * units.scale[ancestor]);
        }
      slot = std::move(next_slot);
      place = std::move(next_place);
      scale = std::move(next_scale);
    }
  }
};

struct Residual {
  double most = 0;   // largest difference; infinite where only one of the two is a finite number
  double scale = 0;  // largest magnitude of the old tensor
  bool finite = true;
  double relative() const { return scale > 0 ? most / scale : most; }
};

/// Elements of one type as they are compared: second moments by their roots, which add up.
template <Element T, Of of>
struct ElementsAs {
  static double read(const std::byte* data, std::int64_t i) {
    T x;
    std::memcpy(&x, data + sizeof(T) * std::size_t(i), sizeof x);
    return of == Of::second_moment ? std::sqrt(element_cast<double>(x)) : element_cast<double>(x);
  }
  static void add(const std::byte* data, std::int64_t n, double* to) {
    for (std::int64_t q = 0; q < n; ++q) to[q] += read(data, q);
  }
  static void gather(const std::byte* data, const std::int64_t* place, std::int64_t n, double* to) {
    for (std::int64_t q = 0; q < n; ++q) to[q] = read(data, place[q]);
  }
  /// A scaled number as the type holds it; nothing is left of one whose scale is 0.
  static double scaled(double x, double scale) {
    return scale == 1 ? x : scale == 0 ? 0 : element_cast<double>(element_cast<T>(x * scale));
  }
};
/// The same, chosen at run time.
struct ComparedElements {
  std::size_t size;                                                // of one, in bytes
  void (*add)(const std::byte* data, std::int64_t n, double* to);  // n elements in a row
  void (*gather)(const std::byte* data, const std::int64_t* place, std::int64_t n, double* to);
  double (*scaled)(double x, double scale);
};
template <Element T, Of of>
ComparedElements elements_as() {
  return {.size = sizeof(T),
          .add = &ElementsAs<T, of>::add,
          .gather = &ElementsAs<T, of>::gather,
          .scaled = &ElementsAs<T, of>::scaled};
}

/// Compares the new elements, summed, with the old ones.
inline Residual residual_of(const ComparedElements& elements, const std::byte* grown, const std::byte* old,
                            const std::vector<ComparedAxis>& axes) {
  // Axes before the summed ones, from the first to the last of these, and behind; without any, the last axis is behind.
  std::size_t first = axes.size(), last = 0;
  for (std::size_t a = 0; a < axes.size(); ++a)
    if (axes[a].summed) first = std::min(first, a), last = a + 1;
  if (last == 0) first = last = axes.empty() ? 0 : axes.size() - 1;
  const auto old_size = [&](std::size_t begin, std::size_t end) {
    std::int64_t n = 1;
    for (std::size_t a = begin; a < end; ++a) n *= axes[a].old_size;
    return n;
  };
  const ComparedRun outer(axes, 0, first, old_size(0, axes.size())),
      middle(axes, first, last, old_size(first, axes.size())),
      inner(axes, last, axes.size(), old_size(last, axes.size()));
  const auto slots = std::int64_t(middle.place.size()), rows = std::int64_t(middle.slot.size()),
             width = std::int64_t(inner.slot.size());
  const std::int64_t chunk = std::clamp<std::int64_t>((std::int64_t{1} << 16) / std::max<std::int64_t>(1, slots), 1,
                                                      std::max<std::int64_t>(1, width));
  const std::int64_t chunks = (width + chunk - 1) / chunk;
  Residual result;
  std::mutex mutex;
  const std::int64_t grain =
      std::max<std::int64_t>(1, (std::int64_t{1} << 18) / std::max<std::int64_t>(1, rows * chunk));
  parallel_for(std::int64_t(outer.place.size()) * chunks, grain, [&](std::int64_t begin, std::int64_t end) {
    Residual mine;
    std::vector<double> sum(std::size_t(slots * chunk)), expected(static_cast<std::size_t>(chunk));
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t o = job / chunks, q0 = job % chunks * chunk, n = std::min(width - q0, chunk);
      std::fill(sum.begin(), sum.end(), 0.0);
      for (std::int64_t r = 0; r < rows; ++r) {
        double* to = sum.data() + middle.slot[std::size_t(r)] * chunk;
        elements.add(grown + elements.size * std::size_t((o * rows + r) * width + q0), n, to);
      }
      for (std::int64_t s = 0; s < slots; ++s) {
        const double* total = sum.data() + s * chunk;
        const std::int64_t base = outer.place[std::size_t(o)] + middle.place[std::size_t(s)];
        elements.gather(old + elements.size * std::size_t(base), inner.place.data() + q0, n, expected.data());
        for (std::int64_t q = 0; q < n; ++q) {
          const double scale =
              outer.scale[std::size_t(o)] * middle.scale[std::size_t(s)] * inner.scale[std::size_t(q0 + q)];
          if (std::isnan(scale)) continue;
          const double x = elements.scaled(expected[std::size_t(q)], scale);
          const double difference = std::abs(x - total[q]);
          if (std::isfinite(difference)) {
            mine.scale = std::max(mine.scale, std::abs(x));
            mine.most = std::max(mine.most, difference);
          } else {
            mine.finite = false;
            if (std::isfinite(x) || std::isfinite(total[q])) mine.most = INFINITY;
          }
        }
      }
    }
    const std::lock_guard lock(mutex);
    result.most = std::max(result.most, mine.most);
    result.scale = std::max(result.scale, mine.scale);
    result.finite &= mine.finite;
  });
  return result;
}

inline bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace modelgrow::inline v0::detail
