// SPDX-License-Identifier: MIT
// A run that torch saved goes on here, once it is converted, with the bits that it would have gone on with.
#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/grow/rewrite_folder.hpp>
#include <modelgrow/train/adamw.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using Model = tiny::Mlp<float, mg::Cpu>;
using Adam = mg::AdamW<float, mg::Cpu>;

namespace {

void train(Model& model, Adam& adam, int from, int to) {
  for (int i = from; i < to; ++i) {
    mg::Tape<float, mg::Cpu> tape;
    tape.backward(tiny::loss(model, tape, i));
    adam.step(model, 1e-2);
  }
}

/// State of AdamW in memory, under the names and in the types of torch.
mg::StoredOptimizer as_torch_has_it(const mg::Checkpoint& state, const std::vector<std::string>& names,
                                    const std::vector<float>& steps) {
  mg::StoredOptimizer s;
  s.tell("adamw");
  auto& group = s.groups.emplace_back();
  group.options.set("lr", mg::PickleValue(1e-2));
  const auto bytes = [](const std::string& name, mg::DType type, const mg::Shape& shape, const std::byte* data) {
    return mg::JoinedTensor{
        mg::NamedShape{.name = name, .dtype = type, .shape = shape},
        [data](std::uint64_t begin, std::span<std::byte> out) { std::copy_n(data + begin, out.size(), out.begin()); }};
  };
  for (std::size_t i = 0; i < names.size(); ++i) {
    group.parameters.push_back(i);
    auto& p = s.parameters.emplace_back();
    for (const auto& [here, there] : {std::pair("m", "exp_avg"), std::pair("v", "exp_avg_sq")}) {
      const auto& t = state.tensor("adamw." + std::string(here) + "." + names[i]);
      p.entries.push_back({.name = there, .tensor = bytes(there, t.dtype, t.shape, t.data)});
    }
    p.entries.push_back(
        {.name = "step", .tensor = bytes("step", mg::DType::f32, {}, reinterpret_cast<const std::byte*>(&steps[i]))});
  }
  return s;
}

}  // namespace

TEST_CASE("a run that torch saved goes on here as it would have gone on") {
  const mg::testing::Scratch scratch;
  const auto run = scratch / "run";
  std::filesystem::create_directory(run);
  Model model({}), other({}, 2);
  Adam adam(model, {}), other_adam(other, {});
  train(model, adam, 0, 3);

  mg::save(run / "model.safetensors", model);
  adam.save(scratch / "state.safetensors");
  const std::vector<std::string> names{"weight1", "bias1", "weight2", "bias2"};
  const std::vector<float> steps(names.size(), 3);
  const auto state = mg::Checkpoint::open(scratch / "state.safetensors");
  mg::write_torch_optimizer(run / "optimizer.bin", as_torch_has_it(state, names, steps));

  mg::StateOptions how{.order = names, .optimizer = "adamw"};
  mg::rewrite_folder(mg::Checkpoint::open(run), scratch / "here", {}, mg::WeightsFile::safetensors, how);
  const auto here = mg::Checkpoint::open(scratch / "here");
  mg::load(other, here);
  other_adam.load(here.optimizer(), other);
  train(model, adam, 3, 6);
  train(other, other_adam, 3, 6);
  mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
    mg::for_each_parameter(other, [&](const std::string& same, const auto& q) {
      INFO(path);
      if (same == path) CHECK(std::ranges::equal(p.value.span(), q.value.span()));
    });
  });
  Model without({}, 2);
  Adam fresh(without, {});
  mg::load(without, here);
  train(without, fresh, 3, 6);
  CHECK_FALSE(std::ranges::equal(model.weight1.value.span(), without.weight1.value.span()));
}
