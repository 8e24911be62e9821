// SPDX-License-Identifier: MIT
// Velocities of models that predict the clean clip ("sample" or x0 prediction): a narrow model need not carry the noise
// of every pixel through its few channels, which predicting velocities asks of it (Li and He 2025, arXiv 2511.13720).
#pragma once
#include <algorithm>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/ops/gate_residual.hpp>

namespace modelgrow::inline v0 {

/// Below this noise level the velocity is computed as if the clip had it, since it divides by the level.
inline constexpr double least_sigma = 0.05;

/// v = (x - clip) / sigma for noisy clips x [B, ..], the clip that a model predicts from them, and time [B], 1000
/// sigma. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> velocity_of_clip(Tape<T, D>& tape, const Tensor<T, D>& x, const Tensor<Stat<T>, D>& time,
                           const Var<T, D>& clip) {
  const Tensor<Stat<T>, Cpu> times = to_cpu(time);
  Tensor<T, Cpu> scaled = to_cpu(x).clone();
  const std::int64_t batch = times.size(), values = scaled.size() / batch, channels = x.shape().back();
  Tensor<T, Cpu> gate({batch, 1, channels});
  for (std::int64_t b = 0; b < batch; ++b) {
    const double inverse = 1.0 / std::max(least_sigma, double(times.data()[b]) / time_scale);
    for (std::int64_t i = b * values; i < (b + 1) * values; ++i)
      scaled.data()[i] = element_cast<T>(inverse * element_cast<double>(scaled.data()[i]));
    std::fill_n(gate.data() + b * channels, channels, element_cast<T>(-inverse));
  }
  return gate_residual(tape, tape.constant(to_device<D>(scaled)), clip, tape.constant(to_device<D>(gate)), 0);
}

}  // namespace modelgrow::inline v0
