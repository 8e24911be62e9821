// SPDX-License-Identifier: MIT
// The elements of a tensor before growth: stored in a file, or made by an initialisation.
#pragma once
#include <cmath>
#include <cstring>
#include <string_view>

#include <modelgrow/core/rng.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/grow/elements.hpp>

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

/// Elements of the tensor before growth: stored ones, or without data fresh ones.
template <Element T>
struct Source {
  const std::byte* data = nullptr;
  const Fresh* fresh = nullptr;

  T at(std::int64_t i) const {
    if (!data) return element_cast<T>((*fresh)(i));
    T x;
    std::memcpy(&x, data + sizeof(T) * std::size_t(i), sizeof(T));
    return x;
  }
  double operator()(std::int64_t i) const { return element_cast<double>(at(i)); }
  void copy(std::int64_t i, std::int64_t n, T* out) const {
    if (data)
      std::memcpy(out, data + sizeof(T) * std::size_t(i), sizeof(T) * std::size_t(n));
    else
      for (std::int64_t k = 0; k < n; ++k) out[k] = at(i + k);
  }
  void load(std::int64_t i, std::int64_t n, double* x) const {
    if (data)
      Elements<T>::load(data + sizeof(T) * std::size_t(i), n, x);
    else
      for (std::int64_t k = 0; k < n; ++k) x[k] = (*this)(i + k);
  }
};

}  // namespace modelgrow::inline v0::detail
