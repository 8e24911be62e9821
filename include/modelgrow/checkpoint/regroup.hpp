// SPDX-License-Identifier: MIT
// The state of an optimizer after growth: entries from a set of tensors under the names of growth, parameters in the
// order of the grown model, options of the groups as they were.
#pragma once
#include <modelgrow/checkpoint/stored_optimizer.hpp>

namespace modelgrow::inline v0 {

/// A trained parameter of the grown model, and the group of the old state whose options it takes.
struct GroupedParameter {
  std::string name;
  std::size_t group = 0;
  std::string source = {};  ///< the parameter of the old state that it is made from: what is packed there is so here
};

/// `parameters` are in the order of the model, in which each group keeps them; `tensors` may lack entries of new ones,
/// whose optimizer then begins with them. Numbers that were none of torch stay so. Throws format_error: a group that
/// the old state has not, a tensor of a parameter that is not listed, an entry that the optimizer has not.
StoredOptimizer regrouped(const StoredOptimizer& old, const std::vector<GroupedParameter>& parameters,
                          const std::vector<JoinedTensor>& tensors);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/regroup_inl.hpp>
#endif
