// SPDX-License-Identifier: MIT
// Diffusion time as a vector: sinusoidal features and a two-layer perceptron (DiT's TimestepEmbedder).
#pragma once
#include <modelgrow/nn/linear.hpp>
#include <modelgrow/ops/activation.hpp>
#include <modelgrow/ops/time_features.hpp>

namespace modelgrow::inline v0 {

/// mlp.2(silu(mlp.0(features(t)))) with 256 features.
template <class T, Device D>
struct TimestepEmbedder {
  static constexpr std::int64_t features = 256;
  Linear<T, D> first, second;

  TimestepEmbedder() = default;
  explicit TimestepEmbedder(const Extent& hidden)
      : first(hidden, features, Init::normal(0.02)), second(hidden, hidden, Init::normal(0.02)) {}

  static void describe(auto& self, auto& v) {
    v.child("mlp.0", self.first);
    v.child("mlp.2", self.second);
  }
  /// t [B] in 0..1000 -> [B, hidden].
  Var<T, D> operator()(Tape<T, D>& tape, const Tensor<Stat<T>, D>& t) {
    return second(tape, silu(tape, first(tape, time_features(tape, t, features))));
  }
};

}  // namespace modelgrow::inline v0
