// SPDX-License-Identifier: MIT
// The two-layer perceptron of a transformer block; names of timm's Mlp (fc1, fc2).
#pragma once
#include <modelgrow/nn/linear.hpp>
#include <modelgrow/ops/activation.hpp>
#include <modelgrow/ops/perceptron.hpp>

namespace modelgrow::inline v0 {

/// fc2(gelu_tanh(fc1(x))).
template <class T, Device D>
struct Mlp {
  Linear<T, D> fc1, fc2;

  Mlp() = default;
  Mlp(const Extent& from, const Extent& inner, const Extent& to, Init last = Init::xavier(),
      Writes writes = Writes::branch)
      : fc1(inner, from), fc2(to, inner, last, writes) {}

  static void describe(auto& self, auto& v) {
    v.child("fc1", self.fc1);
    v.child("fc2", self.fc2);
  }
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x) {
    if (fc1.adapter || fc2.adapter) return fc2(tape, gelu(tape, fc1(tape, x)));
    return perceptron(tape, Activation::gelu_tanh, x, tape.use(fc1.weight), tape.use(fc1.bias), tape.use(fc2.weight),
                      tape.use(fc2.bias));
  }
};

}  // namespace modelgrow::inline v0
