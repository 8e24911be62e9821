// SPDX-License-Identifier: MIT
// Computes any range of elements of a grown tensor from its source, whatever was computed before: each element depends
// on its own index only, so tensors stream in tiles of any size on any number of threads.
#pragma once
#include <cstring>
#include <vector>

#include <modelgrow/core/dtype.hpp>
#include <modelgrow/grow/recipe.hpp>
#include <modelgrow/grow/symmetry.hpp>

namespace modelgrow::inline v0::detail {

/// Elements of a tensor that only its initialisation knows.
class Fresh {
 public:
  Fresh(const Init& init, const Shape& shape, std::uint64_t seed, std::string_view key)
      : kind_(init.kind), scale_(init.scale), rng_(seed, hash_name(key)) {
    if (kind_ != Init::Kind::xavier_uniform) return;
    const std::int64_t rows = shape.rank() > 0 ? shape[0] : 1, columns = shape.rank() > 1 ? shape[1] : 1;
    const std::int64_t field = rows * columns > 0 ? numel(shape) / (rows * columns) : 1;
    scale_ *= std::sqrt(6.0 / double((rows + columns) * field));
  }
  double operator()(std::int64_t i) const {
    const auto n = std::uint64_t(i);
    switch (kind_) {
      case Init::Kind::zeros:
        return 0;
      case Init::Kind::constant:
        return scale_;
      case Init::Kind::normal:
        return scale_ * rng_.normal(n);
      case Init::Kind::xavier_uniform:
        return scale_ * (2 * rng_.uniform(n) - 1);
    }
    return 0;
  }

 private:
  Init::Kind kind_;
  double scale_;
  Rng rng_;
};

/// Element i of a tensor in a file, whose bytes need not be aligned.
template <Element T>
double stored(const std::byte* data, std::int64_t i) {
  T x;
  std::memcpy(&x, data + sizeof(T) * std::size_t(i), sizeof(T));
  return element_cast<double>(x);
}

/// Elements of the tensor before growth: stored ones, or without data fresh ones.
template <Element T>
struct Source {
  const std::byte* data = nullptr;
  const Fresh* fresh = nullptr;
  double operator()(std::int64_t i) const {
    return data ? stored<T>(data, i) : element_cast<double>(element_cast<T>((*fresh)(i)));
  }
  void copy(std::int64_t i, std::int64_t n, T* out) const {
    if (data)
      std::memcpy(out, data + sizeof(T) * std::size_t(i), sizeof(T) * std::size_t(n));
    else
      for (std::int64_t k = 0; k < n; ++k) out[k] = element_cast<T>((*fresh)(i + k));
  }
};

/// The copies of each old index of an axis, in order of the new index.
struct Groups {
  std::vector<std::int64_t> begin;  // of each old index, in `split`
  std::vector<double> split;
  std::vector<std::int64_t> member;  // of each new index, within its group
  Groups(const AxisMap& map, std::int64_t old_size) : begin(std::size_t(old_size) + 1, 0) {
    for (auto i : map.from) ++begin[std::size_t(i) + 1];
    for (std::size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
    std::vector<std::int64_t> used(std::size_t(old_size), 0);
    split.resize(map.from.size());
    for (std::size_t j = 0; j < map.from.size(); ++j) {
      const auto i = std::size_t(map.from[j]);
      member.push_back(used[i]++);
      split[std::size_t(begin[i] + member.back())] = map.weight[j];
    }
  }
  std::span<const double> splits(std::int64_t i) const {
    return std::span(split).subspan(std::size_t(begin[std::size_t(i)]),
                                    std::size_t(begin[std::size_t(i) + 1] - begin[std::size_t(i)]));
  }
};

/// One remap of one consumer axis: which share of the weight before it each index takes.
struct Layer {
  std::vector<Share> share;        // by target index, without noise
  std::vector<std::int64_t> unit;  // by target index: the index after this stage
  std::vector<std::int64_t> old;   // by index after this stage: the index before it
  Groups groups;
  std::vector<double> range;                      // of the noise, by old index
  std::vector<std::vector<std::int64_t>> number;  // what each axis adds to the number of a weight, by target index
  Rng rng;
};

/// One axis of the target with all stages composed.
struct AxisKernel {
  std::int64_t size = 1, stride = 1;  // stride in the source
  AxisMap map;                        // empty `from`: untouched
  bool split = false;                 // a consumer axis that grew
  bool noisy = false;
  std::vector<Layer> layers;
  std::vector<Share> share;      // all layers, without noise
  std::vector<double> smallest;  // smallest split among the copies; 0 when not all are powers of two
  std::vector<int> finer;        // no copy takes more than 2^-finer of a weight

