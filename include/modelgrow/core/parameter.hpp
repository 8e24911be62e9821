// SPDX-License-Identifier: MIT
// A parameter is a tensor that knows the meaning of its axes; its shape follows from them, so the two cannot disagree.
#pragma once
#include <utility>

#include <modelgrow/core/axis.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {

/// How a fresh parameter is filled.
struct Init {
  enum class Kind { zeros, constant, normal, xavier_uniform };
  Kind kind = Kind::zeros;
  double scale = 1.0;  // value of `constant`, standard deviation of `normal`, gain of `xavier_uniform`
  static Init zeros() { return Init{.kind = Kind::zeros, .scale = 0.0}; }
  static Init constant(double value) { return Init{.kind = Kind::constant, .scale = value}; }
  static Init ones() { return constant(1.0); }
  static Init normal(double std) { return Init{.kind = Kind::normal, .scale = std}; }
  static Init xavier(double gain = 1.0) { return Init{.kind = Kind::xavier_uniform, .scale = gain}; }
  bool operator==(const Init&) const = default;
};

/// What a parameter is to training and to depth growth.
enum class Purpose {
  weight,     // trained
  closes,     // trained, and writes to the residual stream: all zero makes its branch the identity
  buffer,     // stored with the model, never trained
  scheduled,  // stored with the model and moved by a schedule of the trainer: all zero makes its branch the identity
};
constexpr bool is_trained(Purpose p) { return p == Purpose::weight || p == Purpose::closes; }
constexpr bool closes_branch(Purpose p) { return p == Purpose::closes || p == Purpose::scheduled; }

/// Axes, initialisation and purpose of one parameter.
struct ParamInfo {
  Axes axes;
  Init init = Init::zeros();
  Purpose purpose = Purpose::weight;
};

/// A trainable tensor (or a buffer) with the meaning of its axes. The gradient is allocated by the first backward pass.
template <class T, Device D>
struct Parameter {
  ParamInfo info;
  Tensor<T, D> value, gradient;
  enum class State { trained, frozen } state = State::trained;

  Parameter() = default;
  explicit Parameter(ParamInfo i) : info(std::move(i)), value(shape_of(info.axes)) {}
  bool trained() const { return state == State::trained && is_trained(info.purpose); }
};

}  // namespace modelgrow::inline v0
