// SPDX-License-Identifier: MIT
// Rectified flow (Liu et al. 2022; Esser et al. 2024): straight paths from data to noise with logit-normal times.
// Every draw belongs to a numbered sample, so a step can be computed again on its own, in any batch size.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/core/pool.hpp>
#include <modelgrow/diffusion/noise.hpp>

namespace modelgrow::inline v0 {

/// What the model is told about the noise level: time = time_scale * sigma, as SD3, Flux and Wan do.
inline constexpr double time_scale = 1000.0;

/// sigma moved to higher noise by s (more tokens need more noise): s sigma / (1 + (s - 1) sigma).
constexpr double shift_sigma(double sigma, double s) { return s * sigma / (1.0 + (s - 1.0) * sigma); }

/// Density of noise levels in training: sigma = sigmoid(N(mean, std)), then shifted.
struct FlowMatching {
  double mean = 0.0, std = 1.0;
  double shift = 1.0;
  std::uint64_t seed = 0;

  /// Noise level of a training sample, numbered from the start of training.
  double sigma(std::uint64_t sample) const {
    const double z = mean + std * Rng(seed, hash_name("flow_matching.sigma")).normal(sample);
    return shift_sigma(1.0 / (1.0 + std::exp(-z)), shift);
  }
  /// Noise level of a validation sample: the middle of one of `strata` equal parts of [0, 1], then shifted.
  double fixed_sigma(std::uint64_t sample, std::uint64_t strata) const {
    return shift_sigma((double(sample % strata) + 0.5) / double(strata), shift);
  }
};

/// Input, target and times of one forward pass.
template <class T, Device D>
struct FlowBatch {
  Tensor<T, D> noisy;       // x = (1 - sigma) x0 + sigma eps, shape of the clips
  Tensor<T, D> target;      // v = eps - x0
  Tensor<Stat<T>, D> time;  // [batch], 1000 sigma
};

/// Adds noise to clips [batch, ..]; entry b is sample first + b and has noise level sigmas[b].
/// Throws shape_error unless there is one sigma per entry.
template <class T, Device D = Cpu, class U>
FlowBatch<T, D> add_noise(const FlowMatching& flow, const Tensor<U, Cpu>& clips, std::span<const double> sigmas,
                          std::uint64_t first) {
  const std::int64_t batch = clips.shape().rank() ? clips.dim(0) : 0;
  if (batch == 0 || batch != std::int64_t(sigmas.size()))
    throw shape_error("[flow matching] clips " + to_string(clips.shape()) +
                      " need one noise level per entry of axis 0; " + std::to_string(sigmas.size()) + " were given");
  const std::int64_t size = clips.size() / batch;
  const Rng noise(flow.seed, hash_name("flow_matching.noise"));
  Tensor<T, Cpu> x(clips.shape()), v(clips.shape());
  Tensor<Stat<T>, Cpu> time(Shape{batch});
  for (std::int64_t b = 0; b < batch; ++b) time.data()[b] = Stat<T>(time_scale * sigmas[std::size_t(b)]);
  parallel_for(clips.size(), 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double sigma = sigmas[std::size_t(i / size)], clip = element_cast<double>(clips.data()[i]);
      const double eps = noise.normal(first * std::uint64_t(size) + std::uint64_t(i));
      x.data()[i] = element_cast<T>((1.0 - sigma) * clip + sigma * eps);
      v.data()[i] = element_cast<T>(eps - clip);
    }
  });
  if constexpr (std::same_as<D, Cpu>) {
    return {x, v, time};
  } else {
    auto there = [pool = pool_of<D>()]<class V>(const Tensor<V, Cpu>& t) mutable {
      Tensor<V, D> copy(t.shape(), pool.allocate(t.bytes()));
      D::from_host(copy.data(), t.data(), t.bytes());
      return copy;
    };
    return {there(x), there(v), there(time)};
  }
}

/// A training batch: samples first .. first + batch - 1 at random noise levels.
template <class T, Device D = Cpu, class U>
FlowBatch<T, D> training_batch(const FlowMatching& flow, const Tensor<U, Cpu>& clips, std::uint64_t first) {
  std::vector<double> sigmas;
  for (std::int64_t b = 0; b < clips.dim(0); ++b) sigmas.push_back(flow.sigma(first + std::uint64_t(b)));
  return add_noise<T, D>(flow, clips, sigmas, first);
}

/// A validation batch: the same noise and `strata` evenly spread noise levels each time it is asked for.
template <class T, Device D = Cpu, class U>
FlowBatch<T, D> validation_batch(const FlowMatching& flow, const Tensor<U, Cpu>& clips, std::uint64_t first,
                                 std::uint64_t strata = 8) {
  std::vector<double> sigmas;
  for (std::int64_t b = 0; b < clips.dim(0); ++b) sigmas.push_back(flow.fixed_sigma(first + std::uint64_t(b), strata));
  return add_noise<T, D>(flow, clips, sigmas, first);
}

}  // namespace modelgrow::inline v0
