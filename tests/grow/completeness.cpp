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
  const auto renamed = [](const std::string& only, auto name) {
    return [=](StateDict& d) {
      StateDict other;
      for (auto& [key, tensor] : d) {
        const auto parsed = parse_optimizer_name(key);
        const bool mine = parsed && parsed->parameter.starts_with(only);
        other[mine ? name(parsed->kind, parsed->parameter) : key] = tensor;
      }
      d = other;
    };
  };
  const auto wrapped = [](OptimizerKind kind, const std::string& p) { return optimizer_name(kind, "wrapped." + p); };
  const auto torch = [](OptimizerKind kind, const std::string& p) {
    return "state." + p + "." + std::to_string(int(kind));
  };
  CHECK(says(refusal("optimizer.safetensors", [](StateDict& d) { d.erase("adamw.v.blocks.1.mlp.fc1.weight"); }),
             "'blocks.1.mlp.fc1.weight' has the entry 'm' of adamw and no entry 'v'"));
  CHECK(says(refusal("optimizer.safetensors", renamed("", wrapped)), "as all other, belongs to no parameter",
             "the nearest names"));
  CHECK(says(refusal("optimizer.safetensors", renamed("blocks.1.mlp.", wrapped)),
             "the state of 'wrapped.blocks.1.mlp.fc1.bias' belongs to no parameter",
             "the nearest names are 'blocks.1.mlp.fc1.bias'"));
  CHECK(says(refusal("optimizer.safetensors", renamed("", torch)), "optimizer.safetensors: tensor '",
             "is no state of a parameter; expected names such as 'adamw.m.", "of another trainer"));
}
