// SPDX-License-Identifier: MIT
// Two linear maps with an activation between them as one operation, so that a backend can apply the activation, and its
// derivative in the backward pass, where the matrix products store their results.
#pragma once
#include <modelgrow/ops/linear.hpp>

namespace modelgrow::inline v0 {

/// f(x w1^T + b1) w2^T + b2 for x [.., in], w1 [inner, in], w2 [out, inner], b1 [inner] and b2 [out] or undefined ->
/// [.., out]; the same as linear, activation and linear. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> perceptron(Tape<T, D>& tape, Activation f, const Var<T, D>& x, const Var<T, D>& w1, const Var<T, D>& b1,
                     const Var<T, D>& w2, const Var<T, D>& b2) {
  const LinearSize first = linear_size("perceptron", x.shape(), w1, b1);
  const Shape wide = mapped_shape(x.shape(), first);
  const LinearSize second = linear_size("perceptron", wide, w2, b2);
  const auto values = [](const Var<T, D>& v) { return v.defined() ? v.data() : nullptr; };

  const bool below = tape.differentiates(std::array{x, w1, b1});
  Tensor<T, D> inner = below ? tape.allocate(wide) : Tensor<T, D>(), active = tape.allocate(wide);
  Backend<D>::linear_activation(first, f, x.data(), w1.data(), values(b1), inner.data(), active.data());
  Tensor<T, D> y = tape.allocate(mapped_shape(wide, second));
  Backend<D>::linear(second, active.data(), w2.data(), values(b2), y.data());

  return tape.record(std::move(y), {x, w1, b1, w2, b2}, [=, &tape](Tensor<T, D> dy) mutable {
    detail::linear_dw(tape, second, dy, active, w2, b2);
    if (!below) return;
    Tensor<T, D> dinner = tape.allocate(wide);
    Backend<D>::activation_linear_dx(second, f, dy.data(), w2.data(), inner.data(), dinner.data());
    dy = active = inner = {};
    detail::linear_dw(tape, first, dinner, x.value(), w1, b1);
    tape.write(x, [&](T* dx, Write write) {
      if (dx) Backend<D>::linear_dx(first, dinner.data(), w1.data(), dx, write);
    });
  });
}

}  // namespace modelgrow::inline v0
