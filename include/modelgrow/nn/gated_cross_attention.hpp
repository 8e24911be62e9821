// SPDX-License-Identifier: MIT
// Cross-attention behind a tanh gate for each head (Lumina-T2X, Flamingo): the gates are the one zero factor.
#pragma once
#include <modelgrow/nn/cross_attention.hpp>
#include <modelgrow/ops/head_gate.hpp>

namespace modelgrow::inline v0 {

/// proj(tanh(gate) * attention) with gate [heads]; the bias of proj lies behind the gates, so it closes the branch too.
template <class T, Device D>
struct GatedCrossAttention {
  CrossAttention<T, D> attention;
  Parameter<T, D> gate;

  GatedCrossAttention() = default;
  GatedCrossAttention(const Extent& hidden, const Space& heads, std::int64_t head_dim)
      : attention(hidden, heads, head_dim, Init::xavier(), Writes::branch),
        gate(ParamInfo{.axes = {each(heads)}, .init = Init::zeros(), .purpose = Purpose::closes}) {
    attention.proj.weight.info.stream.inner = true;  // the gate in front of it closes the branch
    attention.proj.bias.info.purpose = Purpose::closes;
  }

  static void describe(auto& self, auto& v) {
    CrossAttention<T, D>::describe(self.attention, v);
    v("gate", self.gate);
  }
  /// As CrossAttention.
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& text,
                       const Tensor<std::int32_t, D>& lengths) {
    const Var<T, D> found = attention.attend(tape, attention.queries(tape, x), text, lengths);
    return reshape(tape, attention.proj(tape, head_gate(tape, found, tape.use(gate))), x.shape());
  }
};

}  // namespace modelgrow::inline v0
