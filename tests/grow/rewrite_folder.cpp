// SPDX-License-Identifier: MIT
// A run of torch becomes one of this library, with the same weights and the same state.
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/grow/rewrite_folder.hpp>

#include "disk.hpp"
#include "tests/support/message.hpp"
#include "tests/support/training_values.hpp"
#include "torch_run.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;
using torch_run::matrices;

namespace {

/// A run of AdamW, as accelerate saves it: numbers for names.
void write_run(const std::filesystem::path& path, const torch_run::Trained& t) {
  const auto& s = t.run.schema;
  std::filesystem::create_directory(path);
  tiny::write_dict(path / "model.safetensors", tiny::to_dict<double>(s, t.run.w));
  auto state = torch_run::stored(t.state, Optimizer::adamw, {matrices(s, true), matrices(s, false)});
  for (auto& p : state.parameters) p.name.clear();
  write_torch_optimizer(path / "optimizer.bin", state);
}
StateOptions in_order(const Schema& s) { return {.order = torch_run::parameter_names(s)}; }

}  // namespace

TEST_CASE("a run of torch becomes one of this library") {
  const Scratch scratch;
  const auto t = torch_run::trained("AdamW");
  write_run(scratch / "run", t);
  const auto in = Checkpoint::open(scratch / "run");
  const auto files = rewrite_folder(in, scratch / "out", {}, WeightsFile::torch, in_order(t.run.schema));
  REQUIRE(files.size() == 2);
  CHECK(files[0].path == scratch / "out/pytorch_model.bin");
  CHECK(files[1].path == scratch / "out/optimizer.safetensors");
  const auto out = Checkpoint::open(scratch / "out");
  CHECK(tiny::read_dict(out) == tiny::read_dict(in));
  const auto state = out.optimizer();
  CHECK(state.tensors().size() == t.state.size());
  for (const auto& [name, tensor] : t.state) {
    const auto& found = state.tensor(name);
    CHECK((found.dtype == tensor.dtype && found.shape == tensor.shape &&
           std::equal(tensor.bytes.begin(), tensor.bytes.end(), found.data, found.data + found.bytes)));
  }
}

TEST_CASE("a run of DeepSpeed becomes one of this library, also a pipeline") {
  for (const char* name : {"deepspeed_ds3", "deepspeed_pipeline"}) {
    INFO(name);
    const Scratch scratch;
    const auto run = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/training_state" / name;
    const auto expected = read_deepspeed(run);
    rewrite_folder(Checkpoint::open(run), scratch / "out");
    const auto out = Checkpoint::open(scratch / "out"), state = out.optimizer();
    REQUIRE(out.names().size() == expected.weights.size());
    for (const auto& t : expected.weights) CHECK(values_of<double>(out.tensor(t.name())) == numbers_of(t));
    const auto tensors = expected.optimizer.tensors();
    REQUIRE(state.names().size() == tensors.size());
    for (const auto& t : tensors) CHECK(values_of<double>(state.tensor(t.name())) == numbers_of(t));
  }
}

TEST_CASE("names of optimizer state follow those of the parameters") {
  const Scratch scratch;
  const auto t = torch_run::trained("AdamW");
  write_run(scratch / "run", t);
  const auto in = Checkpoint::open(scratch / "run");
  const auto rename = [](const std::string& name) { return "net." + name; };
  rewrite_folder(in, scratch / "out", {.rename = rename}, WeightsFile::safetensors, in_order(t.run.schema));
  const auto out = Checkpoint::open(scratch / "out");
  for (const auto& tensor : out.tensors())
    CHECK((tensor.name.starts_with("net.") && out.optimizer().find("adamw.m." + tensor.name)));
}

TEST_CASE("state that one file cannot hold is refused, and nothing is written") {
  const Scratch scratch;
  const auto t = torch_run::trained("AdamW");
  write_run(scratch / "run", t);
  const auto in = Checkpoint::open(scratch / "run");
  const auto refusal = [&] {
    const auto text = message_of<format_error>(
        [&] { rewrite_folder(in, scratch / "out", {}, WeightsFile::safetensors, in_order(t.run.schema)); });
    CHECK_FALSE(std::filesystem::exists(scratch / "out"));
    return text;
  };
  detail::write_file(scratch / "run/param_groups.json", "{}");
  CHECK(says(refusal(), "param_groups.json", "rates for each group", "leave 'optimizer.bin' behind"));
  std::filesystem::remove(scratch / "run/param_groups.json");
  auto all = in_order(t.run.schema);
  all.leave_behind = {"optimizer*"};
  CHECK(rewrite_folder(in, scratch / "weights", {}, WeightsFile::safetensors, all).size() == 1);
}
