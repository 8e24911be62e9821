// SPDX-License-Identifier: MIT
// How far outputs move when a change is not exact: forward_check() finds the layer of a mistake, this the size of an
// approximation.
#pragma once
#include <cmath>

#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {

/// Sums over the outputs of a model before and after a change; batches may be added one by one.
struct OutputChange {
  double difference = 0, before = 0;  // sums of squares
  double max_abs = 0;

  /// Throws shape_error when the outputs have different shapes.
  template <class T>
  void add(const Tensor<T, Cpu>& old_output, const Tensor<T, Cpu>& new_output) {
    if (old_output.shape() != new_output.shape())
      throw shape_error("the output was " + to_string(old_output.shape()) + " and is now " +
                        to_string(new_output.shape()) + ": give both models the same clips");
    for (std::int64_t i = 0; i < old_output.size(); ++i) {
      const double a = double(old_output.data()[i]), d = double(new_output.data()[i]) - a;
      before += a * a;
      difference += d * d;
      max_abs = std::isfinite(d) ? std::max(max_abs, std::abs(d)) : INFINITY;
    }
  }
  /// |after - before| / |before|.
  double relative() const { return difference == 0 ? 0 : std::sqrt(difference / before); }
};

}  // namespace modelgrow::inline v0
