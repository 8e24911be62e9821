// SPDX-License-Identifier: MIT
// What is of the same model grows along: variants, averages in a file or a folder; the report names each.
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/free_space.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using List = std::vector<std::string>;

namespace {

const tiny::Config small;
Plan deeper() { return plan(tiny::disk_schema(small), InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 8}); }

}  // namespace

TEST_CASE("variants grow along by the same plan, whole or in shards") {
  const tiny::Scratch scratch;
  const auto base = scratch / "base", grown = scratch / "grown";
  tiny::write_model(base, 1);
  tiny::write_dict(base / "diffusion_pytorch_model.ema.safetensors", tiny::random_weights<float>(2));
  tiny::write_dict(base / "diffusion_pytorch_model.fp16.safetensors", tiny::random_weights<f16>(1), {}, 1500);
  REQUIRE(tiny::fs::exists(base / "diffusion_pytorch_model.safetensors.index.fp16.json"));
  const Plan p = deeper();
  const auto in = Checkpoint::open(base);
  const auto report = p.write(in, grown);
  CHECK(report.grown_along ==
        List{"diffusion_pytorch_model.ema.safetensors", "diffusion_pytorch_model.fp16.safetensors"});
  CHECK(tiny::read_dict(Checkpoint::open(grown)) == grow_weights(p, tiny::random_weights<float>(1)));
  CHECK(tiny::read_dict(Checkpoint::open(grown / "diffusion_pytorch_model.ema.safetensors")) ==
        grow_weights(p, tiny::random_weights<float>(2)));
  CHECK(tiny::read_dict(Checkpoint::open(grown, {.weights = "diffusion_pytorch_model.safetensors.index.fp16.json"})) ==
        grow_weights(p, tiny::random_weights<f16>(1)));
  std::ostringstream printed;
  printed << report;
  CHECK(says(printed.str(), "grown along by the same plan: diffusion_pytorch_model.ema.safetensors"));
  CHECK(check_grown(Checkpoint::open(grown), in, tiny::disk_schema(small)).grown_along == report.grown_along);
  tiny::fs::remove(grown / "diffusion_pytorch_model.ema.safetensors");
  CHECK(says(message_of<check_error>([&] { check_grown(Checkpoint::open(grown), in, tiny::disk_schema(small)); }),
             "'diffusion_pytorch_model.ema.safetensors' of its source is not in the grown folder"));
}

TEST_CASE("a folder of which a variant in shards is chosen grows to names that open again") {
  const tiny::Scratch scratch;
  const auto base = scratch / "base", grown = scratch / "grown";
  tiny::fs::create_directory(base);
  tiny::write_dict(base / "diffusion_pytorch_model.fp16.safetensors", tiny::random_weights<f16>(1), {}, 1500);
  const Plan p = deeper();
  p.write(Checkpoint::open(base), grown);
  CHECK(tiny::read_dict(Checkpoint::open(grown)) == grow_weights(p, tiny::random_weights<f16>(1)));
  tiny::write_model(base, 2);
  const auto report = p.write(
      Checkpoint::open(base, {.weights = "diffusion_pytorch_model.safetensors.index.fp16.json"}), scratch / "both");
  CHECK(report.grown_along == List{"diffusion_pytorch_model.safetensors"});
}

TEST_CASE("averages and optimizer state in shards open again, and grow again") {
  const tiny::Scratch scratch;
  tiny::make_directory<float>(scratch / "base", small);
  const auto in = Checkpoint::open(scratch / "base");
  const Plan p = deeper();
  p.write(in, scratch / "grown", WritePlan{.shard_bytes = 3000});
  REQUIRE(tiny::fs::exists(scratch / "grown/ema.safetensors.index.json"));
  const auto grown = Checkpoint::open(scratch / "grown");
  CHECK(tiny::read_dict(grown.optimizer()) == grow_optimizer(p, tiny::read_dict(in.optimizer())));
  const auto found = check_grown(grown, in, tiny::disk_schema(small));
  CHECK(found.grown_along == List{"ema.safetensors", "optimizer.safetensors"});
  const auto s = p.schema();
  const auto again = plan(s, InsertBlocks{.at = {1}}).write(grown, scratch / "again");
  CHECK(again.grown_along == List{"ema.safetensors", "optimizer.safetensors"});
  for (const auto& note : again.notes)
    CHECK((!says(note, "was not grown") || says(note, "'plan.json'") || says(note, "'checksums.json'")));
}

