// SPDX-License-Identifier: MIT
// What a step of an optimizer is told besides the model: what follows the weights, and what lies outside of its part.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include <modelgrow/core/parameter.hpp>

namespace modelgrow::inline v0 {

/// Averages that follow the weights in the pass that moves these: average += rate * (weight - average).
template <class T, Device D>
struct Followers {
  double rate = 0.0;
  std::function<Stat<T>*(const std::string& path, const Parameter<T, D>&)> average_of = {};  // of every trained one
};

/// What the step of a part of a model must know of the whole; by itself the part is the whole.
template <Device D>
struct WholeModel {
  std::function<void(const Tensor<double, D>& sum)> sum_squares = {};  // of all gradients together
  std::int64_t oldest = 0;                                             // most steps that a tensor has had
  std::function<void(const Tensor<double, D>& sum)> guard = {};        // makes it no number where no step is to be made
};

}  // namespace modelgrow::inline v0
