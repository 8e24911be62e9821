// SPDX-License-Identifier: MIT
// The table test of families as data: names and shapes of every released configuration give a schema of the counts that
// upstream has, and config.json is read by the formulas that patch it.
#include <set>

#include <modelgrow/families/all.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/releases.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("Every released configuration is recognised, tensor by tensor", "[families]") {
  std::set<std::string> seen;
  for (const auto& r : releases()) {
    INFO(r.family + ": " + r.name);
    const Names names(r.tensors, r.name);
    const Family& family = family_of(names, r.config, r.name);
    CHECK(family.name() == r.family);
    const Schema s = family.schema(names, r.config, r.name);
    seen.insert(family.name());
    REQUIRE(s.parameters.size() == r.tensors.size());
    CHECK(std::int64_t(r.tensors.size()) == r.count);
    std::int64_t trained = 0;
    for (std::size_t i = 0; i < r.tensors.size(); ++i) {
      CHECK(s.parameters[i].name == r.tensors[i].name);
      CHECK(s.parameters[i].shape() == r.tensors[i].shape);
      CHECK(s.parameters[i].dtype == r.tensors[i].dtype);
      CHECK((s.parameters[i].info.purpose == Purpose::buffer) == r.buffers.contains(r.tensors[i].name));
      if (is_trained(s.parameters[i].info.purpose)) trained += numel(r.tensors[i].shape);
    }
    CHECK(trained == r.parameters);
    CHECK(s.trained_elements() == r.parameters);
  }
  CHECK(seen.size() == known_families().size());
}
