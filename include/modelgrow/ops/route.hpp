// SPDX-License-Identifier: MIT
// Routing of a mixture of experts (Shazeer et al. 2017): each token goes to the experts of its largest logits, with the
// softmax over these alone as weights, so that they add up to one. Which experts these are is decided on the host.
#pragma once
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// A token that an expert sees: its row, and which of the experts of the row this one is (0: of the largest logit).
struct Routed {
  std::int32_t row = 0, choice = 0;
};

/// Which tokens each expert sees, and with which weights.
template <class T, Device D>
struct Routing {
  Var<T, D> weights;  // [rows, active], each row adds up to one, to the rounding of T
  std::shared_ptr<const std::vector<std::vector<Routed>>> experts;
};

namespace detail {

template <class T, Device D>
Tensor<T, Cpu> on_host(const Tensor<T, D>& t) {
  if constexpr (std::same_as<D, Cpu>)
    return t;
  else
    return to_cpu(t);
}
/// Copies a tensor of the host into pooled memory of the device.
template <class T, Device D>
Tensor<T, D> on_device(Tape<T, D>& tape, const Tensor<T, Cpu>& t) {
  Tensor<T, D> there = tape.allocate(t.shape());
  D::from_host(there.data(), t.data(), t.bytes());
  return there;
}
/// exp(x - max) / sum over n values.
template <class T>
std::vector<double> softmax_of(const T* x, std::int64_t n) {
  std::vector<double> p;
  for (std::int64_t i = 0; i < n; ++i) p.push_back(element_cast<double>(x[i]));
  const double most = *std::max_element(p.begin(), p.end());
  double sum = 0;
  for (double& v : p) sum += v = std::exp(v - most);
  for (double& v : p) v /= sum;
  return p;
}

}  // namespace detail

/// Logits [.., experts] to `active` experts a row; of equal logits the first. Gradients reach the logits of chosen
/// experts. Throws shape_error.
template <class T, HasBackend D>
Routing<T, D> route(Tape<T, D>& tape, const Var<T, D>& logits, std::int64_t active) {
  const std::int64_t experts = logits.dim(-1), rows = logits.value().size() / experts;
  expect("route", active >= 1 && active <= experts, [&] {
    return std::to_string(active) + " experts a token were asked for; expected 1 to " + std::to_string(experts) +
           ", the last dimension of the logits " + to_string(logits.shape());
  });
  const auto x = detail::on_host(logits.value());
  auto lists = std::make_shared<std::vector<std::vector<Routed>>>(std::size_t(experts));
  std::vector<std::int64_t> chosen;  // [rows, active]
  Tensor<T, Cpu> weights({rows, active});
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = x.data() + r * experts;
    std::vector<bool> taken(std::size_t(experts), false);
    std::vector<T> best;
    for (std::int64_t c = 0; c < active; ++c) {
      std::int64_t e = 0;
      while (taken[std::size_t(e)]) ++e;
      for (std::int64_t i = e + 1; i < experts; ++i)
        if (!taken[std::size_t(i)] && element_cast<double>(row[i]) > element_cast<double>(row[e])) e = i;
      taken[std::size_t(e)] = true;
      best.push_back(row[e]);
      chosen.push_back(e);
      (*lists)[std::size_t(e)].push_back({.row = std::int32_t(r), .choice = std::int32_t(c)});
    }
    const auto p = detail::softmax_of(best.data(), active);
    for (std::int64_t c = 0; c < active; ++c) weights.data()[r * active + c] = element_cast<T>(p[std::size_t(c)]);
  }
  const auto backward = [=, &tape, chosen = std::move(chosen)](Tensor<T, D> dweights) {
    const auto dw = detail::on_host(dweights);
    auto dx = Tensor<T, Cpu>::zeros(logits.shape());
    for (std::int64_t r = 0; r < rows; ++r) {
      const T *p = weights.data() + r * active, *d = dw.data() + r * active;
      double mean = 0;
      for (std::int64_t c = 0; c < active; ++c) mean += element_cast<double>(p[c]) * element_cast<double>(d[c]);
      for (std::int64_t c = 0; c < active; ++c)
        dx.data()[r * experts + chosen[std::size_t(r * active + c)]] =
            element_cast<T>(element_cast<double>(p[c]) * (element_cast<double>(d[c]) - mean));
    }
    tape.accumulate(logits, detail::on_device(tape, dx));
  };
  return {.weights = tape.record(detail::on_device(tape, weights), {logits}, backward), .experts = lists};
}

/// The load balancing loss of Switch Transformer (Fedus et al. 2022, equations 4 to 6): experts * sum_e f_e P_e, with
/// f_e the share of choices that fell on an expert and P_e its mean probability in the softmax over all; 1 where all
/// are alike, `experts` where one has everything. Gradients flow through P. -> scalar.
template <class T, HasBackend D>
Var<T, D> balance_loss(Tape<T, D>& tape, const Var<T, D>& logits, const Routing<T, D>& routing) {
  const std::int64_t experts = logits.dim(-1), rows = logits.value().size() / experts;
  const auto x = detail::on_host(logits.value());
  std::vector<double> share;
  for (const auto& list : *routing.experts)
    share.push_back(double(list.size()) / double(routing.weights.value().size()));
  std::vector<double> all;  // probabilities [rows, experts]
  double loss = 0;
  for (std::int64_t r = 0; r < rows; ++r)
    for (const double p : detail::softmax_of(x.data() + r * experts, experts)) {
      loss += double(experts) * share[all.size() % std::size_t(experts)] * p / double(rows);
      all.push_back(p);
    }
  Tensor<T, Cpu> value(Shape{});
  value.data()[0] = element_cast<T>(loss);
  return tape.record(detail::on_device(tape, value), {logits}, [=, &tape](Tensor<T, D> dloss) {
    const double scale = element_cast<double>(detail::on_host(dloss).data()[0]) * double(experts) / double(rows);
    Tensor<T, Cpu> dx(logits.shape());
    for (std::int64_t r = 0; r < rows; ++r) {
      const double* p = all.data() + r * experts;
      double mean = 0;
      for (std::int64_t e = 0; e < experts; ++e) mean += share[std::size_t(e)] * p[e];
      for (std::int64_t e = 0; e < experts; ++e)
        dx.data()[r * experts + e] = element_cast<T>(scale * p[e] * (share[std::size_t(e)] - mean));
    }
    tape.accumulate(logits, detail::on_device(tape, dx));
  });
}

}  // namespace modelgrow::inline v0
