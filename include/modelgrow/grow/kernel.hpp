// SPDX-License-Identifier: MIT
// Computes any range of elements of a grown tensor from its source, whatever was computed before: each element depends
// on its own index only, so tensors stream in tiles of any size on any number of threads.
#pragma once
#include <algorithm>
#include <vector>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/axis_kernel.hpp>
#include <modelgrow/grow/source.hpp>

namespace modelgrow::inline v0::detail {

class Kernel {
 public:
  Kernel(const Recipe& recipe, Of of);

  /// Elements [begin, end) of the target. Thread-safe.
  template <Element T>
  void run(const Source<T>& read, std::int64_t begin, std::int64_t end, T* out) const {
    Row row;
    row.index.resize(axes_.size());
    std::int64_t rest = begin / row_, j = begin % row_;
    for (std::size_t a = axes_.size(); a-- > 0; rest /= axes_[a].size) row.index[a] = rest % axes_[a].size;
    for (std::int64_t e = begin; e < end; j = 0) {
      enter(row);
      const std::int64_t n = std::min(row_ - j, end - e);
      if (copies_)
        copy(read, row, j, n, out);
      else
        for (std::int64_t k = 0; k < n; k += run_length) make(read, row, j + k, std::min(run_length, n - k), out + k);
      out += n;
      e += n;
      for (std::size_t a = axes_.size(); a-- > 0 && ++row.index[a] == axes_[a].size;) row.index[a] = 0;
    }
  }

  /// The first and the last element of the source that elements [begin, end) of the target are made from, and all
  /// between them.
  Rows reads(std::int64_t begin, std::int64_t end) const {
    const AxisKernel& outer = axes_.empty() ? last_ : axes_[0];
    std::int64_t each = axes_.empty() ? 1 : row_;
    for (std::size_t a = 1; a < axes_.size(); ++a) each *= axes_[a].size;
    Rows r{.begin = INT64_MAX, .end = 0};
    const auto add = [&](std::int64_t from) {
      r.begin = std::min(r.begin, from);
      r.end = std::max(r.end, from + outer.stride);
    };
    for (std::int64_t i = begin / each; i * each < end; ++i) {
      if (outer.map.blend.empty())
        add(outer.offset(i));
      else
        for (const auto& p : outer.map.blend[std::size_t(i)]) add(outer.stride * p.unit);
    }
    return r.begin < r.end ? r : Rows{};
  }

 private:
  /// What all elements of a row share: the axes before the last.
  struct Row {
    std::vector<std::int64_t> index;
    std::int64_t base = 0;
    double scale = 1, factor = 1, smallest = 1;
    std::int64_t finer = 0;
    bool fresh = false;
    OwnedShare share = {};
    std::vector<Blend> blend = {};
    std::vector<double> lo, hi, inner_lo, inner_hi, ends;  // with noise: the shares of its elements, and workspace
  };

  static void take_sizes_out(AxisMap& map);
  void add_layers(std::size_t axis, const std::vector<Stage>& stages, const Recipe& recipe);
  void make_last(std::int64_t inner);
  std::vector<std::vector<Layer>*> layers_of_all() {
    std::vector<std::vector<Layer>*> all{&last_.layers};
    for (auto& axis : axes_) all.push_back(&axis.layers);
    return all;
  }
  void enter(Row& row) const;
  void draw_shares(Row& row) const;
  static void put(Row& row, std::size_t j, const OwnedShare& share) {
    row.inner_lo[j] = share.lo;
    row.inner_hi[j] = share.hi;
  }
  /// What the axes before the last add to the numbers of the weights of a row.
  std::int64_t first_number(const Layer& layer, const Row& row) const {
    std::int64_t number = 0;
    for (std::size_t a = 0; a < axes_.size(); ++a) number += layer.number[a][std::size_t(row.index[a])];
    return number;
  }

  /// What an index of the last axis takes, where it takes anything but what is there.
  double of_last(const std::vector<double>& values, std::int64_t j) const {
    return values.empty() ? 1.0 : values[std::size_t(j)];
  }

