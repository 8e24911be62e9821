// SPDX-License-Identifier: MIT
// A plan for people: what each operator does and claims, how large the model becomes, and how each tensor is made.
#pragma once
#include <ostream>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// Bytes of all tensors of a schema.
std::uint64_t total_bytes(const Schema& s);

namespace detail {

/// "759,620,768".
std::string grouped(std::uint64_t n);
/// "3.04 GB".
std::string human_bytes(std::uint64_t n);

}  // namespace detail

/// The dry run: certificates, size before and after, and a table of recipes (equal blocks share a row).
std::ostream& operator<<(std::ostream& os, const Plan& plan);

std::string to_string(const Plan& plan);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/plan_print_inl.hpp>
#endif
