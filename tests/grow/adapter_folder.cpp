// SPDX-License-Identifier: MIT
// Adapters grow with the folder that they lie in, and named ones into adapters/; the check finds what was changed
// after; what is no plain LoRA is left behind by name, what does not fit stops the growth.
#include <sstream>

#include <modelgrow/grow/adapter_growth.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/write_pipeline.hpp>

#include "adapter_files.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using modelgrow::testing::Scratch;
using tiny::Low;
namespace fs = std::filesystem;
using List = std::vector<std::string>;

namespace {
const std::vector<Low> layers{{.layer = "blocks.0.mlp.fc2"}, {.layer = "blocks.1.mlp.fc1"}};
Schema schema() { return tiny::disk_schema({}); }
Plan deeper() { return plan(schema(), InsertBlocks{.at = {1}}, Net2Wider{.space = "ffn", .to = 8}); }
bool noted(const Report& r, const std::string& a, const std::string& b) {
  return std::ranges::any_of(r.notes, [&](const std::string& n) { return says(n, a, b); });
}
}  // namespace

TEST_CASE("adapters beside the weights and named ones grow along, twice", "[adapter]") {
  const Scratch scratch;
  tiny::write_model(scratch / "base", 1);
  tiny::write_adapter(scratch / "base", AdapterForm::peft, schema(), layers);
  tiny::write_adapter(scratch / "base", AdapterForm::diffusers, schema(), layers);
  const auto musubi = tiny::write_adapter(scratch / "style", AdapterForm::flattened, schema(), layers);
  const auto named = tiny::write_adapter(scratch / "named", AdapterForm::peft, schema(), layers);
  const auto in = Checkpoint::open(scratch / "base");
  const auto report = deeper().write(in, scratch / "out", {.adapters = {musubi, named}});
  CHECK(report.grown_along == List{"adapter_model.safetensors", "pytorch_lora_weights.safetensors",
                                   "adapters/lora.safetensors", "adapters/named/adapter_model.safetensors"});
  CHECK(noted(report, "'lora.safetensors'", "diffusion_model.LAYER"));
  CHECK_FALSE(noted(report, "adapter", "was not grown"));
  for (const auto& file : report.grown_along) {
    INFO(file);
    const auto a = Adapter::open(scratch / "out" / file);
    CHECK(a.layers_in(Checkpoint::open(scratch / "out").names()) == List{"blocks.0.mlp.fc2", "blocks.2.mlp.fc1"});
    CHECK(a.layers()[0].a.shape == Shape{2, 8});
    CHECK(a.layers()[0].alpha == 3);
  }
  std::ostringstream text;
  text << report;
  CHECK(says(text.str(), "grown along by the same plan: adapter_model.safetensors"));

  const auto grown = Checkpoint::open(scratch / "out");
  Schema next = tiny::disk_schema(tiny::config_of(deeper().schema()));
  const auto again = plan(next, Net2Wider{.space = "ffn", .to = 9}).write(grown, scratch / "again");
  CHECK(std::ranges::is_permutation(again.grown_along, report.grown_along));
}

TEST_CASE("check proves grown adapters from their bytes", "[adapter]") {
  const Scratch scratch;
  tiny::write_model(scratch / "base", 1);
  tiny::write_adapter(scratch / "base", AdapterForm::diffusers, schema(), layers);
  const auto in = Checkpoint::open(scratch / "base");
  deeper().write(in, scratch / "out");
  const auto check = [&] { return check_grown(Checkpoint::open(scratch / "out"), in, schema()); };
  CHECK(check().grown_along == List{"pytorch_lora_weights.safetensors"});

  const auto file = scratch / "out/pytorch_lora_weights.safetensors";
  const auto good = Checkpoint::open(file);
  const auto with = [&](const std::string& name, auto&& change, Metadata metadata) {
    auto dict = tiny::read_dict(good);
    auto values = tiny::numbers(dict.at(name));
    change(values);
    dict[name] = tiny::doubles(dict.at(name).shape, values);
    tiny::write_dict(file, dict, metadata);
    return message_of<check_error>([&] { check(); });
  };
  const auto nothing = [](std::vector<double>&) {};
  const std::string a = "transformer.blocks.0.mlp.fc2.lora_A.weight", b = "transformer.blocks.2.mlp.fc1.lora_B.weight";
  CHECK(with(a, nothing, good.metadata()).empty());
  CHECK(says(with(
                 a, [](auto& v) { v[7] *= 1.5; }, good.metadata()),
             "'" + a + "'", "does not compute what it did"));
  CHECK(says(with(
                 b, [](auto& v) { v[0] *= 1.5; }, good.metadata()),
             "'" + b + "'", "does not compute what it did"));
  auto metadata = good.metadata();
  auto& said = metadata["lora_adapter_metadata"];
  said.replace(said.find("\"transformer.lora_alpha\": 3"), 26, "\"transformer.lora_alpha\": 4");
  CHECK(says(with(a, nothing, metadata), "'blocks.0.mlp.fc2'", "another rank or alpha"));
}

