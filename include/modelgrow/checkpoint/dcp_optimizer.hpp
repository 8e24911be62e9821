// SPDX-License-Identifier: MIT
// The states of optimizers among the items of a distributed checkpoint, in either layout of torch: nested dictionaries,
// or flattened ones, with `state.<name>.exp_avg` and `param_groups.<name>.lr` for each parameter.
#pragma once
#include <optional>

#include <modelgrow/checkpoint/dcp.hpp>
#include <modelgrow/checkpoint/stored_optimizer.hpp>

namespace modelgrow::inline v0 {

/// Which keys lead to the optimizer that an item belongs to; nothing for all other items.
std::optional<std::string> optimizer_of(const DcpFolder::Item& item);

/// Which keys lead to states of optimizers: "optim", "app/optimizer".
std::vector<std::string> dcp_optimizers(const DcpFolder& folder);

/// The state behind these keys. Parameters of the flattened layout with equal options are one group. Throws what
/// DcpFolder::tensor throws, and format_error: no state there, entries of a parameter that no group has, a parameter in
/// two groups, entries that are no tensors or numbers.
StoredOptimizer dcp_optimizer(const DcpFolder& folder, const std::string& at);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/dcp_optimizer_inl.hpp>
#endif
