// SPDX-License-Identifier: MIT
// Layer normalisation with learned gain and bias; names and layout of torch.nn.LayerNorm.
#pragma once
#include <modelgrow/ops/layer_norm.hpp>

namespace modelgrow::inline v0 {

/// LN(x) * weight + bias over the last dimension.
template <class T, Device D>
struct LayerNorm {
  Parameter<T, D> weight, bias;
  double eps = 1e-5;

  LayerNorm() = default;
  explicit LayerNorm(const Extent& width, double eps_ = 1e-5, Init gain = Init::ones())
      : weight(ParamInfo{.axes = {each(width)}, .init = gain}),
        bias(ParamInfo{.axes = {each(width)}, .init = Init::zeros()}),
        eps(eps_) {}

  static void describe(auto& self, auto& v) {
    v("weight", self.weight);
    v("bias", self.bias);
  }
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x) {
    return layer_norm(tape, x, tape.use(weight), tape.use(bias), eps);
  }
};

}  // namespace modelgrow::inline v0
