// SPDX-License-Identifier: MIT
// A run of torch becomes one of this library, with the same weights and the same state.
#include <modelgrow/checkpoint/pickle_text.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
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

namespace {

/// A run of torch, and the same as one of this library, which is trained on there: its state is another.
struct ThereAndHere {
  Scratch scratch;
  torch_run::Trained t = torch_run::trained("AdamW");
  Checkpoint torch = saved(), run = converted();

  ThereAndHere() {
    auto state = this->state();
    for (auto& [name, tensor] : state) {
      if (name.starts_with("adamw.step.")) {  // as this library writes it
        tensor = HostTensor{.dtype = DType::i64, .shape = {}, .bytes = std::vector<std::byte>(8, std::byte{0})};
        tensor.bytes[0] = std::byte{46};
      } else {
        for (auto& byte : tensor.bytes) byte ^= std::byte{1};
      }
    }
    write(state);
  }
  Checkpoint saved() const {
    write_run(scratch / "torch", t);
    return Checkpoint::open(scratch / "torch");
  }
  Checkpoint converted() const {
    rewrite_folder(torch, scratch / "run", {}, WeightsFile::safetensors, in_order(t.run.schema));
    return Checkpoint::open(scratch / "run");
  }
  void write(const tiny::StateDict& state) {
    std::filesystem::remove(scratch / "run/optimizer.safetensors");
    tiny::write_dict(scratch / "run/optimizer.safetensors", state);
    run = Checkpoint::open(scratch / "run");
  }
  tiny::StateDict state() const { return tiny::read_dict(run.optimizer()); }
  TorchState like() const { return torch_run_state(torch, in_order(t.run.schema)); }
  std::string refusal() {
    const auto text =
        message_of<format_error>([&] { rewrite_folder(run, scratch / "back", {}, WeightsFile::torch, {}, like()); });
    CHECK_FALSE(std::filesystem::exists(scratch / "back"));
    return text;
  }
};

}  // namespace

TEST_CASE("state of this library goes back into the optimizer of the torch run that it came from") {
  ThereAndHere both;
  auto state = both.state();
  const auto frozen = both.t.run.schema.parameters[0].name;
  std::erase_if(state, [&](const auto& entry) { return entry.first.ends_with("." + frozen); });
  both.write(state);
  const auto files = rewrite_folder(both.run, both.scratch / "back", {}, WeightsFile::torch, {}, both.like());
  REQUIRE(files.size() == 2);
  CHECK(files[1].path == both.scratch / "back/optimizer.bin");
  CHECK(files[1].tensors == std::int64_t(both.t.state.size()));

  const auto before = read_torch_optimizer(both.scratch / "torch/optimizer.bin"),
             after = read_torch_optimizer(both.scratch / "back/optimizer.bin");
  REQUIRE(after.groups.size() == before.groups.size());
  for (std::size_t g = 0; g < before.groups.size(); ++g) {
    CHECK(after.groups[g].parameters == before.groups[g].parameters);
    CHECK(detail::text_of(PickleValue(after.groups[g].options)) ==
          detail::text_of(PickleValue(before.groups[g].options)));
  }
  const auto named = both.like().state;
  REQUIRE(after.parameters.size() == named.parameters.size());
  for (std::size_t i = 0; i < named.parameters.size(); ++i) {
    const auto& name = named.parameters[i].name;
    INFO(name);
    for (const auto& [there, here] : {std::pair("exp_avg", "m"), std::pair("exp_avg_sq", "v")}) {
      const auto* entry = after.parameters[i].find(there);
      REQUIRE(entry);
      CHECK(torch_run::bytes_of(entry->tensor) == (name == frozen
                                                       ? torch_run::bytes_of(before.parameters[i].find(there)->tensor)
                                                       : state.at("adamw." + std::string(here) + "." + name).bytes));
    }
    const auto& step = after.parameters[i].find("step")->tensor;
    if (name == frozen) continue;
    CHECK((step.dtype() == DType::f32 && step.shape() == before.parameters[i].find("step")->tensor.shape()));
    CHECK(numbers_of(step) == std::vector<double>{46});
  }
}

TEST_CASE("counters that were numbers of Python go back as such") {
  ThereAndHere both;
  auto like = both.like();
  for (auto& p : like.state.parameters)
    for (auto& e : p.entries)
      if (e.name == "step") e.number = PickleValue(std::int64_t{20});
  const auto back = back_to_torch(both.run, like.state);
  for (const auto& p : back.parameters) CHECK(*p.find("step")->number.get<std::int64_t>() == 46);
}

TEST_CASE("state that torch cannot have, or not that run, is refused") {
  ThereAndHere both;
  const auto good = both.state();
  const auto parameter = both.t.run.schema.parameters[1].name;
  const auto with = [&](const std::string& name, const HostTensor& tensor) {
    auto state = good;
    state[name] = tensor;
    both.write(state);
    return both.refusal();
  };
  const HostTensor one{.dtype = DType::f64, .shape = {1}, .bytes = std::vector<std::byte>(8, std::byte{0})};
  CHECK(says(with("adamw.m." + parameter + "x", good.at("adamw.m." + parameter)), "'" + parameter + "x'",
             "does not train", "nearest", "by the same plan"));
  CHECK(says(with("adamw.m." + parameter, one), "'adamw.m." + parameter + "' of shape [1]", "by the same plan"));
  const HostTensor two{.dtype = DType::f64, .shape = {2}, .bytes = std::vector<std::byte>(16, std::byte{0})};
  CHECK(says(with("adamw.step." + parameter, two), "'adamw.step." + parameter + "' has shape [2]", "one number"));
  CHECK(says(with("adamw.lr." + parameter, one), "other rates", parameter, "annealed"));
  CHECK(says(with("adamw.max_exp_avg." + parameter, one), "max_exp_avg", "has not"));
  CHECK(says(with("sgd.momentum_buffer." + parameter, one), "state of 'sgd'", "AdamW"));
  CHECK(says(with("momentum", one), "'momentum'", "no state of an optimizer"));

  both.write(good);
  std::filesystem::remove(both.scratch / "run/optimizer.safetensors");
  both.run = Checkpoint::open(both.scratch / "run");
  CHECK(says(both.refusal(), "no optimizer.safetensors", "--like"));
}

TEST_CASE("a run of torch whose optimizer cannot take state is refused") {
  const ThereAndHere both;
  const auto refusal = [&](const Checkpoint& like, const StateOptions& options = {}) {
    return message_of<format_error>([&] { torch_run_state(like, options); });
  };
  CHECK(says(refusal(both.run), "no file with the state", "optimizer.bin"));
  const auto deepspeed = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/training_state/deepspeed_ds3";
  CHECK(says(refusal(Checkpoint::open(deepspeed)), "no file with the state"));

  const auto& schema = both.t.run.schema;
  const auto two = both.scratch / "two";
  std::filesystem::create_directory(two);
  tiny::write_dict(two / "model.safetensors", tiny::to_dict<double>(schema, both.t.run.w));
  for (const bool matrix : {true, false})
    write_torch_optimizer(two / (matrix ? "optimizer.bin" : "optimizer_1.bin"),
                          torch_run::stored(both.t.state, Optimizer::adamw, {matrices(schema, matrix)}));
  CHECK(says(refusal(Checkpoint::open(two), in_order(schema)), "several optimizers", "'optimizer.bin'",
             "'optimizer_1.bin'", "--leave-behind"));
}
