// SPDX-License-Identifier: MIT
// From noise to clips: Euler steps of the flow ODE dx = v dsigma along a list of falling noise levels.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/diffusion/flow_matching.hpp>

namespace modelgrow::inline v0 {

/// How noise levels fall from 1 to 0: equal spacing, then shift, then stretch.
struct FlowSchedule {
  std::int64_t steps = 50;
  double shift = 1.0;
  double last = 0.0;      // lowest level above zero before the shift; 0 means 1/steps
  double terminal = 0.0;  // lowest level above zero after stretching (LTX: 0.1); 0 means no stretch

  /// steps + 1 noise levels, the last one 0. Throws error when a setting is out of range.
  std::vector<double> sigmas() const {
    if (steps < 1 || shift <= 0 || last < 0 || last >= 1 || terminal < 0 || terminal >= 1)
      throw error("[FlowSchedule] steps must be 1 or more, shift above 0, last and terminal in [0, 1); found steps " +
                  std::to_string(steps) + ", shift " + std::to_string(shift) + ", last " + std::to_string(last) +
                  ", terminal " + std::to_string(terminal));
    const double lowest = last > 0 ? last : 1.0 / double(steps);
    std::vector<double> levels;
    for (std::int64_t i = 0; i < steps; ++i) {
      const double fraction = steps > 1 ? double(i) / double(steps - 1) : 0.0;
      levels.push_back(shift_sigma(1.0 + fraction * (lowest - 1.0), shift));
    }
    if (terminal > 0 && steps > 1) {
      const double scale = (1.0 - levels.back()) / (1.0 - terminal);
      for (double& s : levels) s = 1.0 - (1.0 - s) / scale;
    }
    levels.push_back(0.0);
    return levels;
  }
};

/// Integrates from noise x [batch, ..] at sigmas[0] to sigmas.back(). velocity(x, time [batch]) -> v of the shape of x,
/// time = 1000 sigma in float (double for a double model). The state is kept on the host in float (double for a double
/// model), whatever T the model has.
template <class T, Device D, class Velocity>
Tensor<T, D> sample_euler(const Tensor<T, D>& noise, std::span<const double> sigmas, Velocity&& velocity) {
  const Shape shape = noise.shape();
  std::vector<Stat<T>> state(std::size_t(noise.size()));
  Tensor<T, Cpu> x = to_cpu(noise);
  Tensor<Stat<T>, Cpu> time(Shape{noise.dim(0)});
  for (std::size_t i = 0; i < state.size(); ++i) state[i] = Stat<T>(element_cast<double>(x.data()[i]));
  for (std::size_t k = 0; k + 1 < sigmas.size(); ++k) {
    for (auto& t : time.span()) t = Stat<T>(time_scale * sigmas[k]);
    const Tensor<T, D> there = velocity(to_device<D>(x), to_device<D>(time));
    if (!(there.shape() == shape))
      throw shape_error("[sample_euler] the velocity has shape " + to_string(there.shape()) + ", the clips " +
                        to_string(shape));
    const Tensor<T, Cpu> v = to_cpu(there);
    const double step = sigmas[k + 1] - sigmas[k];
    for (std::size_t i = 0; i < state.size(); ++i) {
      state[i] = Stat<T>(double(state[i]) + step * element_cast<double>(v.data()[i]));
      x.data()[i] = element_cast<T>(double(state[i]));
    }
  }
  return to_device<D>(x);
}

}  // namespace modelgrow::inline v0