  std::int64_t offset(std::int64_t j) const { return stride * (map.from.empty() ? j : map.from[std::size_t(j)]); }
};

class Kernel {
 public:
  Kernel(const Recipe& recipe, Of of);

  /// Elements [begin, end) of the target. Thread-safe.
  template <Element T>
  void run(const Source<T>& read, std::int64_t begin, std::int64_t end, T* out) const {
    std::vector<std::int64_t> index(axes_.size());
    std::int64_t rest = begin / inner_, q = begin % inner_;
    for (std::size_t a = axes_.size(); a-- > 0; rest /= axes_[a].size) index[a] = rest % axes_[a].size;
    const AxisKernel& last = axes_.back();
    for (std::int64_t e = begin; e < end;) {
      std::int64_t base = 0;
      for (std::size_t a = 0; a + 1 < axes_.size(); ++a) base += axes_[a].offset(index[a]);
      for (auto& j = index.back(); j < last.size && e < end; ++j, q = 0) {
        const std::int64_t n = std::min(inner_ - q, end - e);
        emit<T>(read, index, q, base + last.offset(j) + q, n, out);
        out += n;
        e += n;
      }
      for (std::size_t a = axes_.size(); a-- > 0 && index[a] == axes_[a].size;) {
        index[a] = 0;
        if (a > 0) ++index[a - 1];
      }
    }
  }

 private:
  void add_layers(std::size_t axis, const std::vector<Stage>& stages, const Recipe& recipe);
  void finish_split(AxisKernel& axis, std::int64_t old_size, const std::vector<double>& largest);
  Share noisy(const std::vector<std::int64_t>& index, std::int64_t q) const;
  /// Where the parts of a blended element lie in the source, from that of the nearest; none: it is not blended.
  std::vector<Blend> parts(const std::vector<std::int64_t>& index) const {
    std::vector<Blend> all;
    for (std::size_t a = 0; a < axes_.size(); ++a) {
      const auto& map = axes_[a].map;
      if (map.blend.empty()) continue;
      const auto j = std::size_t(index[a]);
      std::vector<Blend> next;
      if (all.empty()) all.push_back(Blend{});
      for (const auto& before : all)
        for (const auto& p : map.blend[j])
          next.push_back(Blend{.unit = before.unit + axes_[a].stride * (p.unit - map.from[j]),
                               .weight = before.weight * p.weight});
      all = std::move(next);
    }
    return all;
  }

