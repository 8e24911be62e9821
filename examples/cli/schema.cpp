// SPDX-License-Identifier: MIT
// The one place of the program that includes every family.
#include <modelgrow/families/all.hpp>

#include <modelgrow/checkpoint/checkpoint.hpp>

#include "tool.hpp"

namespace tool {

mg::Family family_of(const mg::Checkpoint& in, const std::string& text) {
  return text.empty() ? mg::family_of(in.names(), in.config(), in.path().string()) : mg::Family::open(text);
}

mg::Schema schema_of(const mg::Checkpoint& in, mg::Trust trust, const std::string& family) {
  return family_of(in, family).schema(in, trust);
}

}  // namespace tool
