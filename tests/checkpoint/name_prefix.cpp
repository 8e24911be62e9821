// SPDX-License-Identifier: MIT
// The prefix of a wrapper is taken off all names or none, and put back where it stood.
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/name_prefix.hpp>
#include <tests/support/raw_files.hpp>
#include <tests/support/safetensors_bytes.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
std::string prefix_of(const std::vector<std::string_view>& names) { return NamePrefix(names).text(); }
}  // namespace

TEST_CASE("a prefix is what all names share") {
  CHECK(prefix_of({"module.a", "module.b"}) == "module.");
  CHECK(prefix_of({"module._orig_mod.a", "module._orig_mod.b"}) == "module._orig_mod.");
  CHECK(prefix_of({"model.diffusion_model.a"}) == "model.diffusion_model.");
  CHECK(prefix_of({"model.diffusion_model.a", "first_stage_model.b"}).empty());
  CHECK(prefix_of({"module.a", "b"}).empty());
  CHECK(prefix_of({"modules.a"}).empty());
  CHECK(prefix_of({"module."}).empty());
  CHECK(prefix_of({}).empty());
}

TEST_CASE("names lose the prefix and get it back; in optimizer state it stands behind the kind") {
  const NamePrefix weights({"_orig_mod.a", "_orig_mod.b"});
  CHECK(weights.without("_orig_mod.a") == "a");
  CHECK(weights.without("a") == "a");
  CHECK(weights.with("a") == "_orig_mod.a");

  const NamePrefix state({"adamw.m.module.a", "adamw.v.module.a", "adamw.step.module.a", "scheduler"});
  CHECK(state.text() == "module.");
  CHECK(state.without("adamw.v.module.a") == "adamw.v.a");
  CHECK(state.with("adamw.v.a") == "adamw.v.module.a");
  CHECK(state.without("scheduler") == "scheduler");
  CHECK(state.with("scheduler") == "scheduler");
  CHECK(NamePrefix({"adamw.m.module.a", "adamw.m.b"}).empty());
}

TEST_CASE("a checkpoint is seen without its prefix") {
  const Scratch scratch;
  const auto c = Checkpoint::open(
      put(scratch / "x.safetensors", file(R"({"module.w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x")));
  CHECK(c.prefix().text() == "module.");
  CHECK(c.names()[0].name == "w");
  CHECK(c.tensors()[0].name == "w");
  CHECK(c.find("w") == &c.tensors()[0]);
  CHECK(c.find("module.w") == &c.tensors()[0]);
  c.release(c.tensor("w").span());
  CHECK(char(c.tensor("w").data[0]) == 'x');
}
