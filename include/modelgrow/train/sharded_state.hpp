// SPDX-License-Identifier: MIT
// Moments, master weights and averages of one rank's rows, cut out of those of the whole model, and the whole of them
// again.
#pragma once
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/dist/communicator.hpp>
#include <modelgrow/dist/sum_over.hpp>
#include <modelgrow/train/adamw.hpp>
#include <modelgrow/train/ema.hpp>
#include <modelgrow/train/gradient_buckets.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Rows of a tensor in memory of their own.
template <class U, Device D>
Tensor<U, D> rows_alone(const Tensor<U, D>& whole, RowRange rows) {
  return whole.defined() ? only_rows(whole, rows).clone() : whole;
}

/// The rows of all ranks; `own` is undefined where this rank has none.
template <class C, class U, Device D>
Tensor<U, D> all_rows(C& ranks, const Cuts& cuts, const Shape& shape, const Tensor<U, D>& own) {
  const Tensor<U, D> whole{shape};
  const Tensor<U, D> here = cuts.part(whole, ranks.rank());
  if (own.defined()) D::copy(here.data(), own.data(), here.bytes());
  ranks.all_gather(whole, cuts).wait();
  return whole;
}

/// Elements of a parameter by rank.
template <class T, Device D>
Cuts element_cuts(const GradientBuckets<T, D>& gradients, std::size_t tensor, int ranks) {
  const std::int64_t columns = matrix_size(gradients.gradient(tensor).shape()).columns;
  std::vector<std::int64_t> sizes;
  for (int r = 0; r < ranks; ++r) {
    const auto [first, last] = gradients.rows_of(tensor, r);
    sizes.push_back((last - first) * columns);
  }
  return Cuts::of_sizes(sizes);
}

}  // namespace detail

/// Leaves the state and the averages of these rows in the place of those of the whole model.
template <class T, Device D>
void keep_rows(const RowsByPath& held, AdamW<T, D>& optimizer, Ema<T, D>* ema) {
  for (const auto& [path, rows] : held) {
    const bool none = rows.size() == 0;
    if (ema) {
      auto& averages = ema->averages();
      if (none)
        averages.erase(path);
      else
        averages.at(path) = detail::rows_alone(averages.at(path), rows);
    }
    const auto state = optimizer.states().find(path);
    if (state == optimizer.states().end()) continue;
    if (none) {
      optimizer.states().erase(state);
      continue;
    }
    auto& s = state->second;
    s.m = detail::rows_alone(s.m, rows);
    s.v = detail::rows_alone(s.v, rows);
    s.master = detail::rows_alone(s.master, rows);
    s.set_multipliers(s.lr(), only_rows(s.eps(), rows));
  }
}

/// The averages of the whole model from those of the rows of all ranks.
template <class C, class T, Device D>
Ema<T, D> gather_rows(C& ranks, const GradientBuckets<T, D>& gradients, const Ema<T, D>& ema) {
  Ema<T, D> whole = ema;
  for (std::size_t t = 0; t < gradients.tensors(); ++t) {
    const auto own = ema.averages().find(gradients.path(t));
    whole.averages()[gradients.path(t)] =
        detail::all_rows(ranks, detail::element_cuts(gradients, t, ranks.size()), gradients.gradient(t).shape(),
                         own == ema.averages().end() ? Tensor<Stat<T>, D>() : own->second);
  }
  return whole;
}

/// The state of the whole model from that of the rows of all ranks.
template <class C, class T, Device D>
AdamW<T, D> gather_rows(C& ranks, const GradientBuckets<T, D>& gradients, const AdamW<T, D>& optimizer) {
  AdamW<T, D> whole = optimizer;  // with the state of what is frozen, which every rank has
  for (std::size_t t = 0; t < gradients.tensors(); ++t) {
    const std::string& path = gradients.path(t);
    const auto found = optimizer.states().find(path);
    const AdamWState<T, D>* own = found == optimizer.states().end() ? nullptr : &found->second;
    const auto [first, last] = gradients.rows_of(t, ranks.rank());
    // Of all rows alike, said by the rank of the first: whether there is any state, and sizes of what follows.
    const bool says = own && first == 0;
    std::vector<double> facts(6);
    if (says)
      facts = {1.0,
               double(own->step),
               double(own->anneal),
               double(own->master.defined()),
               double(own->lr().size()),
               double(own->eps().size() > 1)};
    sum_over<D>(ranks, facts);
    whole.states().erase(path);
    if (facts[0] == 0.0) continue;
    const bool by_row = facts[5] != 0.0;
    auto lr = std::vector<double>(std::size_t(facts[4]));
    auto eps = std::vector<double>(by_row ? std::size_t(matrix_size(gradients.gradient(t).shape()).rows) : 1);
    if (says) lr = own->lr();
    if (own && by_row) std::copy_n(own->eps().begin(), last - first, eps.begin() + first);
    if (says && !by_row) eps = own->eps();
    sum_over<D>(ranks, lr);
    sum_over<D>(ranks, eps);

    const Cuts cuts = detail::element_cuts(gradients, t, ranks.size());
    const auto gathered = [&](Tensor<Stat<T>, D> AdamWState<T, D>::*tensor) {
      return detail::all_rows(ranks, cuts, gradients.gradient(t).shape(), own ? own->*tensor : Tensor<Stat<T>, D>());
    };
    AdamWState<T, D>& s = whole.states()[path];
    s.m = gathered(&AdamWState<T, D>::m);
    s.v = gathered(&AdamWState<T, D>::v);
    if (facts[3] != 0.0) s.master = gathered(&AdamWState<T, D>::master);
    s.step = std::int64_t(facts[1]);
    s.anneal = std::int64_t(facts[2]);
    s.set_multipliers(std::move(lr), std::move(eps));
  }
  return whole;
}

}  // namespace modelgrow::inline v0
