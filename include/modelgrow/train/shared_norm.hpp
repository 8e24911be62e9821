// SPDX-License-Identifier: MIT
// The norm of the gradient of a whole model, of which every rank has the sums of its own rows.
#pragma once
#include <span>
#include <vector>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/dist/communicator.hpp>
#include <modelgrow/train/gradient_buckets.hpp>

namespace modelgrow::inline v0 {

/// Writes the sum of the squares of all gradients. Ordered sums go by unit, in the order of the units: their bits do
/// not depend on how many ranks there are and who has which.
template <class C, class T, Device D>
requires Communicator<C, D>
void sum_squares(C& ranks, const GradientBuckets<T, D>& gradients, Sums sums, const Tensor<double, D>& sum) {
  using S = Stat<T>;
  std::vector<std::span<const S>> own;
  std::vector<std::int64_t> places;  // of these among all units
  std::int64_t units = 0;
  for (std::size_t b = 0; b < gradients.buckets().size(); ++b) {
    const Bucket& bucket = gradients.buckets()[b];
    const std::int64_t begin = bucket.cuts.begin(ranks.rank()), end = begin + bucket.cuts.size(ranks.rank());
    const auto ends = unit_ends(bucket);
    for (std::size_t u = 0; u + 1 < ends.size(); ++u, ++units) {
      if (ends[u] < begin || end < ends[u + 1]) continue;
      own.emplace_back(gradients.memory(b).data() + ends[u], std::size_t(ends[u + 1] - ends[u]));
      places.push_back(units);
    }
  }
  const auto add_squares = [](std::span<const std::span<const S>> of, double* to) {
    Backend<D>::template sum_of_squares<T>(of, to);
  };
  if (sums == Sums::fast) {
    D::zero(sum.data(), sum.bytes());
    add_squares(own, sum.data());
    ranks.all_reduce(sum, Sums::fast).wait();
    return;
  }
  const auto squares = Tensor<double, D>::zeros(Shape{units});
  for (std::size_t u = 0; u < own.size(); ++u) add_squares({&own[u], 1}, squares.data() + places[u]);
  ranks.all_reduce(squares, Sums::fast).wait();  // exact: every place has one number, and zeros
  const Tensor<double, Cpu> all = to_cpu(squares);
  double total = 0.0;
  for (std::int64_t u = 0; u < units; ++u) total += all.data()[u];
  D::from_host(sum.data(), &total, sizeof total);
}

}  // namespace modelgrow::inline v0
