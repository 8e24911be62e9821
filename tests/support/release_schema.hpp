// SPDX-License-Identifier: MIT
// What the library's families make of a release.
#pragma once
#include <modelgrow/families/all.hpp>

#include "tests/support/releases.hpp"

namespace modelgrow::testing {

inline Schema schema_of(const Release& r) {
  const Names names(r.tensors, r.name);
  return family_of(names, r.config, r.name).schema(names, r.config, r.name);
}

}  // namespace modelgrow::testing
