// SPDX-License-Identifier: MIT
// x + conv(LN(x)) over frames: teaches a model motion. Wan, AnimateDiff and ModelGrow's temporal blocks stand behind
// it.
#pragma once
#include <modelgrow/grafts/context.hpp>
#include <modelgrow/nn/temporal_conv.hpp>
#include <modelgrow/ops/add.hpp>

namespace modelgrow::inline v0::grafts {

/// A residual temporal convolution in every block; its own weight is the one zero factor. x [B,T,S,C].
template <class T, class D>
struct TemporalConv {
  static constexpr std::string_view name = "TemporalConv", port = "temporal", module = "conv_temp";
  static constexpr std::string_view summary = "a temporal convolution in every block: x + conv(LN(x)) over frames";
  using Options = TemporalConvOptions;
  v0::TemporalConv<T, D> layer;

  /// Throws shape_error for another kernel than 3 and 5.
  TemporalConv(const Port& p, const Options& o) : layer(p.stream, o) {}
  static void describe(auto& self, auto& v) { v0::TemporalConv<T, D>::describe(self.layer, v); }
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, const GraftContext<T, D>&) {
    return add(tape, x, layer(tape, x));
  }
};

}  // namespace modelgrow::inline v0::grafts
