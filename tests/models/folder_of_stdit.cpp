// SPDX-License-Identifier: MIT
// An STDiT whose config.json tells of another depth than the file is refused, either way.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/families/all.hpp>

#include "stdit_support.hpp"
#include "tests/support/raw_files.hpp"

namespace mg = modelgrow;
using namespace modelgrow::testing;

namespace {
void write_config(const std::filesystem::path& folder, std::int64_t depth) {
  auto config = test::tiny_config();
  config.depth = depth;
  put(folder / "config.json", mg::config_text(config));
}
}  // namespace

TEST_CASE("depth in config.json and blocks in the file have to agree") {
  const Scratch scratch;
  auto config = test::tiny_config();
  config.depth = 3;
  mg::save(scratch / "model.safetensors", mg::Stdit<float, mg::Cpu>(config));
  const auto refusal = [&](std::int64_t depth) {
    write_config(scratch.path(), depth);
    return message_of<mg::format_error>([&] { mg::schema(mg::Checkpoint::open(scratch.path())); });
  };
  CHECK(refusal(3).empty());
  CHECK(says(refusal(2), "config.json", "'depth' is 2", "by the shapes of the file 'blocks' is 3"));
  CHECK(says(refusal(4), "config.json", "'depth' is 4", "by the shapes of the file 'blocks' is 3"));
}

TEST_CASE("an STDiT that was saved with an adapter attached names the adapter") {
  const Scratch scratch;
  const mg::Stdit<float, mg::Cpu> model(test::tiny_config());
  auto declared = mg::declarations(model);
  for (auto& d : declared)
    if (d.name == "blocks.1.attn.qkv.weight") d.name = "blocks.1.attn.qkv.base_layer.weight";
  mg::CheckpointWriter w(scratch / "model.safetensors", declared);
  for (const auto& d : declared) w.write(d.name, std::vector<std::byte>(mg::byte_size(d.dtype, d.shape).value()));
  w.commit();
  write_config(scratch.path(), 2);
  CHECK(says(message_of<mg::format_error>([&] { mg::schema(mg::Checkpoint::open(scratch.path())); }),
             "'blocks.1.attn.qkv.base_layer.weight'", "LoRA", "merge"));
}

TEST_CASE("an STDiT behind a prefix is an STDiT, and loads") {
  const Scratch scratch;
  const auto config = test::tiny_config();
  mg::Stdit<float, mg::Cpu> model(config), again(config);
  test::randomise(model, 3);
  auto declared = mg::declarations(model);
  for (auto& d : declared) d.name = "module." + d.name;
  mg::CheckpointWriter w(scratch / "model.safetensors", declared);
  mg::for_each_parameter(
      model, [&](const std::string& path, const auto& p) { w.write("module." + path, std::as_bytes(p.value.span())); });
  w.commit();
  write_config(scratch.path(), config.depth);
  const auto in = mg::Checkpoint::open(scratch.path());
  CHECK(mg::schema(in).parameters.size() == declared.size());
  for (const auto& options : {mg::LoadOptions{}, mg::LoadOptions{.prefix = "module."}}) {
    test::randomise(again, 4);
    mg::load(again, in, options);
    bool same = true;
    mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
      mg::for_each_parameter(again, [&](const std::string& other, const auto& q) {
        if (path == other) same &= std::ranges::equal(p.value.span(), q.value.span());
      });
    });
    CHECK(same);
  }
}