  template <Element T>
  void emit(const Source<T>& read, const std::vector<std::int64_t>& index, std::int64_t q, std::int64_t source,
            std::int64_t n, T* out) const {
    const auto blend = parts(index);
    const auto value = [&](std::int64_t i) {
      if (blend.empty()) return read(i);
      double sum = 0;
      for (const auto& p : blend) sum += p.weight * read(i + p.unit);
      return sum;
    };
    double scale = 1;
    bool fresh = false;
    for (std::size_t a = 0; a < axes_.size(); ++a)
      if (!axes_[a].map.scale.empty()) {
        scale *= axes_[a].map.scale[std::size_t(index[a])];
        fresh = fresh || axes_[a].map.fresh[std::size_t(index[a])];
      }
    if (of_ != Of::weights) {
      double factor = scale == 0 ? share_ : share_ / scale;
      for (std::size_t a = 0; a < axes_.size(); ++a)
        if (!axes_[a].map.from.empty()) factor *= axes_[a].map.gradient[std::size_t(index[a])];
      // What belongs to silent units has no first moment, and the second one of the unit that it stands beside: with
      // none, its first steps would be too large for a counter that goes on.
      if (fresh && of_ != Of::second_moment) factor = 0;
      if (of_ == Of::second_moment) factor *= factor;
      if (factor == 1 && blend.empty()) return read.copy(source, n, out);
      for (std::int64_t k = 0; k < n; ++k) out[k] = element_cast<T>(value(source + k) * factor);
      return;
    }
    if (scale == 0) {
      std::fill(out, out + n, T(0));
      return;
    }
    const auto weight = [&](std::int64_t i) {
      return scale == 1 && blend.empty() ? read(i) : element_cast<double>(element_cast<T>(value(i) * scale));
    };
    double factor = 1, smallest = 1;
    Share share;
    int finer = 0;
    for (std::size_t a = 0; a < axes_.size(); ++a) {
      if (!axes_[a].split) continue;
      const auto j = std::size_t(index[a]);
      factor *= axes_[a].map.weight[j];
      smallest *= axes_[a].smallest[j];
      finer += axes_[a].finer[j];
      if (!noisy_) share = nest(share, axes_[a].share[j]);
    }
    if (smallest == 1 && scale == 1 && blend.empty()) return read.copy(source, n, out);
    if (smallest > 0) {
      if (noisy_) share = noisy(index, q);  // of copies that have none
      for (std::int64_t k = 0; k < n; ++k)
        out[k] = element_cast<T>(scaled_or_part<T>(weight(source + k), factor, smallest, share, finer));
      return;
    }
    for (std::int64_t k = 0; k < n; ++k)
      out[k] = element_cast<T>(part_of<T>(weight(source + k), noisy_ ? noisy(index, q + k) : share, finer));
  }

