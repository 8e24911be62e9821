// SPDX-License-Identifier: MIT
// A merge makes the weights that merge_and_unload of peft makes (tests/golden/lora), for every float type; what would
// be another model than the adapter was made for is refused, and nothing is written.
#include <sstream>

#include <modelgrow/checkpoint/torch_writer.hpp>
#include <modelgrow/grow/low_rank_sum.hpp>
#include <modelgrow/grow/merge_adapter.hpp>

#include "adapter_files.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using modelgrow::testing::Scratch;
using tiny::Low;
namespace fs = std::filesystem;

namespace {
const fs::path golden = fs::path(MODELGROW_SOURCE_DIR) / "tests/golden/lora";

Checkpoint base_of(const std::string& type) { return Checkpoint::open(golden / ("base-" + type + ".safetensors")); }
}  // namespace

TEST_CASE("merged weights are those of peft", "[adapter]") {
  const auto type = std::string(GENERATE("f32", "bf16", "f16", "f64"));
  const auto name = std::string(GENERATE("patterns", "rslora"));
  INFO(name << " into " << type);
  const Scratch scratch;
  const auto report = merge_adapter(base_of(type), Adapter::open(golden / name), scratch / "out");
  CHECK(report.layers.size() == (name == "patterns" ? 5 : 3));
  const auto ours = tiny::read_dict(Checkpoint::open(scratch / "out"));
  const auto base = tiny::read_dict(base_of(type));
  const auto theirs = tiny::read_dict(Checkpoint::open(golden / (name + "-" + type + ".safetensors")));
  REQUIRE(ours.size() == theirs.size());
  const double most = type == "f64" ? 1e-15 : type == "f32" ? 1e-7 : 0;
  for (const auto& [tensor, expected] : theirs) {
    INFO(tensor);
    const auto& merged = ours.find(tensor)->second;
    CHECK(merged.dtype == expected.dtype);
    CHECK(merged.shape == expected.shape);
    CHECK(tiny::distance(tiny::numbers(expected), tiny::numbers(merged)) <= most);
    const auto change = tiny::distance(tiny::numbers(base.find(tensor)->second), tiny::numbers(expected));
    for (const auto& l : report.layers)
      if (l.name + ".weight" == tensor) CHECK_THAT(l.change, WithinRel(change, 0.02));
  }
}

TEST_CASE("rows are merged alike in any pieces, wide and narrow", "[adapter]") {
  const std::int64_t rows = 67, columns = 2100, rank = 5;
  const auto w = tiny::random_factor({rows, columns}, "w"), a = tiny::random_factor({rank, columns}, "a"),
             b = tiny::random_factor({rows, rank}, "b");
  const auto view = [](const HostTensor& t) {
    return TensorView{.name = "t", .dtype = t.dtype, .shape = t.shape, .data = t.bytes.data(), .bytes = t.bytes.size()};
  };
  auto merged = w;
  const auto row = std::size_t(columns) * sizeof(double);
  for (std::int64_t begin = 0, step = 1; begin < rows; begin += step, step = 40)
    detail::add_low_rank(DType::f64, w.bytes.data() + row * std::size_t(begin), begin, std::min(rows, begin + step),
                         columns, view(a), view(b), 0.75, merged.bytes.data() + row * std::size_t(begin));
  auto expected = tiny::numbers(w);
  const auto A = tiny::numbers(a), B = tiny::numbers(b);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      for (std::int64_t k = 0; k < rank; ++k)
        expected[std::size_t(i * columns + j)] += 0.75 * B[std::size_t(i * rank + k)] * A[std::size_t(k * columns + j)];
  CHECK(tiny::distance(expected, tiny::numbers(merged)) <= 1e-15);
}

TEST_CASE("a merged folder holds weights and configuration, in shards as before", "[adapter]") {
  const Scratch scratch;
  const auto s = tiny::schema({});
  tiny::make_directory<float>(scratch / "base", {});
  const auto adapter =
      tiny::write_adapter(scratch / "lora", AdapterForm::flattened, s, {{.layer = "blocks.1.mlp.fc1"}});
  const auto base = Checkpoint::open(scratch / "base");
  const auto report = merge_adapter(base, Adapter::open(adapter), scratch / "out", {.shard_bytes = 2000});
  const auto out = Checkpoint::open(scratch / "out");
  CHECK(out.files().size() > 1);
  CHECK(out.config() == base.config());
  CHECK(out.metadata().at("note") == "kept");
  CHECK_FALSE(out.has_optimizer());
  std::size_t changed = 0;
  for (const auto& [name, tensor] : tiny::read_dict(base)) changed += tiny::read_dict(out).at(name) != tensor;
  CHECK(changed == 1);
  REQUIRE(report.notes.size() == 2);
  std::ostringstream text;
  text << report;
  CHECK(says(text.str(), "merged 1 layers", "musubi", ".alpha tensors", "blocks.1.mlp.fc1", "rank 2", "scale 1.5",
             "optimizer state was not carried over", "averaged weights were not"));
  const auto j = detail::parse_json(to_json(report), "report");
  CHECK(j["layers"][0]["scale"] == 1.5);
  CHECK(j["copied"] == base.tensors().size() - 1);
}

TEST_CASE("a merge that would not be the adapted model is refused, and nothing is written", "[adapter]") {
  const Scratch scratch;
  const auto write = [&](std::vector<Low> layers, AdapterForm form = AdapterForm::diffusers) {
    Schema s = tiny::schema({});
    s.parameters.push_back(ParamSpec{.name = "other.weight", .info = ParamInfo{.axes = {fixed(3), fixed(3)}}});
    return Adapter::open(tiny::write_adapter(scratch / "lora", form, s, layers));
  };
  tiny::write_model(scratch / "base", 1);
  const auto base = Checkpoint::open(scratch / "base");
  const auto out = scratch / "out";
  const auto merge = [&](const Adapter& a, const MergeOptions& o = {}) { merge_adapter(base, a, out, o); };
  CHECK(says(message_of<plan_error>([&] { merge(write({{.layer = "other"}})); }), "'other'", "no such layer"));
  CHECK(says(message_of<option_error>([&] { merge(write({{.layer = "t_block"}}), {.alpha = 1}); }), "'t_block'",
             "the header", "--alpha"));
  const std::vector<Low> ranks{{.layer = "t_block", .rank = 1}, {.layer = "final.linear", .rank = 2}};
  const auto open = write(ranks, AdapterForm::diffusion_model);
  CHECK(says(message_of<option_error>([&] { merge(open); }), "'final.linear'", "nothing says the alpha", "--alpha"));
  const auto loud = write({{.layer = "t_block", .alpha = 1e39}});
  CHECK(says(message_of<check_error>([&] { merge(loud); }), "'t_block.weight'", "not finite", "F32"));
  StateDict with = tiny::read_dict(base);
  with["other.weight"] = tiny::raw(DType::f8_e4m3, Shape{3, 3}, 9);
  tiny::write_dict(scratch / "f8.safetensors", with);
  CHECK(says(message_of<plan_error>([&] {
               merge_adapter(Checkpoint::open(scratch / "f8.safetensors"), write({{.layer = "other"}}), out);
             }),
             "'other.weight'", "F8_E4M3", "BF16"));
  CHECK_FALSE(fs::exists(out));

  merge(open, {.alpha = 2});
  CHECK(says(message_of<io_error>([&] { merge(open, {.alpha = 2}); }), "out"));
  merge(open, {.alpha = 4, .existing = Existing::replace});
}
