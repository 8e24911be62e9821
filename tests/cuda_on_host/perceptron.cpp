// SPDX-License-Identifier: MIT
// What a perceptron asks of a GPU: matrix products that bring bias, GELU and bias gradients along, and nothing is kept
// that no backward pass will read.
#include <modelgrow/ops/perceptron.hpp>

#include <array>

#include "tests/cuda_on_host/support/counted.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;

namespace {

using Counts = std::map<std::string, std::int64_t>;
using CountedTape = Tape<bf16, Counted>;

/// The launches of a perceptron and, where the tape records, of its gradients.
Counts launches(Activation f, CountedTape::Mode mode) {
  std::array<Parameter<bf16, Counted>, 4> p;
  const Axes axes[] = {{out(64), in(32)}, {out(64)}, {out(24), in(64)}, {out(24)}};
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = Parameter<bf16, Counted>(ParamInfo{.axes = axes[i]});
  CountedTape tape(mode);
  const auto x = tape.leaf(Tensor<bf16, Counted>({16, 32}));
  const auto w1 = tape.use(p[0]), b1 = tape.use(p[1]), w2 = tape.use(p[2]), b2 = tape.use(p[3]);
  Counted::log() = {};
  const auto y = perceptron(tape, f, x, w1, b1, w2, b2);
  tape.backward(y, Tensor<bf16, Counted>(y.shape()));
  Counts counts;
  for (const auto& [name, cost] : Counted::log().kernels) counts[name] = cost.launches;
  return counts;
}

}  // namespace

TEST_CASE("a perceptron with GELU launches two products forward, and four and one sum of both biases backward") {
  CHECK(launches(Activation::gelu_tanh, CountedTape::Mode::infer) ==
        Counts{{"product gelu(x w^T + b)", 1}, {"product x w^T + b", 1}});
  CHECK(launches(Activation::gelu_tanh, CountedTape::Mode::record) == Counts{{"product gelu(x w^T + b), kept", 1},
                                                                             {"product x w^T + b", 1},
                                                                             {"product dy w gelu'", 1},
                                                                             {"product dy^T x, sum dy", 2},
                                                                             {"CollectAll<float>", 1},
                                                                             {"product dy w", 1}});
}

TEST_CASE("other activations are kernels of their own") {
  CHECK(launches(Activation::silu, CountedTape::Mode::record) == Counts{{"product x w^T + b", 2},
                                                                        {"ForEachValue<Activate<bf16,Silu>>", 1},
                                                                        {"ForEachValue<ActivateDx<bf16,Silu>>", 1},
                                                                        {"product dy^T x, sum dy", 2},
                                                                        {"CollectAll<float>", 1},
                                                                        {"product dy w", 2}});
}
