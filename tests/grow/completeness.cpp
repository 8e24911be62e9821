// SPDX-License-Identifier: MIT
// Averages and optimizer state that cover only a part of the model are refused by name, and nothing is written.
#include <modelgrow/grow/operators/insert_blocks.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

/// What growing the folder says after `change` was applied to the names of one of its files.
template <class Change>
std::string refusal(const char* file, Change change) {
  const tiny::Scratch scratch;
  const tiny::Config small;
  tiny::make_directory<float>(scratch / "base", small);
  const auto path = scratch / "base" / file;
  auto dict = tiny::read_dict(Checkpoint::open(path));
  change(dict);
  tiny::fs::remove(path);
  tiny::write_dict(path, dict);
  const auto text = message_of<format_error>([&] {
    plan(tiny::disk_schema(small), InsertBlocks{.every = 1})
        .write(Checkpoint::open(scratch / "base"), scratch / "grown");
  });
  CHECK(scratch.entries() == 1);
  return text;
}

}  // namespace

TEST_CASE("averages of a part of the model are refused") {
  CHECK(says(refusal("ema.safetensors", [](StateDict& d) { d.erase("blocks.1.mlp.fc1.weight"); }), "lack 1 of",
             "'blocks.1.mlp.fc1.weight'"));
}

TEST_CASE("averages may lack what the optimizer leaves out, too: frozen parameters") {
  const tiny::Scratch scratch;
  const tiny::Config small;
  tiny::make_directory<float>(scratch / "base", small);
  const std::string frozen = "blocks.1.mlp.fc1.weight";
  for (const char* file : {"ema.safetensors", "optimizer.safetensors"}) {
    auto dict = tiny::read_dict(Checkpoint::open(scratch / "base" / file));
    std::erase_if(dict, [&](const auto& entry) { return entry.first.ends_with(frozen); });
    tiny::fs::remove(scratch / "base" / file);
    tiny::write_dict(scratch / "base" / file, dict);
  }
  const auto report = plan(tiny::disk_schema(small), InsertBlocks{.every = 1})
                          .write(Checkpoint::open(scratch / "base"), scratch / "grown");
  CHECK(report.optimizer_moved);
}

TEST_CASE("one moment of two, and state under other names, are refused") {
  CHECK(says(refusal("optimizer.safetensors", [](StateDict& d) { d.erase("adamw.v.blocks.1.mlp.fc1.weight"); }),
             "'blocks.1.mlp.fc1.weight' has a first moment and no second one"));
  CHECK(says(refusal("optimizer.safetensors",
                     [](StateDict& d) {
                       StateDict wrapped;
                       for (auto& [name, tensor] : d) {
                         const auto parsed = parse_optimizer_name(name);
                         wrapped[parsed ? optimizer_name(parsed->kind, "wrapped." + parsed->parameter) : name] = tensor;
                       }
                       d = wrapped;
                     }),
             "belongs to no parameter", "the nearest names"));
}
