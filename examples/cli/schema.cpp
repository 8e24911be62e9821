// SPDX-License-Identifier: MIT
// The one place of the program that includes every family.
#include <modelgrow/models/families.hpp>

#include "tool.hpp"

namespace tool {

mg::Schema schema_of(const mg::Checkpoint& in, mg::Trust trust) {
  if (trust == mg::Trust::nobody) return mg::schema(in);
  return mg::family_of(in.names(), in.config(), in.path().string()).schema(in, trust);
}

}  // namespace tool
