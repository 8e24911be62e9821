// SPDX-License-Identifier: MIT
// How far a grown tensor is from its ancestor: sums the copies along some axes, follows the copies along the others,
// and compares with the old bytes. For a linear map that is W' E_in = E_out W. Memory is a few rows.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <vector>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/core/parallel.hpp>
#include <modelgrow/grow/correspondence.hpp>
#include <modelgrow/grow/elements.hpp>

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
  bool scaled() const {
    return std::any_of(scale.begin(), scale.end(), [](double s) { return s != 1; });
  }
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
    const double x = stored<T>(data, i);
    return of == Of::second_moment ? std::sqrt(x) : x;
  }
  static void add(const std::byte* data, std::int64_t n, double* to) {
    for (std::int64_t q = 0; q < n; ++q) to[q] += read(data, q);
  }
  static void scatter(const std::byte* data, const std::int64_t* slot, std::int64_t n, double* to) {
    RunOf<double> x;
    for (std::int64_t q = 0; q < n; q += run_length) {
      const std::int64_t length = std::min(run_length, n - q);
      for (std::int64_t k = 0; k < length; ++k) x[std::size_t(k)] = read(data, q + k);
      for (std::int64_t k = 0; k < length; ++k) to[slot[q + k]] += x[std::size_t(k)];
    }
  }
  static void gather(const std::byte* data, const std::int64_t* place, std::int64_t n, double* to) {
    for (std::int64_t q = 0; q < n; ++q) to[q] = read(data, place[q]);
  }
  /// Scaled numbers as the type holds them; nothing is left of one whose scale is 0.
  static void rescale(double* x, const double* scale, double common, std::int64_t n) {
    Elements<T>::rescale(x, scale, common, n);
  }
};
/// The same, chosen at run time.
struct ComparedElements {
  std::size_t size;                                                // of one, in bytes
  void (*add)(const std::byte* data, std::int64_t n, double* to);  // n elements in a row
  void (*scatter)(const std::byte* data, const std::int64_t* slot, std::int64_t n, double* to);
  void (*gather)(const std::byte* data, const std::int64_t* place, std::int64_t n, double* to);
  void (*rescale)(double* x, const double* scale, double common, std::int64_t n);
};
template <Element T, Of of>
ComparedElements elements_as() {
  using As = ElementsAs<T, of>;
  return {.size = sizeof(T), .add = &As::add, .scatter = &As::scatter, .gather = &As::gather, .rescale = &As::rescale};
}

/// Takes differences of sums from what was expected; where the scale is no number, nothing is.
inline void compare(const double* expected, const double* sum, const double* scale, double common, std::int64_t n,
                    Residual& residual) {
  constexpr double largest = std::numeric_limits<double>::max();
  std::int64_t most = 0, size = 0, strange = 0;  // numbers that are not negative are ordered as their bits
  for (std::int64_t q = 0; q < n; ++q) {
    const double difference = std::abs(expected[q] - sum[q]);
    const bool compared = scale[q] * common == scale[q] * common, finite = difference <= largest;
    const auto bits_of = [&](double x) { return std::bit_cast<std::int64_t>(select(compared & finite, x, 0.0)); };
    most = std::max(most, bits_of(difference));
    size = std::max(size, bits_of(std::abs(expected[q])));
    strange += compared & !finite;
  }
  residual.most = std::max(residual.most, std::bit_cast<double>(most));
  residual.scale = std::max(residual.scale, std::bit_cast<double>(size));
  if (strange == 0) return;
  residual.finite = false;
  for (std::int64_t q = 0; q < n; ++q)
    if (!std::isnan(scale[q] * common) && !std::isfinite(expected[q] - sum[q]) &&
        (std::isfinite(expected[q]) || std::isfinite(sum[q])))
      residual.most = INFINITY;
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
  const std::int64_t chunk = std::clamp<std::int64_t>((std::int64_t{1} << 13) / std::max<std::int64_t>(1, slots), 1,
                                                      std::max<std::int64_t>(1, width));
  const std::int64_t chunks = (width + chunk - 1) / chunk;
  const bool scaled = outer.scaled() || middle.scaled() || inner.scaled();
  Residual result;
  std::mutex mutex;
  const std::int64_t grain =
      std::max<std::int64_t>(1, (std::int64_t{1} << 18) / std::max<std::int64_t>(1, rows * chunk));
  parallel_for(std::int64_t(outer.place.size()) * chunks, grain, [&](std::int64_t begin, std::int64_t end) {
    Residual mine;
    std::vector<double> sum(std::size_t(slots * chunk)), expected(sum.size());
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t o = job / chunks, q0 = job % chunks * chunk, n = std::min(width - q0, chunk);
      const std::int64_t base = outer.place[std::size_t(o)];
      const double scale = outer.scale[std::size_t(o)];
      const std::byte* run = grown + elements.size * std::size_t(o * rows * width + q0);
      std::fill(sum.begin(), sum.end(), 0.0);
      if (width == 1) {  // nothing is behind the summed axes: the slots lie side by side
        elements.scatter(run, middle.slot.data(), rows, sum.data());
        elements.gather(old + elements.size * std::size_t(base), middle.place.data(), slots, expected.data());
        if (scaled) elements.rescale(expected.data(), middle.scale.data(), scale * inner.scale[0], slots);
        compare(expected.data(), sum.data(), middle.scale.data(), scale * inner.scale[0], slots, mine);
        continue;
      }
      for (std::int64_t r = 0; r < rows; ++r)
        elements.add(run + elements.size * std::size_t(r * width), n, sum.data() + middle.slot[std::size_t(r)] * chunk);
      for (std::int64_t s = 0; s < slots; ++s) {
        const double* scales = inner.scale.data() + q0;
        const double common = scale * middle.scale[std::size_t(s)];
        elements.gather(old + elements.size * std::size_t(base + middle.place[std::size_t(s)]), inner.place.data() + q0,
                        n, expected.data());
        if (scaled) elements.rescale(expected.data(), scales, common, n);
        compare(expected.data(), sum.data() + s * chunk, scales, common, n, mine);
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
