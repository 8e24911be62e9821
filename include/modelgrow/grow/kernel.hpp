// SPDX-License-Identifier: MIT
// Computes any range of elements of a grown tensor from its source, whatever was computed before: each element depends
// on its own index only, so tensors stream in tiles of any size on any number of threads.
#pragma once
#include <vector>

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
    Share share = {};
    std::vector<Blend> blend = {};
    std::vector<double> lo, hi, inner_lo, inner_hi, ends;  // with noise: the shares of its elements, and workspace
  };

  void add_layers(std::size_t axis, const std::vector<Stage>& stages, const Recipe& recipe);
  void make_last(std::int64_t inner);
  std::vector<std::vector<Layer>*> layers_of_all() {
    std::vector<std::vector<Layer>*> all{&last_.layers};
    for (auto& axis : axes_) all.push_back(&axis.layers);
    return all;
  }
  void enter(Row& row) const;
  void draw_shares(Row& row) const;
  static void put(Row& row, std::size_t j, const Share& share) {
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

  /// Calls f(old index, n) for the stretches of indices [j, j + n) of the last axis.
  template <class F>
  void for_stretches(std::int64_t j, std::int64_t n, F&& f) const {
    if (last_.map.from.empty()) return f(j, n);
    auto s = std::upper_bound(stretches_.begin(), stretches_.end(), j,
                              [](std::int64_t at, const Stretch& x) { return at < x.at; }) -
             1;
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

  Of of_;
  double share_;                  // of the gradient
  std::vector<AxisKernel> axes_;  // all but the last
  AxisKernel last_;               // contiguous in source and target; untouched, or with a value for every index
  std::int64_t row_ = 1;          // its size
  std::vector<LastNoise> noise_;  // of its layers
  std::vector<Stretch> stretches_;
  bool scattered_ = false;  // its stretches are short
  bool copies_, scaled_ = false, split_ = false, blended_ = false, noisy_ = false;
};

inline Kernel::Kernel(const Recipe& recipe, Of of)
    : of_(of), share_(recipe.share), copies_(of == Of::weights || recipe.share == 1) {
  const auto stages = stages_of(recipe);
  const Shape before = shape_of(recipe.source_axes);
  axes_.resize(std::size_t(recipe.shape.rank()));
  std::int64_t stride = 1, inner = 1;
  for (int a = recipe.shape.rank(); a-- > 0; stride *= before[a]) {
    auto& axis = axes_[std::size_t(a)];
    axis.size = recipe.shape[a];
    axis.stride = stride;
    axis.map = total_map(stages, std::size_t(a));
    axis.split = of == Of::weights && recipe.source_axes[std::size_t(a)].role == Role::in && !axis.map.from.empty();
  }
  for (; !axes_.empty() && axes_.back().map.from.empty(); axes_.pop_back()) inner *= axes_.back().size;
  for (std::size_t a = 0; a < axes_.size(); ++a)
    if (axes_[a].split) add_layers(a, stages, recipe);
  for (const auto& axis : axes_) {
    const auto is_one = [](double x) { return x == 1; };
    const auto& factors = of == Of::weights ? axis.smallest : axis.map.gradient;
    copies_ &= std::all_of(factors.begin(), factors.end(), is_one) && !axis.scaled() && axis.map.blend.empty();
    scaled_ |= axis.scaled();
    blended_ |= !axis.map.blend.empty();
    split_ |= axis.split;
    noisy_ |= axis.noisy();
  }
  make_last(inner);
}

/// The last touched axis together with the contiguous elements behind each of its indices where these are few, else
/// these elements alone.
inline void Kernel::make_last(std::int64_t inner) {
  constexpr std::int64_t few = run_length / 4, most = std::int64_t{1} << 16;
  const bool together =
      !axes_.empty() &&
      (inner == 1 || (inner < few && axes_.back().size * inner <= most && axes_.back().map.blend.empty()));
  if (!together) {
    last_.size = row_ = inner;
    return;
  }
  last_ = std::move(axes_.back());
  axes_.pop_back();
  last_.size *= inner;
  last_.stride = 1;
  row_ = last_.size;
  auto& map = last_.map;
  for (auto* values : {&map.weight, &map.gradient, &map.scale, &last_.lo, &last_.hi, &last_.smallest})
    repeat_each(*values, inner);
  repeat_each(last_.finer, inner);
  const auto spread = [&](std::vector<std::int64_t>& indices, std::int64_t times) {
    std::vector<std::int64_t> all;
    for (const auto i : indices)
      for (std::int64_t q = 0; q < inner; ++q) all.push_back(i * times + q);
    indices = std::move(all);
  };
  spread(map.from, inner);
  std::vector<bool> fresh;
  for (const bool f : map.fresh) fresh.insert(fresh.end(), std::size_t(inner), f);
  map.fresh = std::move(fresh);
  for (auto& layer : last_.layers) {
    for (auto* values : {&layer.lo, &layer.hi, &layer.range}) repeat_each(*values, inner);
    for (auto* values : {&layer.old, &layer.member}) repeat_each(*values, inner);
  }
  for (auto* layers : layers_of_all())
    for (auto& layer : *layers)
      if (layer.noisy()) spread(layer.number.back(), 1);
  for (const auto& layer : last_.layers) noise_.push_back(noise_of(layer));
  stretches_ = stretches_of(map.from);
  scattered_ = std::int64_t(stretches_.size()) * 8 > row_;
}

inline void Kernel::add_layers(std::size_t a, const std::vector<Stage>& stages, const Recipe& recipe) {
  AxisKernel& axis = axes_[a];
  const auto size = std::size_t(axis.size);
  axis.lo.assign(size, 0.0);
  axis.hi.assign(size, 1.0);
  std::vector<double> largest(size, 1.0);
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const AxisMap& map = stages[s].axes[a];
    if (map.from.empty() || !map.fresh.empty()) continue;  // silent units share nothing
    const std::vector<Stage> later(stages.begin() + std::ptrdiff_t(s) + 1, stages.end());
    const auto unit_of = [&](std::size_t b, std::int64_t n) {
      const auto m = total_map(later, b);
      return m.from.empty() ? identity_map(n).from : m.from;
    };
    Layer layer =
        shares_of(stages[s], a, unit_of(a, axis.size), Rng(stages[s].noise.seed, hash_name(recipe.touches[s].key) + a));
    for (std::size_t j = 0; j < size; ++j) {
      const Share share = nest(axis.share(j), Share{.lo = layer.lo[j], .hi = layer.hi[j]});
      axis.lo[j] = share.lo;
      axis.hi[j] = share.hi;
      largest[j] *= noise_headroom(layer.splits(j)[std::size_t(layer.member[j])], layer.range[j]);
    }
    if (stages[s].noise.on()) {
      std::int64_t stride = 1;
      for (std::size_t b = axes_.size(); b < std::size_t(recipe.shape.rank()); ++b) stride *= recipe.shape[int(b)];
      layer.number.resize(axes_.size());
      for (std::size_t b = axes_.size(); b-- > 0;) {
        layer.number[b] = b == a ? layer.old : unit_of(b, axes_[b].size);
        std::int64_t extent = 0;
        for (auto& n : layer.number[b]) {
          extent = std::max(extent, n + 1);
          n *= stride;
        }
        stride *= extent;
      }
    }
    axis.layers.push_back(std::move(layer));
  }
  const auto& source = recipe.source_axes;
  finish_split(axis, shape_of(source)[int(a)], largest);
}

