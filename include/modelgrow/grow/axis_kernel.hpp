// SPDX-License-Identifier: MIT
// One axis of a grown tensor with all stages composed: for every new index, where it comes from and what it takes.
#pragma once
#include <cmath>
#include <map>
#include <span>
#include <vector>

#include <modelgrow/grow/elements.hpp>
#include <modelgrow/grow/recipe.hpp>

namespace modelgrow::inline v0::detail {

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

/// One remap of one consumer axis: by target index, the share of the weight before it.
struct Layer {
  Groups groups;
  std::vector<std::int64_t> old;                  // the index before it
  std::vector<double> lo, hi;                     // without noise
  std::vector<double> range;                      // of the noise; 0: there is none
  std::vector<std::int64_t> member;               // among the copies
  std::vector<std::vector<std::int64_t>> number;  // what each axis adds to the number of a weight; empty: no noise
  Rng rng;

  bool noisy() const { return !number.empty(); }
  std::span<const double> splits(std::size_t j) const { return groups.splits(old[j]); }
  /// The share of weight `n` that index j takes.
  OwnedShare noisy_share(std::size_t j, std::int64_t n) const {
    return detail::noisy_share(rng, std::uint64_t(n), splits(j), range[j], std::size_t(member[j]));
  }
};

/// The noise of a layer of the last axis: which weights it divides, and where each index finds its share of one.
struct LastNoise {
  struct Place {
    std::int64_t index, lo, hi;  // the last two in the ends that the groups draw
  };
  NoisyGroups groups;
  std::vector<Place> places;
  std::vector<std::int64_t> many;  // indices that share with more than four
};

/// By target index; empty vectors: nothing is scaled, no share is taken.
struct AxisKernel {
  std::int64_t size = 1, stride = 1;  // stride in the source
  AxisMap map;                        // empty `from`: untouched
  bool split = false;                 // a consumer axis that grew
  std::vector<Layer> layers;
  std::vector<double> lo, hi;       // the share of all layers, without noise
  std::vector<double> smallest;     // smallest split among the copies; 0 when not all are powers of two
  std::vector<std::int64_t> finer;  // no copy takes more than 2^-finer of a weight

  std::int64_t offset(std::int64_t j) const { return stride * (map.from.empty() ? j : map.from[std::size_t(j)]); }
  OwnedShare share(std::size_t j) const { return split ? OwnedShare{.lo = lo[j], .hi = hi[j]} : OwnedShare{}; }
  bool scaled() const { return !map.scale.empty(); }
  bool noisy() const {
    return std::any_of(layers.begin(), layers.end(), [](const Layer& l) { return l.noisy(); });
  }
};

/// The share of a layer for every target index, whose index behind the layer is `unit[j]`.
inline Layer shares_of(const Stage& stage, std::size_t axis, const std::vector<std::int64_t>& unit, Rng rng) {
  const AxisMap& map = stage.axes[axis];
  Layer layer{.groups = Groups(map, stage.before[int(axis)]),
              .old = {},
              .lo = {},
              .hi = {},
              .range = {},
              .member = {},
              .number = {},
              .rng = rng};
  for (const auto u : unit) {
    layer.old.push_back(map.from[std::size_t(u)]);
    const auto splits = layer.groups.splits(layer.old.back());
    const auto member = std::size_t(layer.groups.member[std::size_t(u)]);
    OwnedShare share{.lo = 0, .hi = 0};
    for (std::size_t m = 0; m <= member; ++m) share.lo = share.hi, share.hi += splits[m];
    if (member + 1 == splits.size()) share.hi = 1;
    layer.lo.push_back(share.lo);
    layer.hi.push_back(share.hi);
    const bool noisy = stage.noise.on() && splits.size() > 1;
    layer.range.push_back(noisy ? noise_range(splits, stage.noise.db) : 0.0);
    layer.member.push_back(std::int64_t(member));
  }
  return layer;
}

/// Fills what follows from the layers of an axis: `largest[j]` is the most that a copy can take.
inline void finish_split(AxisKernel& axis, std::int64_t old_size, const std::vector<double>& largest) {
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

/// What is drawn for a layer of the last axis.
inline LastNoise noise_of(const Layer& layer) {
  LastNoise noise;
  if (!layer.noisy()) return noise;
  std::map<std::int64_t, std::int64_t> group;  // by number
  const auto noisy = [&](std::size_t j) { return layer.range[j] > 0; };
  for (std::size_t j = 0; j < layer.old.size(); ++j) {
    if (!noisy(j)) continue;
    if (layer.splits(j).size() > 4)
      noise.many.push_back(std::int64_t(j));
    else if (const auto n = layer.number.back()[j]; group.emplace(n, std::int64_t(noise.groups.size())).second)
      noise.groups.add(n, layer.range[j], layer.splits(j));
  }
  const auto groups = std::int64_t(noise.groups.size());
  for (std::size_t j = 0; j < layer.old.size(); ++j) {
    if (!noisy(j) || layer.splits(j).size() > 4) continue;
    const std::int64_t lo = layer.member[j] * groups + group.at(layer.number.back()[j]);
    noise.places.push_back({.index = std::int64_t(j), .lo = lo, .hi = lo + groups});
  }
  return noise;
}

/// Every value `times` over, as for an axis that a contiguous one of that size follows.
template <class V>
void repeat_each(std::vector<V>& values, std::int64_t times) {
  std::vector<V> all;
  all.reserve(values.size() * std::size_t(times));
  for (const auto& v : values) all.insert(all.end(), std::size_t(times), v);
  values = std::move(all);
}

}  // namespace modelgrow::inline v0::detail
