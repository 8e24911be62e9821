// SPDX-License-Identifier: MIT
// AdamW in one pass over weights, gradients and moments; 16-bit weights follow master weights in float. The clipping
// factor stays on the device, so that a step waits for nothing.
#pragma once
#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// scale[0] = longest / norm where the norm is above it, else 1; no number where it is none.
template <class A>
struct Clipping {
  double longest;
  const double* sum;
  A* scale;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index) const {
    const double square = sum[0], nothing = square - square;  // 0, or no number
    const double norm = nothing == 0 ? dev.sqrt(square) : nothing;
    scale[0] = A(norm > longest ? longest / (norm + 1e-6) : 1 + nothing);
  }
};

template <class T>
struct AdamW {
  using A = Stat<T>;
  A step, beta1, beta2, eps, keep, inverse_correction2;  // step: lr / correction1, keep: 1 - decay
  Index columns;
  const A *scale, *lr_columns, *eps_rows;
  T* w;
  A *gradient, *master, *m, *v;

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const A factor = scale[0];
    if (factor != factor) return;
    const A g = gradient[i] * factor;
    const A first = beta1 * m[i] + (A(1) - beta1) * g, second = beta2 * v[i] + (A(1) - beta2) * g * g;
    const A rate = lr_columns ? step * lr_columns[i % columns] : step;
    const A floor = eps_rows ? eps * eps_rows[i / columns] : eps;
    m[i] = first;
    v[i] = second;
    const A now = master ? master[i] : dev.widen(w[i]);
    const A next = keep * now - rate * first / (dev.sqrt(second * inverse_correction2) + floor);
    if (master) master[i] = next;
    w[i] = dev.template narrow<T>(next);
    gradient[i] = 0;
  }
};

template <class Exec>
struct AdamWOperations {
  template <class T>
  static void clipping(double longest, const double* sum, Stat<T>* scale) {
    Exec::launch(ForEach<Clipping<Stat<T>>>{.n = 1, .element = {.longest = longest, .sum = sum, .scale = scale}});
  }
  template <class T>
  static void adamw(const AdamWStep& s, const Stat<T>* scale, Index rows, Index columns, const Stat<T>* lr_columns,
                    const Stat<T>* eps_rows, T* w, Stat<T>* master, Stat<T>* gradient, Stat<T>* m, Stat<T>* v) {
    using A = Stat<T>;
    Exec::launch(ForEach<AdamW<T>>{.n = rows * columns,
                                   .element = {.step = A(s.lr / s.correction1),
                                               .beta1 = A(s.beta1),
                                               .beta2 = A(s.beta2),
                                               .eps = A(s.eps),
                                               .keep = A(1.0 - s.decay),
                                               .inverse_correction2 = A(1.0 / s.correction2),
                                               .columns = columns,
                                               .scale = scale,
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
