// SPDX-License-Identifier: MIT
// Clips cut into space-time patches and mapped to tokens: Open-Sora's PatchEmbed3D (a Conv3d whose stride is its
// kernel).
#pragma once
#include <modelgrow/ops/linear.hpp>
#include <modelgrow/ops/patches.hpp>
#include <modelgrow/ops/reshape.hpp>

namespace modelgrow::inline v0 {

/// proj.weight [hidden, channels, pt, ph, pw] and proj.bias [hidden].
template <class T, Device D>
struct PatchEmbed3D {
  Parameter<T, D> weight, bias;
  Patch patch;

  PatchEmbed3D() = default;
  PatchEmbed3D(const Extent& hidden, const Extent& channels, Patch patch_)
      : weight(ParamInfo{.axes = {out(hidden), in(channels), fixed(patch_.t), fixed(patch_.h), fixed(patch_.w)},
                         .init = Init::xavier()}),
        bias(ParamInfo{.axes = {out(hidden)}}),
        patch(patch_) {}

  static void describe(auto& self, auto& v) {
    v("proj.weight", self.weight);
    v("proj.bias", self.bias);
  }
  /// x [B,channels,T,H,W] -> [B, T/pt, H/ph * W/pw, hidden].
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x) {
    const Var<T, D> w = tape.use(weight);
    const std::int64_t rows = w.dim(0);
    const Var<T, D> tokens = patchify(tape, x, patch, PatchOrder::channels_first);
    return linear(tape, tokens, reshape(tape, w, {rows, w.value().size() / rows}), tape.use(bias));
  }
};

}  // namespace modelgrow::inline v0
