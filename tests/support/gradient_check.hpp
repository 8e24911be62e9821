// SPDX-License-Identifier: MIT
// Checks the gradients of an operation, in double, against finite differences and in every way a tape can ask for them.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <modelgrow/autograd/recompute.hpp>
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/rng.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/random.hpp"
#include "tests/support/squares.hpp"

namespace modelgrow::testing {

using Values = std::vector<Tensor<double, Cpu>>;
using Vars = std::vector<Var<double, Cpu>>;
using DoubleTape = Tape<double, Cpu>;

/// f(tape, inputs) without recording.
template <class F>
Tensor<double, Cpu> evaluate(const Values& inputs, F f) {
  DoubleTape tape(DoubleTape::Mode::infer);
  Vars vars;
  for (const auto& x : inputs) vars.push_back(tape.constant(x));
  return f(tape, vars).value();
}

/// Gradients of sum(seed * f(inputs)); `wanted` says for which inputs, the others are constants.
template <class F>
Values gradients(const Values& inputs, const Tensor<double, Cpu>& seed, F f, const std::vector<bool>& wanted) {
  DoubleTape tape;
  Vars vars;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    vars.push_back(wanted[i] ? tape.leaf(inputs[i]) : tape.constant(inputs[i]));
  tape.backward(f(tape, vars), seed.clone());
  Values out;
  for (const auto& v : vars) out.push_back(v.gradient());
  return out;
}

/// The derivative of sum(seed * f) by inputs[i], element by element: central differences of fourth order.
template <class F>
Tensor<double, Cpu> finite_difference(Values inputs, std::size_t i, const Tensor<double, Cpu>& seed, F f) {
  const double h = 1e-3;
  inputs[i] = inputs[i].clone();
  Tensor<double, Cpu> out(inputs[i].shape());
  for (std::int64_t e = 0; e < out.size(); ++e) {
    double& x = inputs[i].data()[e];
    const double before = x;
    const auto at = [&](double offset) {
      x = before + offset;
      return evaluate(inputs, f);
    };
    const auto far_left = at(-2 * h), left = at(-h), right = at(h), far_right = at(2 * h);
    x = before;
    double sum = 0;
    for (std::int64_t j = 0; j < seed.size(); ++j)
      sum += seed.data()[j] * (8 * (right.data()[j] - left.data()[j]) - (far_right.data()[j] - far_left.data()[j]));
    out.data()[e] = sum / (12 * h);
  }
  return out;
}

/// f(tape, inputs) -> Var must be differentiable in all inputs. Checks: finite differences (relative error 1e-6); each
/// input wanted alone; two uses of the inputs; parameters that already have gradients; recomputation.
template <class F>
void check_gradients(const Values& inputs, F f) {
  const auto seed = random_tensor(evaluate(inputs, f).shape(), 77);
  const Values once = gradients(inputs, seed, f, std::vector<bool>(inputs.size(), true));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    CAPTURE(i, to_string(inputs[i].shape()));
    CHECK(relative_error(once[i], finite_difference(inputs, i, seed, f)) <= 1e-6);

    std::vector<bool> only(inputs.size(), false);
    only[i] = true;
    const Values alone = gradients(inputs, seed, f, only);
    for (std::size_t j = 0; j < inputs.size(); ++j) CHECK(alone[j].defined() == (i == j));
    CHECK(relative_error(alone[i], once[i]) <= 1e-13);
  }

  const auto twice = [&](DoubleTape& tape, const Vars& vars) {
    const auto a = f(tape, vars), b = f(tape, vars);
    Tensor<double, Cpu> sum = tape.allocate(a.shape());
    Backend<Cpu>::add(sum.size(), a.data(), b.data(), sum.data());
    return tape.record(std::move(sum), {a, b}, [&tape, a, b](Tensor<double, Cpu> dy) {
      tape.accumulate(a, dy);
      tape.accumulate(b, std::move(dy));
    });
  };
  const auto recomputed = [&](DoubleTape& tape, const Vars& vars) {
    return recompute(tape, vars, [&tape, f](const Vars& again) { return f(tape, again); });
  };
  const std::vector<bool> all(inputs.size(), true);
  const Values doubled = gradients(inputs, seed, twice, all), replayed = gradients(inputs, seed, recomputed, all);

  std::vector<Parameter<double, Cpu>> parameters(inputs.size());
  DoubleTape tape;
  Vars vars;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    parameters[i].value = inputs[i];
    parameters[i].gradient = random_tensor(inputs[i].shape(), 1000 + i);
    vars.push_back(tape.use(parameters[i]));
  }
  tape.backward(f(tape, vars), seed.clone());

  for (std::size_t i = 0; i < inputs.size(); ++i) {
    CAPTURE(i, to_string(inputs[i].shape()));
    CHECK(relative_error(replayed[i], once[i]) <= 1e-13);
    auto expected = once[i].clone();
    Backend<Cpu>::add(expected.size(), once[i].data(), once[i].data(), expected.data());
    CHECK(relative_error(doubled[i], expected) <= 1e-13);
    const auto before = random_tensor(inputs[i].shape(), 1000 + i);
    Backend<Cpu>::add(expected.size(), once[i].data(), before.data(), expected.data());
    CHECK(relative_error(parameters[i].gradient, expected) <= 1e-13);
  }
}

/// The parameters of a model at the end of loss(tape) -> Var, three elements of each against finite differences. Errors
/// are relative to the largest gradient (root mean square) in the layer: a bias of keys has none, as softmax does not
/// see it, and beside its own size the rounding of the loss would be all there is.
template <class M, class F>
void check_parameter_gradients(M& model, F loss) {
  DoubleTape tape;
  tape.backward(loss(tape));
  const auto layer = [](const std::string& path) { return path.substr(0, path.rfind('.') + 1); };
  std::map<std::string, double> largest;
  for_each_parameter(model, [&](const std::string& path, auto& p) {
    if (!p.trained()) return;
    REQUIRE(p.gradient.defined());
    double& of_layer = largest[layer(path)];
    const double squares = sum_of_squares(p.gradient);
    of_layer = std::max(of_layer, std::sqrt(squares / double(p.gradient.size())));
  });
  double worst = 0;
  for_each_parameter(model, [&](const std::string& path, auto& p) {
    if (!p.trained()) return;
    const double scale = largest[layer(path)];
    CAPTURE(path, scale);
    CHECK(scale > 0);
    const Rng rng(1, hash_name(path));
    for (std::uint64_t k = 0; k < 3; ++k) {
      const auto e = std::int64_t(rng.below(k, std::uint64_t(p.value.size())));
      double& w = p.value.data()[e];
      const double analytic = p.gradient.data()[e], keep = w, h = 2e-4;
      const auto at = [&](double v) {
        w = v;
        return tape.without_recording([&] { return loss(tape).data()[0]; });
      };
      // Fourth order: a deep model bends too much for two points.
      const double numeric = (8 * (at(keep + h) - at(keep - h)) - (at(keep + 2 * h) - at(keep - 2 * h))) / (12 * h);
      w = keep;
      const double error = std::abs(numeric - analytic) / (std::abs(analytic) + scale);
      CAPTURE(analytic, numeric);
      CHECK(error < 1e-6);
      worst = std::max(worst, error);
    }
  });
  CHECK(worst > 0);
}

}  // namespace modelgrow::testing
