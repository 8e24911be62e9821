// SPDX-License-Identifier: MIT
// A tiny STDiT with random weights, its inputs, and the golden file of the upstream class.
#pragma once
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/models/stdit_json.hpp>
#include <modelgrow/ops/mse.hpp>

namespace test {
namespace mg = modelgrow;

inline mg::StditConfig tiny_config() {
  mg::StditConfig c;
  c.input_size = {4, 8, 8};
  c.in_channels = 3;
  c.patch_size = {1, 2, 2};
  c.hidden_size = 24;
  c.depth = 2;
  c.num_heads = 2;
  c.mlp_ratio = 2.5;
  c.pred_sigma = false;
  c.caption_channels = 10;
  c.model_max_length = 7;
  return c;
}

/// Every parameter random, the zero-initialised ones too: a test on zeros proves nothing.
template <class M>
void randomise(M& model, std::uint64_t seed, double scale = 0.25) {
  mg::for_each_parameter(model, [&](const std::string& path, auto& p) {
    const mg::Rng rng(seed, mg::hash_name(path));
    std::vector<double> values;
    for (std::int64_t i = 0; i < p.value.size(); ++i) values.push_back(scale * rng.normal(std::uint64_t(i)));
    mg::assign(p.value, values);
  });
}

/// A parameter by its name.
template <class T>
mg::Parameter<T, mg::Cpu>& at(mg::Stdit<T, mg::Cpu>& model, std::string_view name) {
  mg::Parameter<T, mg::Cpu>* found = nullptr;
  mg::for_each_parameter(model, [&](const std::string& path, auto& p) {
    if (path == name) found = &p;
  });
  if (!found) throw mg::error("there is no parameter '" + std::string(name) + "'");
  return *found;
}

template <class T>
mg::Tensor<T, mg::Cpu> random_tensor(mg::Shape shape, std::uint64_t seed) {
  mg::Tensor<T, mg::Cpu> t(std::move(shape));
  const mg::Rng rng(seed);
  for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = T(rng.normal(std::uint64_t(i)));
  return t;
}

/// Inputs of one forward pass: two clips, two times, captions of different length.
template <class T>
struct Inputs {
  mg::Tensor<T, mg::Cpu> x, t, states, states_2;
  mg::Tensor<std::int32_t, mg::Cpu> lengths;

  explicit Inputs(const mg::StditConfig& c, std::uint64_t seed = 7)
      : x(random_tensor<T>({2, c.in_channels, c.input_size[0], c.input_size[1], c.input_size[2]}, seed)),
        t({2}),
        states(random_tensor<T>({2, 5, c.caption_channels}, seed + 1)),
        lengths({2}) {
    t.data()[0] = T(501);
    t.data()[1] = T(37);
    lengths.data()[0] = 5;
    lengths.data()[1] = 3;
    if (const auto second = mg::second_text(c.grafts)) states_2 = random_tensor<T>({2, 5, second->width}, seed + 2);
  }
  mg::TextStates<T, mg::Cpu> text(mg::Tape<T, mg::Cpu>& tape) const { return {tape.constant(states), lengths, {}}; }
  mg::TextStates<T, mg::Cpu> text_2(mg::Tape<T, mg::Cpu>& tape) const {
    if (!states_2.defined()) return {};
    return {tape.constant(states_2), lengths, {}};
  }
};

template <class T>
mg::Tensor<T, mg::Cpu> run(mg::Stdit<T, mg::Cpu>& model, const Inputs<T>& in) {
  mg::Tape<T, mg::Cpu> tape(mg::Tape<T, mg::Cpu>::Mode::infer);
  return model.forward(tape, tape.constant(in.x), in.t, in.text(tape), in.text_2(tape)).value();
}

/// Largest difference relative to the largest value of b.
template <class A, class B>
double relative_difference(const A& a, const B& b) {
  double difference = 0, largest = 0;
  for (std::int64_t i = 0; i < b.size(); ++i) {
    difference = std::max(difference, std::abs(double(a.data()[i]) - double(b.data()[i])));
    largest = std::max(largest, std::abs(double(b.data()[i])));
  }
  return difference / largest;
}
}  // namespace test
