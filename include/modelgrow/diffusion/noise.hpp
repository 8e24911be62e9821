// SPDX-License-Identifier: MIT
// Gaussian noise that is a pure function of (seed, stream, index): the same on every device, thread count and
// resumption.
#pragma once
#include <modelgrow/core/parallel.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {

/// Standard normal values first .. first + numel(shape) - 1 of a stream, in row-major order.
template <class T, Device D = Cpu>
Tensor<T, D> gaussian_noise(const Shape& shape, const Rng& rng, std::uint64_t first = 0) {
  Tensor<T, Cpu> noise(shape);
  parallel_for(noise.size(), 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) noise.data()[i] = element_cast<T>(rng.normal(first + std::uint64_t(i)));
  });
  if constexpr (std::same_as<D, Cpu>) {
    return noise;
  } else {
    return to_device<D>(noise);
  }
}

}  // namespace modelgrow::inline v0
