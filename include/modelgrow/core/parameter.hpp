// SPDX-License-Identifier: MIT
// A parameter is a tensor that knows the meaning of its axes; its shape follows from them, so the two cannot disagree.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/core/axis.hpp>
#include <modelgrow/core/stat.hpp>
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

/// Chunks of the first axis of a parameter that close a branch: gates among shifts and scales.
struct Gates {
  std::vector<std::int64_t> chunks;
  std::string branch;
  bool operator==(const Gates&) const = default;
};

/// What a parameter has to do with the residual stream of its block, beyond its purpose.
struct Stream {
  /// The branch that it belongs to: closing one factor of a branch makes the branch the identity. Empty: the module of
  /// the block that it lies in ("attn1"), or outside of blocks the first part of its name.
  std::string branch = {};
  /// Of a parameter that closes: only these chunks do; none: all of it.
  std::vector<Gates> gates = {};
  /// A weight `out <stream>, in ..` that is not what closes its branch: another parameter of `branch` does, or, without
  /// a branch, it does not write the residual stream at all.
  bool inner = false;
  bool operator==(const Stream&) const = default;
};

/// What silent units ask of a parameter where the roles of its axes do not say it.
struct Silencing {
  bool gain = false;                       // multiplies what an RMSNorm across this axis gives
  std::vector<std::int64_t> shifts = {};   // of a modulation: chunks of the first axis that add to what a norm gives
  bool query = false;                      // makes queries, or scales them behind a norm
  std::vector<std::int64_t> queries = {};  // only these chunks of the first axis do; none: all of it
  bool operator==(const Silencing&) const = default;
};

/// Axes, initialisation and purpose of one parameter.
struct ParamInfo {
  Axes axes;
  Init init = Init::zeros();
  Purpose purpose = Purpose::weight;
  Stream stream = {};
  Silencing silencing = {};
  bool operator==(const ParamInfo&) const = default;
};

/// A trainable tensor (or a buffer) with the meaning of its axes. The gradient is allocated by the first backward pass,
/// in float when the value has 16 bits.
template <class T, Device D>
struct Parameter {
  ParamInfo info;
  Tensor<T, D> value;
  Tensor<Stat<T>, D> gradient;
  enum class State { trained, frozen } state = State::trained;

  Parameter() = default;
  explicit Parameter(ParamInfo i) : info(std::move(i)), value(shape_of(info.axes)) {}
  bool trained() const { return state == State::trained && is_trained(info.purpose); }
};

}  // namespace modelgrow::inline v0
