// SPDX-License-Identifier: MIT
// Reproducible random tensors for tests.
#pragma once
#include <modelgrow/core/rng.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::testing {

/// Standard normal values; every `stream` gives other ones.
template <class T = double>
Tensor<T, Cpu> random_tensor(Shape shape, std::uint64_t stream, double scale = 1.0) {
  Tensor<T, Cpu> t(std::move(shape));
  const Rng rng(20240607, stream);
  for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = T(scale * rng.normal(std::uint64_t(i)));
  return t;
}

/// The same values in another type.
template <class U, class T>
Tensor<U, Cpu> cast(const Tensor<T, Cpu>& t) {
  Tensor<U, Cpu> out(t.shape());
  for (std::int64_t i = 0; i < t.size(); ++i) out.data()[i] = U(t.data()[i]);
  return out;
}

/// max |a - b| / max |b|, in double; infinite for values that are not numbers.
template <class T, class U>
double relative_error(const T* a, const U* b, std::int64_t n) {
  double difference = 0, size = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double d = std::abs(double(a[i]) - double(b[i]));
    if (!(d < 1e300)) return HUGE_VAL;
    difference = std::max(difference, d);
    size = std::max(size, std::abs(double(b[i])));
  }
  return size > 0 ? difference / size : difference;
}
template <class T, class U>
double relative_error(const Tensor<T, Cpu>& a, const Tensor<U, Cpu>& b) {
  return a.shape() == b.shape() ? relative_error(a.data(), b.data(), b.size()) : HUGE_VAL;
}

}  // namespace modelgrow::testing
