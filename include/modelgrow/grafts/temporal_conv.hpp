// SPDX-License-Identifier: MIT
// x + conv(LN(x)) over frames: teaches a model motion. Wan, AnimateDiff and ModelGrow's temporal blocks stand behind
// it.
#pragma once
#include <array>

#include <modelgrow/grafts/context.hpp>
#include <modelgrow/nn/temporal_conv.hpp>
#include <modelgrow/ops/add.hpp>

namespace modelgrow::inline v0::grafts {

enum class ConvKind { dense, depthwise };
inline auto words_of(ConvKind) { return std::array<std::string_view, 2>{"dense", "depthwise"}; }
enum class ConvPadding { causal, centred };
inline auto words_of(ConvPadding) { return std::array<std::string_view, 2>{"causal", "centred"}; }

/// A residual temporal convolution in every block; its own weight is the one zero factor. x [B,T,S,C].
template <class T, class D>
struct TemporalConv {
  static constexpr std::string_view name = "TemporalConv", port = "temporal", module = "conv_temp";
  static constexpr std::string_view summary = "a temporal convolution in every block: x + conv(LN(x)) over frames";
  struct Options {
    ConvKind kind = ConvKind::dense;
    std::int64_t kernel = 3;
    ConvPadding padding = ConvPadding::causal;
    static void describe(auto& self, auto& v) {
      v("kind", self.kind, "whether it mixes channels");
      v("kernel", self.kernel, "3 or 5 frames");
      v("padding", self.padding, "whether a frame sees later ones");
    }
  };
  v0::TemporalConv<T, D> layer;

  /// Throws shape_error for another kernel than 3 and 5.
  TemporalConv(const Port& p, const Options& o)
      : layer(p.stream, {.kind = o.kind == ConvKind::dense ? TemporalConvOptions::Kind::dense
                                                           : TemporalConvOptions::Kind::depthwise,
                         .kernel = o.kernel,
                         .padding = o.padding == ConvPadding::causal ? Padding::causal : Padding::centred}) {}
  static void describe(auto& self, auto& v) { v0::TemporalConv<T, D>::describe(self.layer, v); }
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, const GraftContext<T, D>&) {
    return add(tape, x, layer(tape, x));
  }
};

}  // namespace modelgrow::inline v0::grafts
