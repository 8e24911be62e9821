// SPDX-License-Identifier: MIT
// What the experts of a mixture make of their tokens, put together again: each row is the weighted sum of its experts.
#pragma once
#include <modelgrow/ops/embedding.hpp>
#include <modelgrow/ops/route.hpp>

namespace modelgrow::inline v0 {

/// The rows of x [rows, C] that an expert sees -> [n, C]. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> routed_rows(Tape<T, D>& tape, const Var<T, D>& x, const std::vector<Routed>& seen) {
  Tensor<std::int32_t, Cpu> rows({std::int64_t(seen.size())});
  for (std::size_t i = 0; i < seen.size(); ++i) rows.data()[i] = seen[i].row;
  return embedding(tape, to_device<D>(rows), x);
}

/// parts[e] [n, C] of the n rows that expert e sees, undefined for one that sees none -> [rows, C]. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> mix_experts(Tape<T, D>& tape, const std::vector<Var<T, D>>& parts, const Routing<T, D>& routing) {
  const Var<T, D>& weights = routing.weights;
  const auto experts = routing.experts;
  const std::int64_t rows = weights.dim(0), active = weights.dim(1);
  expect("mix_experts", parts.size() == experts->size(), [&] {
    return "there are parts of " + std::to_string(parts.size()) + " experts; expected " +
           std::to_string(experts->size()) + ", as many as the router has";
  });
  std::int64_t width = 0;
  for (const auto& p : parts)
    if (p.defined()) width = p.dim(-1);
  for (std::size_t e = 0; e < parts.size(); ++e)
    if (const auto n = std::int64_t((*experts)[e].size()); n > 0 || parts[e].defined())
      expect_shape("mix_experts", "the part of an expert", parts[e].defined() ? parts[e].shape() : Shape{0}, {n, width},
                   "one row for each token that it sees");
  std::vector<Var<T, D>> inputs = parts;
  inputs.push_back(weights);

  const auto w = detail::on_host(weights.value());
  std::vector<double> sum(std::size_t(rows * width), 0.0);
  for (std::size_t e = 0; e < parts.size(); ++e) {
    if (!parts[e].defined()) continue;
    const auto part = detail::on_host(parts[e].value());
    for (std::size_t i = 0; i < (*experts)[e].size(); ++i) {
      const auto [row, choice] = (*experts)[e][i];
      const double weight = element_cast<double>(w.data()[row * active + choice]);
      for (std::int64_t c = 0; c < width; ++c)
        sum[std::size_t(row * width + c)] += weight * element_cast<double>(part.data()[std::int64_t(i) * width + c]);
    }
  }
  Tensor<T, Cpu> y({rows, width});
  for (std::size_t i = 0; i < sum.size(); ++i) y.data()[i] = element_cast<T>(sum[i]);
  return tape.record(detail::on_device(tape, y), std::span<const Var<T, D>>(inputs), [=, &tape](Tensor<T, D> dy_) {
    const auto dy = detail::on_host(dy_);
    auto dw = Tensor<T, Cpu>::zeros(weights.shape());
    for (std::size_t e = 0; e < parts.size(); ++e) {
      if (!parts[e].defined()) continue;
      const auto part = detail::on_host(parts[e].value());
      Tensor<T, Cpu> dpart(part.shape());
      for (std::size_t i = 0; i < (*experts)[e].size(); ++i) {
        const auto [row, choice] = (*experts)[e][i];
        const double weight = element_cast<double>(w.data()[row * active + choice]);
        double dot = 0;
        for (std::int64_t c = 0; c < width; ++c) {
          const double d = element_cast<double>(dy.data()[row * width + c]);
          dot += d * element_cast<double>(part.data()[std::int64_t(i) * width + c]);
          dpart.data()[std::int64_t(i) * width + c] = element_cast<T>(weight * d);
        }
        dw.data()[row * active + choice] = element_cast<T>(dot);
      }
      tape.accumulate(parts[e], detail::on_device(tape, dpart));
    }
    tape.accumulate(weights, detail::on_device(tape, dw));
  });
}

}  // namespace modelgrow::inline v0