inline void Kernel::enter(Row& row) const {
  row.base = row.finer = 0;
  row.scale = row.factor = row.smallest = 1;
  row.fresh = false;
  row.share = {};
  row.blend.clear();
  for (std::size_t a = 0; a < axes_.size(); ++a) {
    const auto& axis = axes_[a];
    const auto j = std::size_t(row.index[a]);
    row.base += axis.offset(row.index[a]);
    if (axis.map.from.empty()) continue;
    if (axis.scaled()) {
      row.scale *= axis.map.scale[j];
      row.fresh = row.fresh || axis.map.fresh[j];
    }
    if (of_ != Of::weights) row.factor *= axis.map.gradient[j];
    if (axis.split) {
      row.factor *= axis.map.weight[j];
      row.smallest *= axis.smallest[j];
      row.finer += axis.finer[j];
      if (!noisy_) row.share = nest(row.share, axis.share(j));
    }
    if (axis.map.blend.empty()) continue;
    std::vector<Blend> next;
    if (row.blend.empty()) row.blend.push_back(Blend{});
    for (const auto& before : row.blend)
      for (const auto& p : axis.map.blend[j])
        next.push_back(
            Blend{.unit = before.unit + axis.stride * (p.unit - axis.map.from[j]), .weight = before.weight * p.weight});
    row.blend = std::move(next);
  }
  if (noisy_) draw_shares(row);
}

/// The shares of all elements of a row, through all layers of all axes.
inline void Kernel::draw_shares(Row& row) const {
  const auto size = std::size_t(row_);
  row.lo.assign(size, 0.0);
  row.hi.assign(size, 1.0);
  row.inner_lo.resize(size);
  row.inner_hi.resize(size);
  for (std::size_t a = 0; a < axes_.size(); ++a)
    for (const auto& layer : axes_[a].layers) {
      const auto here = std::size_t(row.index[a]);
      std::fill(row.inner_lo.begin(), row.inner_lo.end(), layer.lo[here]);
      std::fill(row.inner_hi.begin(), row.inner_hi.end(), layer.hi[here]);
      if (layer.noisy() && layer.range[here] > 0) {
        const bool counts = layer.number.size() == axes_.size();  // the last axis is untouched
        for (std::size_t j = 0; j < size; ++j)
          put(row, j,
              layer.noisy_share(here, first_number(layer, row) + (counts ? std::int64_t(j) : layer.number.back()[j])));
      }
      nest(row.lo.data(), row.hi.data(), row.inner_lo.data(), row.inner_hi.data(), row_);
    }
  for (std::size_t l = 0; l < last_.layers.size(); ++l) {
    const Layer& layer = last_.layers[l];
    row.inner_lo = layer.lo;
    row.inner_hi = layer.hi;
    if (layer.noisy()) {
      const LastNoise& noise = noise_[l];
      const std::int64_t first = first_number(layer, row);
      row.ends.resize(5 * noise.groups.size());
      noise.groups.draw(layer.rng, first, row.ends.data());
      for (const auto& p : noise.places)
        put(row, std::size_t(p.index), Share{.lo = row.ends[std::size_t(p.lo)], .hi = row.ends[std::size_t(p.hi)]});
      for (const auto j : noise.many)
        put(row, std::size_t(j), layer.noisy_share(std::size_t(j), first + layer.number.back()[std::size_t(j)]));
    }
    nest(row.lo.data(), row.hi.data(), row.inner_lo.data(), row.inner_hi.data(), row_);
  }
}

}  // namespace modelgrow::inline v0::detail
