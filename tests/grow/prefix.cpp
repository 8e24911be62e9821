// SPDX-License-Identifier: MIT
// Checkpoints of wrapped models grow as those of the model itself, and keep the names of the wrapper everywhere.
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;

TEST_CASE("a prefix is kept in weights, averages and optimizer state") {
  const tiny::Scratch scratch;
  const tiny::Config small;
  tiny::make_directory<float>(scratch / "base", small);
  tiny::fs::create_directory(scratch / "wrapped");
  const std::string prefix = "module._orig_mod.";
  for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
    StateDict wrapped;
    for (auto& [name, tensor] : tiny::read_dict(Checkpoint::open(scratch / "base" / file))) {
      const auto state = parse_optimizer_name(name);
      const bool whole = std::string(file) != "optimizer.safetensors";
      wrapped[state ? optimizer_name(state->kind, prefix + state->parameter) : (whole ? prefix : "") + name] = tensor;
    }
    tiny::write_dict(scratch / "wrapped" / file, wrapped);
  }
  const Plan p = plan(tiny::disk_schema(small), InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 8});
  p.write(Checkpoint::open(scratch / "base"), scratch / "grown");
  const auto in = Checkpoint::open(scratch / "wrapped");
  const auto report = p.write(in, scratch / "grown_wrapped");
  CHECK(report.optimizer_moved);
  for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
    INFO(file);
    const auto plain = Checkpoint::open(scratch / "grown" / file),
               wrapped = Checkpoint::open(scratch / "grown_wrapped" / file);
    CHECK(wrapped.prefix().text() == prefix);
    CHECK(tiny::read_dict(wrapped) == tiny::read_dict(plain));
    for (const auto& t : wrapped.files()[0].names()) {
      INFO(t.name);
      CHECK((t.name == "scheduler" || t.name.find(prefix) != t.name.npos));
    }
  }
  const auto found = check_grown(Checkpoint::open(scratch / "grown_wrapped"), in, tiny::disk_schema(small));
  CHECK(found.optimizer_tensors > 0);
  CHECK(found.grown_along == std::vector<std::string>{"ema.safetensors", "optimizer.safetensors"});
}
