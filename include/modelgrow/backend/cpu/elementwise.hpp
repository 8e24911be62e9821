// SPDX-License-Identifier: MIT
// Functions of single values: activations, sums, and the mean squared error.
#pragma once
#include <span>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cpu/arrays.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct Elementwise {
  template <class T>
  static void activation(Activation kind, std::int64_t n, const T* x, T* y) {
    for_pieces(n, [=](std::int64_t i, std::int64_t m) {
      const auto v = array(x + i, m);
      if (kind == Activation::silu)
        array(y + i, m) = v / ((-v).exp() + T(1));
      else
        array(y + i, m) = v / ((v * (v.square() * T(-2 * gelu_b * gelu_a) + T(-2 * gelu_b))).exp() + T(1));
    });
  }
  template <class T>
  static void activation_dx(Activation kind, std::int64_t n, const T* x, const T* dy, T* dx) {
    constexpr std::int64_t block = 512;  // intermediate values stay in the first-level cache
    for_pieces(n, [=](std::int64_t first, std::int64_t count) {
      Eigen::Array<T, block, 1> decay, sigmoid;
      for (std::int64_t i = first; i < first + count; i += block) {
        const std::int64_t m = std::min(block, first + count - i);
        const auto v = array(x + i, m), g = array(dy + i, m);
        // s = 1 / (1 + e), and e s = 1 - s without cancellation; the bound keeps e finite.
        auto e = decay.head(m), s = sigmoid.head(m);
        if (kind == Activation::silu) {
          e = (-v).min(T(80)).exp();
          s = (e + T(1)).inverse();
          array(dx + i, m) = g * s * (v * (e * s) + T(1));
        } else {
          e = (v * (v.square() * T(-2 * gelu_b * gelu_a) + T(-2 * gelu_b))).min(T(80)).exp();
          s = (e + T(1)).inverse();
          array(dx + i, m) = g * s * (v * (e * s) * (v.square() * T(6 * gelu_b * gelu_a) + T(2 * gelu_b)) + T(1));
        }
      }
    });
  }

  template <class T>
  static void add(std::int64_t n, const T* a, const T* b, T* y) {
    for_pieces(n, [=](std::int64_t i, std::int64_t m) { array(y + i, m) = array(a + i, m) + array(b + i, m); });
  }
  template <class T>
  static void fill(std::int64_t n, T value, T* y) {
    for_pieces(n, [=](std::int64_t i, std::int64_t m) { array(y + i, m).setConstant(value); });
  }
  template <class T>
  static void lerp(std::int64_t n, double weight, const T* x, T* y) {
    for_pieces(
        n, [=](std::int64_t i, std::int64_t m) { array(y + i, m) += T(weight) * (array(x + i, m) - array(y + i, m)); });
  }
  template <class T>
  static void axpy(std::int64_t n, double factor, const T* x, T* y) {
    for_pieces(n, [=](std::int64_t i, std::int64_t m) { array(y + i, m) += T(factor) * array(x + i, m); });
  }
  template <class T>
  static void collect(std::int64_t n, const T* x, T* sum) {
    add(n, x, sum, sum);
  }
  template <class T>
  static void collect_all(std::span<const Addend<Stat<T>>> addends) {
    for (const auto& a : addends) collect(a.size, a.x, a.sum);
  }
  template <class T>
  static void narrow(std::int64_t n, const T* x, T* y) {
    for_pieces(n, [=](std::int64_t i, std::int64_t m) { array(y + i, m) = array(x + i, m); });
  }

  template <class T>
  static void mse(std::int64_t n, const T* prediction, const T* target, T* loss) {
    const double sum = sum_over_pieces(n, [=](std::int64_t i, std::int64_t m) {
      return double((array(prediction + i, m) - array(target + i, m)).square().sum());
    });
    loss[0] = T(sum / double(n));
  }
  template <class T>
  static void mse_dx(std::int64_t n, const T* prediction, const T* target, const T* dloss, T* dprediction) {
    const T factor = T(2.0 / double(n) * double(dloss[0]));
    for_pieces(n, [=](std::int64_t i, std::int64_t m) {
      array(dprediction + i, m) = factor * (array(prediction + i, m) - array(target + i, m));
    });
  }

 private:
  // gelu(x) = x/2 (1 + tanh u) = x / (1 + exp(-2u)) with u = b (x + a x^3), Hendrycks & Gimpel 2016. The second form
  // keeps the relative accuracy of the left tail; with s = 1 / (1 + exp(-2u)) its derivative is s (1 + x (1-s) 2u').
  static constexpr double gelu_a = 0.044715, gelu_b = 0.79788456080286535588;
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
