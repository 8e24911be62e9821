// SPDX-License-Identifier: MIT
// A few numbers of each rank for all: added up, which is exact where every number is one rank's and 0 elsewhere.
#pragma once
#include <vector>

#include <modelgrow/dist/communicator.hpp>

namespace modelgrow::inline v0 {

/// Values become the sums over all ranks, which bring equally many; by way of device D.
template <Device D, class C>
requires Communicator<C, D>
void sum_over(C& ranks, std::vector<double>& values) {
  const Shape shape{std::int64_t(values.size())};
  const Tensor<double, D> there = to_device<D>(Tensor<double, Cpu>::from(shape, values));
  ranks.all_reduce(there, Sums::fast).wait();
  D::to_host(values.data(), there.data(), there.bytes());
}

}  // namespace modelgrow::inline v0
