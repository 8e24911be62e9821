// SPDX-License-Identifier: MIT
// A residual network of perceptrons, each with a second, three-dimensional kernel, that a run of some dozens of steps
// trains in milliseconds. Its forward knows nothing of the library; its schema is all that growth sees.
#pragma once
#include "tiny.hpp"

namespace mlp {
using namespace modelgrow;
using tiny::State;
using tiny::Var;

inline Schema schema(std::int64_t width = 4, std::int64_t inner = 6, std::int64_t depth = 2) {
  const Extent hidden = Space{.name = "hidden", .size = width}, ffn = Space{.name = "ffn", .size = inner};
  Schema s;
  s.family = "mlp";
  const auto put = [&](std::string name, Axes axes, Purpose purpose = Purpose::weight) {
    s.parameters.push_back(
        ParamSpec{.name = std::move(name),
                  .dtype = DType::f64,
                  .info = ParamInfo{.axes = std::move(axes),
                                    .init = purpose == Purpose::closes ? Init::zeros() : Init::xavier(),
                                    .purpose = purpose}});
  };
  put("embed.weight", {out(hidden), fixed(3)});
  put("embed.bias", {out(hidden)});
  for (std::int64_t i = 0; i < depth; ++i) {
    const std::string b = "blocks." + std::to_string(i) + ".mlp.";
    put(b + "up.weight", {out(ffn), in(hidden)});
    put(b + "up.kernel", {out(ffn), in(hidden), fixed(2)});
    put(b + "up.bias", {out(ffn)});
    put(b + "down.weight", {out(hidden), in(ffn)}, Purpose::closes);
    put(b + "down.bias", {out(hidden)}, Purpose::closes);
  }
  put("head.weight", {out(2), in(hidden)});
  put("head.bias", {out(2)});
  s.stacks.push_back(StackSpec{.name = "blocks", .count = depth});
  s.spaces.push_back(SpaceSpec{.space = {.name = "hidden", .size = width}});
  s.spaces.push_back(SpaceSpec{.space = {.name = "ffn", .size = inner}});
  return s;
}

template <class S>
std::vector<S> linear(const State<S>& w, const std::string& weight, const std::string& bias, const std::vector<S>& x) {
  std::vector<S> y = w.find(bias)->second;
  const auto& m = w.find(weight)->second;
  for (std::size_t i = 0; i < y.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j) y[i] = y[i] + m[i * x.size() + j] * x[j];
  return y;
}

/// Half of the squared error over a few samples, other ones at every step.
template <class S>
S loss(const State<S>& w, int step) {
  using std::tanh;
  S total(0);
  for (int sample = 3 * step; sample < 3 * step + 3; ++sample) {
    const double a = std::sin(1.7 * sample), b = std::cos(0.9 * sample + 1);
    const S taps[] = {S(b), S(0.5 * a)};
    auto x = linear<S>(w, "embed.weight", "embed.bias", {S(a), S(b), S(a * b)});
    for (std::size_t i = 0; w.contains("blocks." + std::to_string(i) + ".mlp.up.bias"); ++i) {
      const std::string block = "blocks." + std::to_string(i) + ".mlp.";
      auto h = linear<S>(w, block + "up.weight", block + "up.bias", x);
      const auto& kernel = w.find(block + "up.kernel")->second;
      for (std::size_t j = 0; j < h.size(); ++j) {
        for (std::size_t k = 0; k < x.size(); ++k)
          for (std::size_t t = 0; t < 2; ++t) h[j] = h[j] + kernel[(j * x.size() + k) * 2 + t] * x[k] * taps[t];
        h[j] = tanh(h[j]);
      }
      const auto y = linear<S>(w, block + "down.weight", block + "down.bias", h);
      for (std::size_t k = 0; k < x.size(); ++k) x[k] = x[k] + y[k];
    }
    const auto y = linear<S>(w, "head.weight", "head.bias", x);
    const S e0 = y[0] - S(std::tanh(a + b)), e1 = y[1] - S(a * a - 0.5 * b);
    total = total + S(0.5) * (e0 * e0 + e1 * e1);
  }
  return total;
}

/// The loss and its gradients.
struct Evaluated {
  double loss;
  State<double> gradient;
};
inline Evaluated evaluate(const State<double>& w, int step) {
  Var::tape.clear();
  State<Var> vars;
  for (const auto& [n, v] : w)
    for (double x : v) vars[n].push_back(Var::make(x, Var(), 0));
  const Var all = loss(vars, step);
  return {.loss = all.v, .gradient = tiny::gradients_of(all, vars)};
}

}  // namespace mlp