TEST_CASE("a variant of another model is refused by name") {
  const tiny::Scratch scratch;
  const auto base = scratch / "base";
  tiny::write_model(base, 1);
  auto other = tiny::random_weights<float>(2);
  other.erase("blocks.1.mlp.fc1.weight");
  tiny::write_dict(base / "diffusion_pytorch_model.ema.safetensors", other);
  CHECK(says(message_of<format_error>([&] { deeper().write(Checkpoint::open(base), scratch / "grown"); }),
             "no tensor 'blocks.1.mlp.fc1.weight'", "diffusion_pytorch_model.ema.safetensors"));
  CHECK(scratch.entries() == 1);
}

TEST_CASE("averaged models in folders grow along, from inside or from beside") {
  const tiny::Scratch scratch;
  const auto base = scratch / "run/transformer", grown = scratch / "grown";
  tiny::write_model(base, 1);
  tiny::write_model(base / "ema", 2);
  tiny::write_model(scratch / "run/transformer_ema", 3);
  const Plan p = deeper();
  const auto in = Checkpoint::open(base);
  const auto report = p.write(in, grown);
  CHECK(report.grown_along == List{"ema", "transformer_ema"});
  CHECK(tiny::read_dict(Checkpoint::open(grown / "ema")) == grow_weights(p, tiny::random_weights<float>(2)));
  CHECK(tiny::read_dict(Checkpoint::open(grown / "transformer_ema")) ==
        grow_weights(p, tiny::random_weights<float>(3)));
  CHECK(Checkpoint::open(grown / "ema").config() == Checkpoint::open(grown).config());
  CHECK(says(Checkpoint::open(grown).config(), "\"depth\": 4"));
  CHECK(check_grown(Checkpoint::open(grown), in, tiny::disk_schema(small)).grown_along == report.grown_along);

  auto wide = tiny::random_weights<float>(4);  // of another size
  wide.at("blocks.0.mlp.fc1.bias") = tiny::raw(DType::f32, Shape{1}, 4);
  tiny::fs::create_directory(base / "wide_ema");
  tiny::write_dict(base / "wide_ema/model.safetensors", wide);
  tiny::write_model(base / "head_ema", 4);  // what is of another model stays behind, and is named
  tiny::fs::remove(base / "head_ema/diffusion_pytorch_model.safetensors");
  auto other = tiny::random_weights<float>(4);
  other.erase("pos");
  tiny::write_dict(base / "head_ema/model.safetensors", other);
  const auto again = p.write(in, scratch / "again");
  CHECK(again.grown_along == List{"ema", "transformer_ema"});
  CHECK(std::any_of(again.notes.begin(), again.notes.end(), [](const auto& n) {
    return says(n, "'head_ema' was not grown: averaged weights that do not have the tensors of the model");
  }));
}

TEST_CASE("room on the disk is asked for before anything is written") {
  const tiny::Scratch scratch;
  tiny::write_model(scratch / "base", 1);
  const auto in = Checkpoint::open(scratch / "base");
  const Plan p = deeper();
  const auto needed = output_bytes(p, in);
  p.write(in, scratch / "grown");
  CHECK(needed == Checkpoint::open(scratch / "grown").total_bytes());
  CHECK_NOTHROW(p.write(in, scratch / "fits", WritePlan{.room = needed}));
  CHECK(says(message_of<io_error>([&] { p.write(in, scratch / "out", WritePlan{.room = needed - 1}); }),
             modelgrow::detail::grouped(needed) + " bytes", modelgrow::detail::grouped(needed - 1) + " bytes"));
  CHECK(scratch.entries() == 3);
  REQUIRE(free_bytes(scratch / "new"));
  CHECK(*free_bytes(scratch / "new/") == *free_bytes(scratch / "new"));
  CHECK_FALSE(free_bytes("/nowhere/at/all"));
  CHECK_NOTHROW(modelgrow::detail::check_room(1000, 1000, "out"));
  CHECK_NOTHROW(modelgrow::detail::check_room(1000, {}, "out"));
  CHECK(says(message_of<io_error>([&] { modelgrow::detail::check_room(5'000'000'001, 1'100'000'000, "out"); }), "'out'",
             "5,000,000,001 bytes", "1,100,000,000 bytes", "free some space"));
}

TEST_CASE("a folder that holds what is read is not replaced") {
  const tiny::Scratch scratch;
  tiny::write_model(scratch / "run/base", 1);
  const auto in = Checkpoint::open(scratch / "run/base");
  CHECK(
      says(message_of<io_error>([&] { deeper().write(in, scratch / "run", WritePlan{.existing = Existing::replace}); }),
           "lies in it"));
  CHECK_NOTHROW(deeper().write(in, scratch / "run/base", WritePlan{.existing = Existing::replace}));
  CHECK(Checkpoint::open(scratch / "run/base").names().contains("blocks.3.mlp.fc1.weight"));
}