  template <Element T>
  void copy(const Source<T>& read, const Row& row, std::int64_t j, std::int64_t n, T* out) const {
    for_stretches(j, n, [&](std::int64_t from, std::int64_t length) {
      read.copy(row.base + from, length, out);
      out += length;
    });
  }

  /// The stretch that holds index j of the last axis.
  std::vector<Stretch>::const_iterator stretch_of(std::int64_t j) const {
    return std::ranges::upper_bound(stretches_, j, {}, &Stretch::at) - 1;
  }

  /// Calls f(old index, n) for the stretches of indices [j, j + n) of the last axis.
  template <class F>
  void for_stretches(std::int64_t j, std::int64_t n, F&& f) const {
    if (last_.map.from.empty()) return f(j, n);
    auto s = stretch_of(j);
    for (const std::int64_t end = j + n; j < end; ++s) {
      const std::int64_t length = std::min(s->at + s->n, end) - j;
      f(s->from + (j - s->at), length);
      j += length;
    }
  }

  template <Element T>
  void load(const Source<T>& read, const Row& row, std::int64_t j, std::int64_t n, double* x) const {
    if (blended_) {
      for (std::int64_t k = 0; k < n; ++k) x[k] = blend(read, row, j + k);
    } else if (read.data && scattered_) {
      Elements<T>::gather(read.data + sizeof(T) * std::size_t(row.base), last_.map.from.data() + j, n, x);
    } else {
      for_stretches(j, n, [&](std::int64_t from, std::int64_t length) {
        read.load(row.base + from, length, x);
        x += length;
      });
    }
  }

  /// Stored elements [j, j + n) of a row, side by side: where they are, or in `copies`.
  template <Element T>
  const std::byte* side_by_side(const Source<T>& read, const Row& row, std::int64_t j, std::int64_t n,
                                RunOf<T>& copies) const {
    const std::byte* data = read.data + sizeof(T) * std::size_t(row.base);
    const auto* from = last_.map.from.data() + j;
    if (last_.map.from.empty()) return data + sizeof(T) * std::size_t(j);
    if (twice_ && j % 2 == 0) {
      T* to = copies.data();
      for (std::int64_t q = 0; 2 * q < n; ++q) {
        T x;
        std::memcpy(&x, data + sizeof(T) * std::size_t(j / 2 + q), sizeof(T));
        to[2 * q] = to[2 * q + 1] = x;
      }
    } else if (scattered_) {
      for (std::int64_t k = 0; k < n; ++k)
        std::memcpy(&copies[std::size_t(k)], data + sizeof(T) * std::size_t(from[k]), sizeof(T));
    } else if (const auto s = stretch_of(j); j + n <= s->at + s->n) {
      return data + sizeof(T) * std::size_t(from[0]);
    } else {
      copy(read, row, j, n, copies.data());
    }
    return reinterpret_cast<const std::byte*>(copies.data());
  }

  /// A weighted sum of elements, of weights as their type holds it.
  template <Element T>
  double blend(const Source<T>& read, const Row& row, std::int64_t j) const {
    const std::int64_t from = row.base + last_.offset(j);
    double sum = 0;
    const auto add = [&](const Blend& outer) {
      if (last_.map.blend.empty()) {
        sum += outer.weight * read(from + outer.unit);
      } else {
        for (const auto& p : last_.map.blend[std::size_t(j)])
          sum += outer.weight * p.weight * read(from + outer.unit + p.unit - last_.map.from[std::size_t(j)]);
      }
    };
    if (row.blend.empty())
      add(Blend{});
    else
      for (const auto& outer : row.blend) add(outer);
    return of_ == Of::weights ? element_cast<double>(element_cast<T>(sum)) : sum;
  }