  Of of_;
  double share_;                  // of the gradient
  std::vector<AxisKernel> axes_;  // without untouched trailing axes, which are
  std::int64_t inner_ = 1;        // contiguous in source and target
  bool noisy_ = false;
};

inline Kernel::Kernel(const Recipe& recipe, Of of) : of_(of), share_(recipe.share) {
  const auto stages = stages_of(recipe);
  const Shape before = shape_of(recipe.source_axes);
  axes_.resize(std::size_t(std::max(1, recipe.shape.rank())));
  std::int64_t stride = 1;
  for (int a = recipe.shape.rank(); a-- > 0; stride *= before[a]) {
    auto& axis = axes_[std::size_t(a)];
    axis.size = recipe.shape[a];
    axis.stride = stride;
    axis.map = total_map(stages, std::size_t(a));
    axis.split = recipe.source_axes[std::size_t(a)].role == Role::in && !axis.map.from.empty();
  }
  while (axes_.size() > 1 && axes_.back().map.from.empty()) {
    inner_ *= axes_.back().size;
    axes_.pop_back();
  }
  if (of != Of::weights) return;
  for (std::size_t a = 0; a < axes_.size(); ++a)
    if (axes_[a].split) add_layers(a, stages, recipe);
  for (auto& axis : axes_) noisy_ |= axis.noisy;
}

inline void Kernel::add_layers(std::size_t a, const std::vector<Stage>& stages, const Recipe& recipe) {
  AxisKernel& axis = axes_[a];
  const auto size = std::size_t(axis.size);
  axis.share.resize(size);
  std::vector<double> largest(size, 1.0);
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const AxisMap& map = stages[s].axes[a];
    if (map.from.empty() || !map.fresh.empty()) continue;  // silent units share nothing
    const std::vector<Stage> later(stages.begin() + std::ptrdiff_t(s) + 1, stages.end());
    const auto unit_of = [&](std::size_t b, std::int64_t n) {
      const auto m = total_map(later, b);
      return m.from.empty() ? identity_map(n).from : m.from;
    };
    Layer layer{.share = std::vector<Share>(size),
                .unit = unit_of(a, axis.size),
                .old = map.from,
                .groups = Groups(map, stages[s].before[int(a)]),
                .range = {},
                .number = {},
                .rng = Rng(stages[s].noise.seed, hash_name(recipe.touches[s].key) + a)};
    const bool noise = stages[s].noise.on();
    const std::int64_t old_size = stages[s].before[int(a)];
    for (std::int64_t i = 0; i < old_size; ++i) {
      const auto splits = layer.groups.splits(i);
      layer.range.push_back(noise && splits.size() > 1 ? noise_range(splits, stages[s].noise.db) : 0.0);
    }
    for (std::size_t j = 0; j < size; ++j) {
      const auto u = std::size_t(layer.unit[j]);
      const auto old = layer.old[u];
      const auto splits = layer.groups.splits(old);
      const auto member = std::size_t(layer.groups.member[u]);
      Share& share = layer.share[j];
      share.hi = 0;
      for (std::size_t m = 0; m <= member; ++m) share.lo = share.hi, share.hi += splits[m];
      if (member + 1 == splits.size()) share.hi = 1;
      axis.share[j] = nest(axis.share[j], share);
      largest[j] *= noise_headroom(splits[member], layer.range[std::size_t(old)]);
    }
    if (noise) {
      axis.noisy = true;
      std::int64_t stride = inner_;
      layer.number.resize(axes_.size());
      for (std::size_t b = axes_.size(); b-- > 0;) {
        layer.number[b] = unit_of(b, axes_[b].size);
        std::int64_t extent = 0;
        for (auto& n : layer.number[b]) {
          if (b == a) n = layer.old[std::size_t(n)];
          extent = std::max(extent, n + 1);
          n *= stride;
        }
        stride *= extent;
      }
    }
    axis.layers.push_back(std::move(layer));
  }
  finish_split(axis, shape_of(recipe.source_axes)[int(a)], largest);
}

inline void Kernel::finish_split(AxisKernel& axis, std::int64_t old_size, const std::vector<double>& largest) {
  std::vector<double> least(std::size_t(old_size), 1.0), most(std::size_t(old_size), 0.0);
  for (std::size_t j = 0; j < axis.map.from.size(); ++j) {
    const auto i = std::size_t(axis.map.from[j]);
    int exponent;
    const bool dyadic = std::frexp(axis.map.weight[j], &exponent) == 0.5 && largest[j] == axis.map.weight[j];
    least[i] = dyadic ? std::min(least[i], axis.map.weight[j]) : 0.0;
    most[i] = std::max(most[i], largest[j]);
  }
  for (std::size_t j = 0; j < axis.map.from.size(); ++j) {
    const auto i = std::size_t(axis.map.from[j]);
    axis.smallest.push_back(least[i]);
    const double bound = least[i] > 0 ? most[i] : most[i] * (1 + 1e-9);  // against rounding of the ends
    axis.finer.push_back(std::max(0, int(std::floor(-std::log2(bound)))));
  }
}

inline Share Kernel::noisy(const std::vector<std::int64_t>& index, std::int64_t q) const {
  Share share;
  for (std::size_t a = 0; a < axes_.size(); ++a)
    for (const auto& layer : axes_[a].layers) {
      const auto j = std::size_t(index[a]);
      const auto u = std::size_t(layer.unit[j]);
      const auto old = layer.old[u];
      if (layer.range[std::size_t(old)] == 0) {
        share = nest(share, layer.share[j]);
        continue;
      }
      std::int64_t number = q;
      for (std::size_t b = 0; b < axes_.size(); ++b) number += layer.number[b][std::size_t(index[b])];
      share = nest(share, noisy_share(layer.rng, std::uint64_t(number), layer.groups.splits(old),
                                      layer.range[std::size_t(old)], std::size_t(layer.groups.member[u])));
    }
  return share;
}

}  // namespace modelgrow::inline v0::detail
