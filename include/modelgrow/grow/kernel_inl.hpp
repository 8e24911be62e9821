// SPDX-License-Identifier: MIT
// The definitions of kernel.hpp: what is known of a tensor before its first element, and of a row before its own.
#pragma once
#include <algorithm>
#include <utility>

#include <modelgrow/grow/kernel.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE Kernel::Kernel(const Recipe& recipe, Of of)
    : of_(of), share_(of == Of::updates ? 1 : recipe.share), copies_(of == Of::weights || share_ == 1) {
  const auto stages = stages_of(recipe);
  const Shape before = shape_of(recipe.source_axes);
  axes_.resize(std::size_t(recipe.shape.rank()));
  std::int64_t stride = 1, inner = 1;
  for (int a = recipe.shape.rank(); a-- > 0; stride *= before[a]) {
    auto& axis = axes_[std::size_t(a)];
    axis.size = recipe.shape[a];
    axis.stride = stride;
    axis.map = total_map(stages, std::size_t(a));
    if ((of == Of::first_moment || of == Of::updates) && recipe.moments == Moments::reset_new) mark_copies(axis.map);
    if (of == Of::updates) take_sizes_out(axis.map);
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
  even_ = of == Of::weights && split_ && !scaled_ && !blended_ && !noisy_ &&
          (!last_.split || std::ranges::min(last_.smallest) >= least_power);
  uneven_ = noisy_ && last_.split && std::ranges::max(last_.smallest) == 0;
  if (last_.finer.empty()) last_.finer.assign(noisy_ ? std::size_t(row_) : 0, 0);
  for (std::size_t j = 0; even_ && j < std::size_t(row_); ++j)
    powers_.add(last_.split ? last_.map.weight[j] : 1.0, last_.split ? last_.smallest[j] : 1.0);
}

/// Of updates: what has a gradient has the same one.
MODELGROW_INLINE void Kernel::take_sizes_out(AxisMap& map) {
  for (double& g : map.gradient) g = g != 0;
  for (double& s : map.scale) s = 1;
}

/// The last touched axis together with the contiguous elements behind each of its indices where these are few, else
/// these elements alone.
MODELGROW_INLINE void Kernel::make_last(std::int64_t inner) {
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
  twice_ = !map.from.empty();
  for (std::size_t j = 0; j < map.from.size(); ++j) twice_ &= map.from[j] == std::int64_t(j) / 2;
}

MODELGROW_INLINE void Kernel::add_layers(std::size_t a, const std::vector<Stage>& stages, const Recipe& recipe) {
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
      const OwnedShare share = nest(axis.share(j), OwnedShare{.lo = layer.lo[j], .hi = layer.hi[j]});
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

MODELGROW_INLINE void Kernel::enter(Row& row) const {
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
MODELGROW_INLINE void Kernel::draw_shares(Row& row) const {
  const auto size = std::size_t(row_);
  row.inner_lo.resize(size);
  row.inner_hi.resize(size);
  bool first_layer = true;
  const auto nest_inner = [&] {
    if (std::exchange(first_layer, false))
      row.lo.swap(row.inner_lo), row.hi.swap(row.inner_hi), row.inner_lo.resize(size), row.inner_hi.resize(size);
    else
      nest(row.lo.data(), row.hi.data(), row.inner_lo.data(), row.inner_hi.data(), row_);
  };
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
      nest_inner();
    }
  for (std::size_t l = 0; l < last_.layers.size(); ++l) {
    const Layer& layer = last_.layers[l];
    const LastNoise& noise = noise_[l];
    if (noise.places.size() < size) row.inner_lo = layer.lo, row.inner_hi = layer.hi;
    if (layer.noisy()) {
      const std::int64_t first = first_number(layer, row);
      row.ends.resize(5 * noise.groups.size());
      noise.groups.draw(layer.rng, first, row.ends.data());
      for (const auto& p : noise.places)
        put(row, std::size_t(p.index),
            OwnedShare{.lo = row.ends[std::size_t(p.lo)], .hi = row.ends[std::size_t(p.hi)]});
      for (const auto j : noise.many)
        put(row, std::size_t(j), layer.noisy_share(std::size_t(j), first + layer.number.back()[std::size_t(j)]));
    }
    nest_inner();
  }
}

}  // namespace detail

}  // namespace modelgrow::inline v0
