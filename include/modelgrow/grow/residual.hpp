// SPDX-License-Identifier: MIT
// How far a grown tensor is from its ancestor: sums the copies along some axes, follows the copies along the others,
// and compares with the old bytes. For a linear map that is W' E_in = E_out W. Memory is a few rows.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <vector>

#include <modelgrow/checkpoint/not_finite.hpp>
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
  bool consecutive = true;  // the places are neighbours
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
    consecutive = stretches_of(place).size() <= 1;
  }
};

struct Residual {
  double most = 0;   // largest difference; infinite where only one of the two is a finite number
  double scale = 0;  // largest magnitude of the old tensor
  bool finite = true;
  double relative() const { return scale > 0 ? most / scale : most; }
  void add(const Residual& other) {
    most = std::max(most, other.most);
    scale = std::max(scale, other.scale);
    finite &= other.finite;
  }
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
  /// Sums of every k neighbours.
  static void add_groups(const std::byte* data, std::int64_t k, std::int64_t n, double* to) {
    if (k == 2)
      for (std::int64_t q = 0; q < n; ++q) to[q] += read(data, 2 * q) + read(data, 2 * q + 1);
    else
      for (std::int64_t q = 0; q < n; ++q)
        for (std::int64_t i = 0; i < k; ++i) to[q] += read(data, q * k + i);
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
  /// The largest magnitude; infinite or no number where one is.
  static double largest(const std::byte* data, std::int64_t n) {
    using Bits = BitsOf<T>;
    constexpr Bits magnitude = std::numeric_limits<Bits>::max() >> 1;
    Bits most = 0;  // magnitudes are ordered as their bits
    for (std::int64_t q = 0; q < n; ++q) {
      Bits x;
      std::memcpy(&x, data + sizeof(T) * std::size_t(q), sizeof x);
      most = std::max<Bits>(most, x & magnitude);
    }
    std::array<std::byte, sizeof(T)> element;
    std::memcpy(element.data(), &most, sizeof most);
    return read(element.data(), 0);
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
  void (*add_groups)(const std::byte* data, std::int64_t k, std::int64_t n, double* to);
  void (*scatter)(const std::byte* data, const std::int64_t* slot, std::int64_t n, double* to);
  void (*gather)(const std::byte* data, const std::int64_t* place, std::int64_t n, double* to);
  double (*largest)(const std::byte* data, std::int64_t n);
  void (*rescale)(double* x, const double* scale, double common, std::int64_t n);
};
template <Element T, Of of>
ComparedElements elements_as() {
  using As = ElementsAs<T, of>;
  return {.size = sizeof(T),
          .add = &As::add,
          .add_groups = &As::add_groups,
          .scatter = &As::scatter,
          .gather = &As::gather,
          .largest = &As::largest,
          .rescale = &As::rescale};
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

/// Compares the elements of a new tensor, summed, with those of the old one, in any pieces.
class Comparison {
 public:
  Comparison(const ComparedElements& elements, const std::byte* old, const std::vector<ComparedAxis>& axes)
      : elements_(elements), old_(old), runs_(axes), grouped_(groups_of(runs_.middle.slot)) {
    const auto& slot = runs_.middle.slot;
    if (grouped_ == 0) stretches_ = stretches_of(slot);
    if (stretches_.size() * 8 > slot.size()) stretches_.clear();  // too short to be worth it
    scaled_ = runs_.outer.scaled() || runs_.middle.scaled() || runs_.inner.scaled();
  }

  /// Elements of the new tensor that have to be seen together: the ones that are summed with each other.
  std::int64_t unit() const { return runs_.summed ? std::int64_t(runs_.middle.slot.size()) * width() : 1; }

  /// Of units [first, first + n), which begin at `grown`.
  Residual operator()(std::int64_t first, std::int64_t n, const std::byte* grown) const {
    Residual result;
    std::mutex mutex;
    const std::int64_t chunk =
        runs_.summed ? std::min(std::max(most_sums / slots(), least_columns), width()) : most_sums;
    const std::int64_t chunks = runs_.summed ? (width() + chunk - 1) / chunk : 1;
    const std::int64_t jobs = runs_.summed ? n * chunks : (n + chunk - 1) / chunk;
    const std::int64_t grain =
        std::max<std::int64_t>(1, (std::int64_t{1} << 18) / std::max<std::int64_t>(1, unit() * chunk));
    parallel_for(jobs, grain, [&](std::int64_t begin, std::int64_t end) {
      Residual mine;
      std::vector<double> sum(std::size_t(runs_.summed ? slots() * chunk : chunk)), expected(sum.size());
      for (std::int64_t job = begin; job < end; ++job) {
        if (runs_.summed) {
          const std::int64_t q = job % chunks * chunk;
          sums(first + job / chunks, q, std::min(width() - q, chunk), chunk,
               grown + elements_.size * std::size_t(job / chunks * unit()), sum.data(), expected.data(), mine);
        } else {
          const std::int64_t at = job * chunk;
          each(first + at, std::min(n - at, chunk), grown + elements_.size * std::size_t(at), sum.data(),
               expected.data(), mine);
        }
      }
      const std::lock_guard lock(mutex);
      result.add(mine);
    });
    return result;
  }

 private:
  static constexpr std::int64_t most_sums = std::int64_t{1} << 13;
  static constexpr std::int64_t least_columns = 16;  // of a row are read at once, however many rows are summed

  /// Axes before the summed ones, from the first to the last of these, and behind; without any, the last axis is
  /// behind.
  struct Runs {
    bool summed = false;
    ComparedRun outer, middle, inner;
    explicit Runs(const std::vector<ComparedAxis>& axes) : Runs(axes, bounds(axes)) {}

   private:
    struct Bounds {
      std::size_t first, last;
      bool summed;
    };
    static Bounds bounds(const std::vector<ComparedAxis>& axes) {
      std::size_t first = axes.size(), last = 0;
      for (std::size_t a = 0; a < axes.size(); ++a)
        if (axes[a].summed) first = std::min(first, a), last = a + 1;
      if (last > 0) return {.first = first, .last = last, .summed = true};
      first = axes.empty() ? 0 : axes.size() - 1;
      return {.first = first, .last = first, .summed = false};
    }
    static std::int64_t old_size(const std::vector<ComparedAxis>& axes, std::size_t begin) {
      std::int64_t n = 1;
      for (std::size_t a = begin; a < axes.size(); ++a) n *= axes[a].old_size;
      return n;
    }
    Runs(const std::vector<ComparedAxis>& axes, Bounds b)
        : summed(b.summed),
          outer(axes, 0, b.first, old_size(axes, 0)),
          middle(axes, b.first, b.last, old_size(axes, b.first)),
          inner(axes, b.last, axes.size(), old_size(axes, b.last)) {}
  };

  std::int64_t slots() const { return std::max<std::int64_t>(1, std::int64_t(runs_.middle.place.size())); }
  std::int64_t width() const { return std::max<std::int64_t>(1, std::int64_t(runs_.inner.slot.size())); }

  /// k where every k neighbours in turn share a slot; 0 where they do not.
  static std::int64_t groups_of(const std::vector<std::int64_t>& slot) {
    std::int64_t k = 0;
    while (std::size_t(k) < slot.size() && slot[std::size_t(k)] == 0) ++k;
    if (k == 0 || slot.size() % std::size_t(k) != 0) return 0;
    for (std::size_t j = 0; j < slot.size(); ++j)
      if (slot[j] != std::int64_t(j) / k) return 0;
    return k > 1 ? k : 0;
  }

  /// The old numbers of places [q, q + n) of a run, behind `base`.
  void load(const ComparedRun& run, std::int64_t base, std::int64_t q, std::int64_t n, double* to) const {
    const std::byte* from = old_ + elements_.size * std::size_t(base);
    if (!run.consecutive) return elements_.gather(from, run.place.data() + q, n, to);
    std::fill_n(to, n, 0.0);
    elements_.add(from + elements_.size * std::size_t(run.place[std::size_t(q)]), n, to);
  }

  /// Whether elements [q, q + n) of the last axis are the old ones to the bit, and finite.
  bool same_bytes(std::int64_t base, std::int64_t q, std::int64_t n, const std::byte* grown, Residual& found) const {
    if (scaled_ || !runs_.inner.consecutive) return false;
    const std::byte* from = old_ + elements_.size * std::size_t(base + runs_.inner.place[std::size_t(q)]);
    if (std::memcmp(grown, from, elements_.size * std::size_t(n)) != 0) return false;
    const double largest = elements_.largest(grown, n);
    if (!std::isfinite(largest)) return false;
    found.scale = std::max(found.scale, largest);
    return true;
  }

  /// Elements that are not summed, from the first on.
  void each(std::int64_t first, std::int64_t n, const std::byte* grown, double* value, double* expected,
            Residual& found) const {
    for (std::int64_t at = 0, length; at < n; at += length) {
      const std::int64_t o = (first + at) / width(), q = (first + at) % width();
      length = std::min(width() - q, n - at);
      const double common = runs_.outer.scale[std::size_t(o)] * runs_.middle.scale[0];
      const double* scales = runs_.inner.scale.data() + q;
      const std::byte* data = grown + elements_.size * std::size_t(at);
      const std::int64_t base = runs_.outer.place[std::size_t(o)] + runs_.middle.place[0];
      if (same_bytes(base, q, length, data, found)) continue;
      std::fill_n(value, length, 0.0);
      elements_.add(data, length, value);
      load(runs_.inner, base, q, length, expected);
      if (scaled_) elements_.rescale(expected, scales, common, length);
      compare(expected, value, scales, common, length, found);
    }
  }

  /// Elements [q, q + n) behind the summed axes of unit `o`, which begins at `grown`.
  void sums(std::int64_t o, std::int64_t q, std::int64_t n, std::int64_t chunk, const std::byte* grown, double* sum,
            double* expected, Residual& found) const {
    const auto &slot = runs_.middle.slot, &place = runs_.middle.place;
    const auto& scale = runs_.middle.scale;
    const auto rows = std::int64_t(slot.size());
    const std::int64_t base = runs_.outer.place[std::size_t(o)];
    const double common = runs_.outer.scale[std::size_t(o)];
    std::fill_n(sum, slots() * chunk, 0.0);
    if (width() == 1) {  // nothing is behind the summed axes: the slots lie side by side
      if (grouped_ > 0) {
        elements_.add_groups(grown, grouped_, slots(), sum);
      } else if (!stretches_.empty()) {
        for (const auto& s : stretches_) elements_.add(grown + elements_.size * std::size_t(s.at), s.n, sum + s.from);
      } else {
        elements_.scatter(grown, slot.data(), rows, sum);
      }
      load(runs_.middle, base, 0, slots(), expected);
      if (scaled_) elements_.rescale(expected, scale.data(), common * runs_.inner.scale[0], slots());
      return compare(expected, sum, scale.data(), common * runs_.inner.scale[0], slots(), found);
    }
    const std::byte* run = grown + elements_.size * std::size_t(q);
    for (std::int64_t r = 0; r < rows; ++r)
      elements_.add(run + elements_.size * std::size_t(r * width()), n, sum + slot[std::size_t(r)] * chunk);
    for (std::int64_t s = 0; s < slots(); ++s) {
      const double* scales = runs_.inner.scale.data() + q;
      load(runs_.inner, base + place[std::size_t(s)], q, n, expected);
      if (scaled_) elements_.rescale(expected, scales, common * scale[std::size_t(s)], n);
      compare(expected, sum + s * chunk, scales, common * scale[std::size_t(s)], n, found);
    }
  }

  ComparedElements elements_;
  const std::byte* old_;
  Runs runs_;
  std::int64_t grouped_;            // the slots of the summed axes are groups of so many; 0: they are not
  std::vector<Stretch> stretches_;  // they are stretches of neighbours; empty: they are not
  bool scaled_;
};

inline bool all_zero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace modelgrow::inline v0::detail
