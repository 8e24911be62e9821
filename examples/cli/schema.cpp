// SPDX-License-Identifier: MIT
// The one place of the program that includes every family.
#include <modelgrow/families/all.hpp>

#include <modelgrow/checkpoint/checkpoint.hpp>

#include "tool.hpp"

namespace tool {

mg::Schema schema_of(const mg::Checkpoint& in, mg::Trust trust, const std::string& family) {
  if (!family.empty()) return mg::Family::open(family).schema(in, trust);
  return mg::family_of(in.names(), in.config(), in.path().string()).schema(in, trust);
}

}  // namespace tool
