// SPDX-License-Identifier: MIT
// LayerNorm over the last dimension (Ba et al. 2016), with or without gain and bias.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// LN(x) * gain + bias for x [.., C], gain and bias [C]; both undefined: no affine part. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> layer_norm(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& gain, const Var<T, D>& bias,
                     double eps = 1e-6) {
  expect("layer_norm", x.shape().rank() >= 1 && x.dim(-1) > 0,
         [&] { return "the input is " + to_string(x.shape()) + "; expected [.., channels]"; });
  const std::int64_t channels = x.dim(-1), rows = x.value().size() / channels;
  expect("layer_norm", gain.defined() == bias.defined(),
         [] { return "gain and bias come together; give both or neither"; });
  if (gain.defined()) {
    expect_shape("layer_norm", "the gain", gain.shape(), {channels}, "one value per channel of the input");
    expect_shape("layer_norm", "the bias", bias.shape(), {channels}, "one value per channel of the input");
  }
  const T* g = gain.defined() ? gain.data() : nullptr;
  Tensor<T, D> y = tape.allocate(x.shape());
  auto mean = tape.template allocate<Stat<T>>({rows});
  auto rstd = tape.template allocate<Stat<T>>({rows});
  Backend<D>::layer_norm(rows, channels, eps, x.data(), g, bias.defined() ? bias.data() : nullptr, y.data(),
                         mean.data(), rstd.data());
  return tape.record(std::move(y), {x, gain, bias}, [=, &tape](Tensor<T, D> dy) {
    tape.write(x, [&](T* dx, Write write) {
      tape.collect(
          [&](Stat<T>* dgain, Stat<T>* dbias) {
            Backend<D>::layer_norm_dx(rows, channels, x.data(), g, mean.data(), rstd.data(), dy.data(), dx, write,
                                      dgain, dbias);
          },
          gain, bias);
    });
  });
}

/// LN(x) over the last dimension, without gain and bias.
template <class T, HasBackend D>
Var<T, D> layer_norm(Tape<T, D>& tape, const Var<T, D>& x, double eps = 1e-6) {
  return layer_norm(tape, x, Var<T, D>(), Var<T, D>(), eps);
}

}  // namespace modelgrow::inline v0