TEST_CASE("what is no plain LoRA is left behind by name, what does not fit stops the growth", "[adapter]") {
  const Scratch scratch;
  tiny::write_model(scratch / "base", 1);
  const auto base = scratch / "base";
  tiny::write_dict(base / "pytorch_lora_weights.safetensors",
                   {{"transformer.blocks.0.mlp.fc1.dora_scale", tiny::doubles({1}, {1})}});
  fs::create_directory(base / "adapters");
  tiny::write_dict(base / "adapters/loha.safetensors", {{"lora_unet_a.hada_w1_a", tiny::doubles({1}, {1})}});
  const auto report = deeper().write(Checkpoint::open(base), scratch / "out");
  CHECK(report.grown_along.empty());
  CHECK(noted(report, "'pytorch_lora_weights.safetensors' was not grown", "DoRA"));
  CHECK(noted(report, "'adapters/loha.safetensors' was not grown", "LoHa"));

  const auto refusal = [&](const WritePlan& options = {}) {
    return message_of<plan_error>([&] { deeper().write(Checkpoint::open(base), scratch / "no", options); });
  };
  auto other = tiny::schema({});
  other.parameters.push_back(ParamSpec{.name = "gone.weight", .info = ParamInfo{.axes = {fixed(2), fixed(2)}}});
  const auto stranger = tiny::write_adapter(scratch / "stranger", AdapterForm::diffusers, other, {{.layer = "gone"}});
  CHECK(says(refusal({.adapters = {stranger}}), "'gone'", "no such layer"));
  fs::copy(stranger, base / "pytorch_lora_weights.safetensors", fs::copy_options::overwrite_existing);
  CHECK(says(refusal(), "'gone'", "take it out of the folder"));
  fs::remove(base / "pytorch_lora_weights.safetensors");
  const auto a = tiny::write_adapter(scratch / "a", AdapterForm::flattened, schema(), layers);
  const auto b = tiny::write_adapter(scratch / "b", AdapterForm::flattened, schema(), layers);
  CHECK(says(refusal({.adapters = {a, b}}), "two adapters", "adapters/lora.safetensors", "another name"));
  CHECK_FALSE(fs::exists(scratch / "no"));
}

TEST_CASE("of a pipeline named adapters go to each transformer, and one that is carried over is told", "[adapter]") {
  const Scratch scratch;
  const auto in = scratch / "in";
  tiny::write_model(in / "transformer", 1);
  tiny::write_model(in / "transformer_2", 2);
  modelgrow::detail::write_file(in / "model_index.json", "{}");
  const auto adapter = tiny::write_adapter(in, AdapterForm::diffusers, schema(), layers);
  const auto report = write_pipeline(deeper(), *pipeline_at(in), scratch / "out", {.adapters = {adapter}});
  REQUIRE(report.notes.size() == 1);
  CHECK(says(report.notes[0], "'pytorch_lora_weights.safetensors' was carried over as it is", "--adapter"));
  for (const auto* part : {"transformer", "transformer_2"})
    CHECK(fs::exists(scratch.path() / "out" / part / "adapters/pytorch_lora_weights.safetensors"));
}