  /// Elements [j, j + n) of a row, n <= run_length.
  template <Element T>
  void make(const Source<T>& read, const Row& row, std::int64_t j, std::int64_t n, T* out) const {
    if (even_ && read.data && row.smallest >= least_power) {
      RunOf<T> copies;
      const std::byte* data = side_by_side(read, row, j, n, copies);
      if (Elements<T>::scale(data, powers_, j, row.factor, row.smallest, n, out)) return;
    }
    RunOf<double> x, factor;
    load(read, row, j, n, x.data());
    if (of_ != Of::weights) {
      for (std::int64_t k = 0; k < n; ++k) factor[std::size_t(k)] = moment_factor(row, j + k);
      return Elements<T>::multiply(x.data(), factor.data(), n, out);
    }
    if (scaled_) {
      for (std::int64_t k = 0; k < n; ++k) factor[std::size_t(k)] = of_last(last_.map.scale, j + k);
      Elements<T>::rescale(x.data(), factor.data(), row.scale, n);
    }
    if (!split_) return Elements<T>::store(x.data(), n, out);
    if (noisy_ && (uneven_ || row.smallest == 0))
      return Elements<T>::parts(x.data(), row.lo.data() + j, row.hi.data() + j, last_.finer.data() + j, row.finer, n,
                                out);
    RunOf<double> smallest;
    bool even = true;
    for (std::int64_t k = 0; k < n; ++k) {
      const auto i = std::size_t(k);
      factor[i] = row.factor * (last_.split ? last_.map.weight[std::size_t(j + k)] : 1.0);
      smallest[i] = row.smallest * of_last(last_.smallest, j + k);
      even &= smallest[i] > 0;
    }
    if (even && Elements<T>::all_divide(x.data(), smallest.data(), n))
      return Elements<T>::multiply(x.data(), factor.data(), n, out);
    RunOf<double> lo, hi;
    RunOf<std::int64_t> finer;
    if (noisy_) {
      std::copy_n(row.lo.begin() + j, n, lo.begin());
      std::copy_n(row.hi.begin() + j, n, hi.begin());
    } else {
      std::fill_n(lo.begin(), n, row.share.lo);
      std::fill_n(hi.begin(), n, row.share.hi);
      if (last_.split) nest(lo.data(), hi.data(), last_.lo.data() + j, last_.hi.data() + j, n);
    }
    for (std::int64_t k = 0; k < n; ++k)
      finer[std::size_t(k)] = row.finer + (last_.split ? last_.finer[std::size_t(j + k)] : 0);
    Elements<T>::divide(x.data(), factor.data(), smallest.data(), lo.data(), hi.data(), finer.data(), n, out);
  }

  /// Of gradients and moments. What belongs to silent units has no first moment, and the second one of the unit that it
  /// stands beside: with none, its first steps would be too large for a counter that goes on.
  double moment_factor(const Row& row, std::int64_t j) const {
    const double scale = row.scale * of_last(last_.map.scale, j);
    double factor = (scale == 0 ? share_ : share_ / scale) * row.factor * of_last(last_.map.gradient, j);
    const bool fresh = row.fresh || (last_.scaled() && last_.map.fresh[std::size_t(j)]);
    if (fresh && of_ != Of::second_moment) factor = 0;
    return of_ == Of::second_moment ? factor * factor : factor;
  }

  static constexpr double least_power = 0x1p-40;  // what takes less goes the long way: powers of two end somewhere

  Of of_;
  double share_;                  // of the gradient
  std::vector<AxisKernel> axes_;  // all but the last
  AxisKernel last_;               // contiguous in source and target; untouched, or with a value for every index
  std::int64_t row_ = 1;          // its size
  std::vector<LastNoise> noise_;  // of its layers
  std::vector<Stretch> stretches_;
  PowersOfTwo powers_;      // of its elements, where even_
  bool scattered_ = false;  // its stretches are short
  bool twice_ = false;      // each old index stands there twice, side by side
  bool even_ = false;       // weights are only divided, by powers of two
  bool uneven_ = false;     // no copy of any index takes a power of two
  bool copies_, scaled_ = false, split_ = false, blended_ = false, noisy_ = false;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/kernel_inl.hpp>
#endif
