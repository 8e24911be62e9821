// SPDX-License-Identifier: MIT
// Matrices that learned growth learns, and what they do to weights: products on the device of the model, so that they
// are as fast as its layers and counted with them.
#pragma once
#include <cmath>
#include <utility>
#include <vector>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/core/tensor.hpp>
#include <modelgrow/nn/initialise.hpp>

namespace modelgrow::inline v0 {

/// A matrix [rows, columns] that is learned by Adam, in double; the model's device holds it in the model's type.
template <class T, Device D>
struct Coefficients {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> value, gradient, m, v;
  Tensor<T, D> matrix = {}, slope = {};  // value and gradient where the model is

  Coefficients() = default;
  Coefficients(std::int64_t r, std::int64_t c)
      : rows(r), columns(c), value(std::size_t(r * c)), matrix({r, c}), slope(Tensor<T, D>::zeros({r, c})) {
    gradient = m = v = value;
  }
  double& at(std::int64_t i, std::int64_t j) { return value[std::size_t(i * columns + j)]; }

  void send() { assign(matrix, value); }
  /// Adds what the device has of the gradient.
  void fetch() {
    const auto host = to_cpu(slope);
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += double(Stat<T>(host.data()[i]));
    slope.zero();
  }
  /// Step number `n`, from 1 on; the gradient becomes zero.
  void step(double lr, std::int64_t n) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      const double g = std::exchange(gradient[i], 0.0);
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.99 * v[i] + 0.01 * g * g;
      value[i] -=
          lr * m[i] / (1 - std::pow(0.9, double(n))) / (std::sqrt(v[i] / (1 - std::pow(0.99, double(n)))) + 1e-8);
    }
  }
};

namespace detail {

/// Rows of coefficients applied to one factor of one axis: x [outer, columns, inner] -> [outer, rows, inner].
template <class T, HasBackend D>
struct FactorMap {
  Coefficients<T, D>* by = nullptr;
  std::int64_t outer = 1, inner = 1;
  std::int64_t first = 0, rows = 0;

  Tensor<T, D> forward(const Tensor<T, D>& x) const {
    Tensor<T, D> y({outer * rows * inner});
    if (inner == 1)
      Backend<D>::linear(across(), x.data(), matrix(), static_cast<const T*>(nullptr), y.data());
    else
      for (std::int64_t o = 0; o < outer; ++o)
        Backend<D>::linear_dx(along(), matrix(), x.data() + o * before(), y.data() + o * after(), Write::overwrite);
    return y;
  }
  /// Adds to the gradient of the coefficients, for that of y.
  void learn(const Tensor<T, D>& x, const Tensor<T, D>& dy) const {
    T* const slope = by->slope.data() + first * by->columns;
    if (inner == 1) return Backend<D>::linear_dw(across(), dy.data(), x.data(), slope, nullptr);
    const Tensor<T, D> part({rows, by->columns});
    for (std::int64_t o = 0; o < outer; ++o) {
      Backend<D>::linear({.rows = rows, .in = inner, .out = by->columns}, dy.data() + o * after(),
                         x.data() + o * before(), static_cast<const T*>(nullptr), part.data());
      Backend<D>::axpy(part.size(), 1.0, part.data(), slope);
    }
  }
  /// The gradient of x for that of y.
  Tensor<T, D> backward(const Tensor<T, D>& dy) const {
    auto dx = Tensor<T, D>::zeros({outer * by->columns * inner});
    if (inner == 1)
      Backend<D>::linear_dx(across(), dy.data(), matrix(), dx.data(), Write::overwrite);
    else
      for (std::int64_t o = 0; o < outer; ++o)
        Backend<D>::linear_dw(along(), matrix(), dy.data() + o * after(), dx.data() + o * before(), nullptr);
    return dx;
  }

 private:
  const T* matrix() const { return by->matrix.data() + first * by->columns; }
  std::int64_t before() const { return by->columns * inner; }
  std::int64_t after() const { return rows * inner; }
  LinearSize across() const { return {.rows = outer, .in = by->columns, .out = rows}; }
  LinearSize along() const { return {.rows = rows, .in = inner, .out = by->columns}; }
};

}  // namespace detail

}  // namespace modelgrow::inline v0
