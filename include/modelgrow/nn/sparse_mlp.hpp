// SPDX-License-Identifier: MIT
// A mixture of experts in place of a perceptron: a router sends each token to some of them (Shazeer et al. 2017).
#pragma once
#include <vector>

#include <modelgrow/nn/mlp.hpp>
#include <modelgrow/ops/also_minimise.hpp>
#include <modelgrow/ops/mix_experts.hpp>
#include <modelgrow/ops/reshape.hpp>

namespace modelgrow::inline v0 {

/// sum over the `active` experts of a token of their weights times experts[e](x); the weights add up to one. Names
/// experts.<e>.{fc1,fc2} and router.weight [experts, from].
template <class T, Device D>
struct SparseMlp {
  std::vector<Mlp<T, D>> experts;
  Parameter<T, D> router;
  std::int64_t active = 1;

  SparseMlp() = default;
  SparseMlp(std::int64_t number, std::int64_t active_, const Extent& from, const Extent& inner, const Extent& to,
            Writes writes = Writes::branch)
      : router(ParamInfo{.axes = {fixed(number), in(from)}, .init = Init::normal(0.02)}), active(active_) {
    for (std::int64_t e = 0; e < number; ++e) experts.emplace_back(from, inner, to, Init::xavier(), writes);
  }

  static void describe(auto& self, auto& v) {
    for (std::size_t e = 0; e < self.experts.size(); ++e) v.child("experts." + std::to_string(e), self.experts[e]);
    v("router.weight", self.router);
  }
  /// x [.., C] -> [.., C]. `balance` times the load balancing loss is minimised too.
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, double balance = 0) {
    const std::int64_t width = x.dim(-1);
    Var<T, D> rows = reshape(tape, x, {x.value().size() / width, width});
    const Var<T, D> logits = linear(tape, rows, tape.use(router));
    const Routing<T, D> routing = route(tape, logits, active);
    if (balance != 0) rows = also_minimise(tape, rows, balance_loss(tape, logits, routing), balance);
    std::vector<Var<T, D>> parts(experts.size());
    for (std::size_t e = 0; e < experts.size(); ++e)
      if (const auto& seen = (*routing.experts)[e]; !seen.empty())
        parts[e] = experts[e](tape, routed_rows(tape, rows, seen));
    return reshape(tape, mix_experts(tape, parts, routing), x.shape());
  }
};

}  // namespace modelgrow::inline v0
