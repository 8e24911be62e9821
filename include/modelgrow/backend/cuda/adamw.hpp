// SPDX-License-Identifier: MIT
// AdamW in one pass over weights, gradients and moments; 16-bit weights follow master weights in float.
#pragma once
#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

template <class T>
struct AdamW {
  using A = Stat<T>;
  A step, beta1, beta2, eps, keep, inverse_correction2, gradient_scale;  // step: lr / correction1, keep: 1 - decay
  Index columns;
  const A *lr_columns, *eps_rows;
  T *w, *gradient;
  A *master, *m, *v;

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const A g = dev.widen(gradient[i]) * gradient_scale;
    const A first = beta1 * m[i] + (A(1) - beta1) * g, second = beta2 * v[i] + (A(1) - beta2) * g * g;
    const A rate = lr_columns ? step * lr_columns[i % columns] : step;
    const A floor = eps_rows ? eps * eps_rows[i / columns] : eps;
    m[i] = first;
    v[i] = second;
    const A now = master ? master[i] : dev.widen(w[i]);
    const A next = keep * now - rate * first / (dev.sqrt(second * inverse_correction2) + floor);
    if (master) master[i] = next;
    w[i] = dev.template narrow<T>(next);
    gradient[i] = dev.template narrow<T>(A(0));
  }
};

template <class Exec>
struct AdamWOperations {
  template <class T>
  static void adamw(const AdamWStep& s, Index rows, Index columns, const Stat<T>* lr_columns, const Stat<T>* eps_rows,
                    T* w, Stat<T>* master, T* gradient, Stat<T>* m, Stat<T>* v) {
    using A = Stat<T>;
    Exec::launch(ForEach<AdamW<T>>{.n = rows * columns,
                                   .element = {.step = A(s.lr / s.correction1),
                                               .beta1 = A(s.beta1),
                                               .beta2 = A(s.beta2),
                                               .eps = A(s.eps),
                                               .keep = A(1.0 - s.decay),
                                               .inverse_correction2 = A(1.0 / s.correction2),
                                               .gradient_scale = A(s.gradient_scale),
                                               .columns = columns,
                                               .lr_columns = lr_columns,
                                               .eps_rows = eps_rows,
                                               .w = w,
                                               .gradient = gradient,
                                               .master = master,
                                               .m = m,
                                               .v = v}});
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
