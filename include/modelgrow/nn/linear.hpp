// SPDX-License-Identifier: MIT
// A learned affine map; names and layout of torch.nn.Linear.
#pragma once
#include <optional>
#include <utility>

#include <modelgrow/nn/lora.hpp>

namespace modelgrow::inline v0 {

/// How a layer stands to the residual stream: inside a branch, or as its last map (zero weight and bias then make the
/// branch vanish; depth growth relies on it).
enum class Writes { branch, residual };

/// y = x W^T + b with weight [out, in] and bias [out].
template <class T, Device D>
struct Linear {
  Parameter<T, D> weight, bias;
  std::optional<LowRank<T, D>> adapter = {};  // train/lora.hpp

  Linear() = default;
  Linear(const Extent& to, const Extent& from, Init init = Init::xavier(), Writes writes = Writes::branch)
      : weight(ParamInfo{.axes = {out(to), in(from)}, .init = init, .purpose = purpose(writes)}),
        bias(ParamInfo{.axes = {out(to)}, .init = Init::zeros(), .purpose = purpose(writes)}) {}

  static void describe(auto& self, auto& v) {
    v("weight", self.weight);
    v("bias", self.bias);
    if (self.adapter) LowRank<T, D>::describe(*self.adapter, v);
  }
  /// [.., in] -> [.., out].
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x) {
    const Var<T, D> y = linear(tape, x, tape.use(weight), tape.use(bias));
    return adapter ? (*adapter)(tape, x, y) : y;
  }

 private:
  static Purpose purpose(Writes w) { return w == Writes::residual ? Purpose::closes : Purpose::weight; }
};

}  // namespace modelgrow::inline v0
