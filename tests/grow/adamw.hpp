// SPDX-License-Identifier: MIT
// AdamW in double, written from the definition (decoupled weight decay, one step counter a parameter, multipliers).
#pragma once
#include "tiny.hpp"

namespace tiny {

struct AdamW {
  double rate = 1e-2, beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8, decay = 0.05;
  State<double> m, v;
  std::map<std::string, double> steps;
  std::map<std::string, Multipliers> multipliers;

  explicit AdamW(const Schema& s) {
    for (const auto& p : s.parameters) {
      if (p.info.purpose == Purpose::buffer) continue;
      m[p.name].resize(std::size_t(numel(p.shape())));
      v[p.name] = m[p.name];
      steps[p.name] = 0;
      multipliers[p.name] = Multipliers{};
    }
  }
  void step(State<double>& w, const State<double>& g) {
    for (auto& [n, first] : m) {
      auto &x = w[n], &second = v[n];
      const auto& mult = multipliers[n];
      const double t = ++steps[n];
      const std::size_t rows = mult.eps.size() > 1 ? mult.eps.size() : 0, columns = mult.lr.size();
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double lr = mult.lr[i % columns], eps = rows ? mult.eps[i / (x.size() / rows)] : mult.eps[0];
        first[i] = beta1 * first[i] + (1 - beta1) * g.at(n)[i];
        second[i] = beta2 * second[i] + (1 - beta2) * g.at(n)[i] * g.at(n)[i];
        const double mh = first[i] / (1 - std::pow(beta1, t)), vh = second[i] / (1 - std::pow(beta2, t));
        x[i] -= rate * lr * mh / (std::sqrt(vh) + epsilon * eps) + rate * decay * x[i];
      }
    }
  }
  StateDict save(const Schema& s) const {
    StateDict d;
    const auto put = [&](const std::string& name, const Shape& shape, const std::vector<double>& values) {
      HostTensor t{.dtype = DType::f64, .shape = shape, .bytes = std::vector<std::byte>(values.size() * 8)};
      std::memcpy(t.bytes.data(), values.data(), t.bytes.size());
      d[name] = std::move(t);
    };
    for (const auto& p : s.parameters) {
      if (p.info.purpose == Purpose::buffer) continue;
      put(optimizer_name(OptimizerKind::m, p.name), p.shape(), m.at(p.name));
      put(optimizer_name(OptimizerKind::v, p.name), p.shape(), v.at(p.name));
      put(optimizer_name(OptimizerKind::step, p.name), Shape{}, {steps.at(p.name)});
    }
    return d;
  }
  void load(const Schema& s, const StateDict& d) {
    const auto views = modelgrow::detail::views_of(d);
    const TensorSet set(views, "test");
    for (const auto& p : s.parameters) {
      if (p.info.purpose == Purpose::buffer) continue;
      m[p.name] = numbers(d.at(optimizer_name(OptimizerKind::m, p.name)));
      v[p.name] = numbers(d.at(optimizer_name(OptimizerKind::v, p.name)));
      steps[p.name] = numbers(d.at(optimizer_name(OptimizerKind::step, p.name)))[0];
      multipliers[p.name] = read_multipliers(set, p.name, p.shape());
    }
  }
};

}  // namespace tiny
