// SPDX-License-Identifier: MIT
// The feed-forward layer of a block as its configuration records it: a perceptron, or after MixtureOfExperts a mixture.
#pragma once
#include <optional>
#include <vector>

#include <modelgrow/grafts/grafts_at.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>
#include <modelgrow/nn/sparse_mlp.hpp>

namespace modelgrow::inline v0 {

/// Writes the residual stream; parameters have the names of Mlp or SparseMlp.
template <class T, Device D>
struct FeedForward {
  std::optional<Mlp<T, D>> dense;
  std::optional<SparseMlp<T, D>> sparse;

  /// Throws shape_error for a record of a mixture that cannot be.
  FeedForward(const Extent& hidden, const Extent& inner, const std::vector<GraftRecord>& records) {
    for (const auto& r : records) {
      if (r.name != MixtureOfExperts::name) continue;
      const auto o = detail::options_from<MixtureOptions>(detail::read_values(r.options, r.name), r.name);
      if (const auto what = o.problem(); !what.empty())
        throw shape_error("the record of 'MixtureOfExperts' has " + what);
      sparse.emplace(o.experts, o.active, hidden, inner, hidden, Writes::residual);
      return;
    }
    dense.emplace(hidden, inner, hidden, Init::xavier(), Writes::residual);
  }
  static void describe(auto& self, auto& v) {
    if (self.dense) std::remove_cvref_t<decltype(*self.dense)>::describe(*self.dense, v);
    if (self.sparse) std::remove_cvref_t<decltype(*self.sparse)>::describe(*self.sparse, v);
  }
  /// x [.., C] -> [.., C]; `balance` as SparseMlp has it.
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, double balance) {
    return sparse ? (*sparse)(tape, x, balance) : (*dense)(tape, x);
  }
};

}  // namespace modelgrow::inline v0
