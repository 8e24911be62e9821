// SPDX-License-Identifier: MIT
// The families that the library knows, and which of them a checkpoint is of.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/families/family.hpp>

namespace modelgrow::inline v0 {

/// Every family that the library has a text of; add your own: `auto mine = known_families();
/// mine.push_back(Family(text))`.
const std::vector<Family>& known_families();

/// The family that explains every tensor of a file; `_class_name` of config.json decides between two. Throws
/// format_error that names the cause where it is known (an adapter, quantised weights, another layout), else the
/// nearest family and what does not fit, or both of two families.
const Family& family_of(const Names& names, std::string_view config, const std::string& where,
                        const std::vector<Family>& among = known_families());

/// The schema of a checkpoint of a known family. Throws format_error that names the families there are.
Schema schema(const Checkpoint& in);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/families/all_inl.hpp>
#endif
