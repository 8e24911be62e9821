// SPDX-License-Identifier: MIT
// Definitions of file_check.hpp.
#pragma once
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/proof_feed.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline FileCheck check_all(const Promises& promises, const TensorSet& old, const TensorSet& grown) {
  std::vector<std::string> names;
  for (const auto& t : grown.tensors()) names.push_back(t.name);
  promises.check_names(names);
  std::vector<Verdict> verdicts;
  for (const auto& t : grown.tensors())
    if (const auto proof = promises.proof(NamedShape{.name = t.name, .dtype = t.dtype, .shape = t.shape})) {
      prove(*proof, t.span());
      verdicts.push_back(proof->verdict());
      grown.release(t.span());
      if (proof->old()) old.release(proof->old()->span());
    }
  return promises.judge(std::move(verdicts));
}

}  // namespace detail

MODELGROW_INLINE FileCheck check_weights(const Plan& plan, const TensorSet& old, const TensorSet& grown) {
  return detail::check_all(detail::Promises(plan, Contents::weights, old, grown.where()), old, grown);
}

MODELGROW_INLINE FileCheck check_optimizer(const Plan& plan, const TensorSet& old, const TensorSet& grown) {
  return detail::check_all(detail::Promises(plan, Contents::optimizer, old, grown.where()), old, grown);
}

}  // namespace modelgrow::inline v0
