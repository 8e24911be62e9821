// SPDX-License-Identifier: MIT
// A convolution over frames in a residual branch of its own: the layer that growth adds to teach a model motion.
#pragma once
#include <array>
#include <string_view>

#include <modelgrow/core/error.hpp>
#include <modelgrow/ops/layer_norm.hpp>
#include <modelgrow/ops/temporal_conv.hpp>

namespace modelgrow::inline v0 {

/// Whether a temporal convolution mixes channels.
enum class ConvKind { dense, depthwise };
constexpr auto words_of(ConvKind) { return std::array<std::string_view, 2>{"dense", "depthwise"}; }

struct TemporalConvOptions {
  ConvKind kind = ConvKind::dense;
  std::int64_t kernel = 3;
  Padding padding = Padding::causal;
  bool operator==(const TemporalConvOptions&) const = default;

  static void describe(auto& self, auto& v) {
    v("kind", self.kind, "whether it mixes channels");
    v("kernel", self.kernel, "3 or 5 frames");
    v("padding", self.padding, "whether a frame sees later ones");
  }
};

/// conv(LN(x)) with Conv1d layout: weight [hidden, hidden or 1, kernel], bias [hidden]; zero at first, so the branch
/// starts as nothing and its own weight is the one zero factor that learns at the first step.
template <class T, Device D>
struct TemporalConv {
  Parameter<T, D> weight, bias;
  Padding padding = Padding::causal;

  TemporalConv() = default;
  /// Throws shape_error for another kernel than 3 and 5.
  TemporalConv(const Extent& hidden, const TemporalConvOptions& options) : padding(options.padding) {
    if (options.kernel != 3 && options.kernel != 5)
      throw shape_error("a temporal convolution has kernel " + std::to_string(options.kernel) + "; use 3 or 5");
    Axes axes = options.kind == ConvKind::dense ? Axes{out(hidden), in(hidden), fixed(options.kernel)}
                                                : Axes{each(hidden), fixed(1), fixed(options.kernel)};
    weight = Parameter<T, D>(ParamInfo{.axes = axes, .init = Init::zeros(), .purpose = Purpose::closes});
    bias = Parameter<T, D>(ParamInfo{.axes = {out(hidden)}, .init = Init::zeros(), .purpose = Purpose::closes});
  }

  static void describe(auto& self, auto& v) {
    v("weight", self.weight);
    v("bias", self.bias);
  }
  /// x [B,T,S,C] -> [B,T,S,C].
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x) {
    return temporal_conv(tape, layer_norm(tape, x, 1e-6), tape.use(weight), tape.use(bias), padding);
  }
};

}  // namespace modelgrow::inline v0
