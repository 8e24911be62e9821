// SPDX-License-Identifier: MIT
// From the schema of a grown STDiT back to its configuration, and what it tells growth beside its parameters.
#pragma once
#include <string>
#include <vector>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/models/stdit_json.hpp>

namespace modelgrow::inline v0 {

/// The ratio whose product with `hidden`, cut to an integer as upstream does, is exactly `ffn`.
double mlp_ratio_for(std::int64_t ffn, std::int64_t hidden);

/// `base` with the sizes and grafts that a schema grown from it has.
StditConfig resized(StditConfig base, const Schema& s);

/// The ports of an STDiT.
std::vector<PortSpec> stdit_ports(const StditConfig& c);

/// Where the states of its text encoder enter.
TextInput stdit_text_input();

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/models/stdit_schema_inl.hpp>
#endif
