// SPDX-License-Identifier: MIT
// Folders of accelerate: which file is which, which optimizer trains which model, and folders of two saves are refused.
#include <modelgrow/checkpoint/accelerate_folder.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/checkpoint/writer.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

const std::filesystem::path folder = training_state / "accelerate";

NamedShape parameter(std::string name, Shape shape) { return {.name = std::move(name), .shape = shape}; }

std::vector<std::vector<NamedShape>> orders() {
  return {{parameter("0.weight", {6, 4}), parameter("0.bias", {6}), parameter("2.weight", {3, 6}),
           parameter("2.bias", {3})},
          {parameter("weight", {2, 3}), parameter("bias", {2})}};
}

/// A copy in which files can be changed.
void copy_to(const Scratch& scratch) {
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    put(scratch / entry.path().filename().string(), get(entry.path()));
}

std::string refusal(const Scratch& scratch, const std::vector<std::vector<NamedShape>>& given = {}) {
  const auto text = message_of<format_error>([&] { AccelerateFolder::open(scratch.path()).trained(given); });
  CHECK(says(text, scratch.path().string()));
  return text;
}

}  // namespace

TEST_CASE("two models with an optimizer each, with the values that torch reads") {
  const auto f = AccelerateFolder::open(folder);
  CHECK(f.models().size() == 2);
  CHECK(f.schedulers().size() == 2);
  CHECK(f.registered().size() == 1);
  CHECK(f.registered()[0].filename() == "custom_checkpoint_0.pkl");
  const auto trained = f.trained(orders());
  REQUIRE(trained.size() == 2);
  CHECK(trained[0].model == 0);
  CHECK(trained[1].model == 1);
  CHECK(trained[1].state.is.kind->word == "sgd");
  const auto adamw = trained[0].state.tensors(), sgd = trained[1].state.tensors();
  const auto values = training_values("accelerate/optimizer.bin");
  for (std::size_t i = 0; i < 4; ++i) {
    const auto at = "state/" + std::to_string(i) + "/", name = orders()[0][i].name;
    check_values(named(adamw, "adamw.m." + name), values[at + "exp_avg"]);
    check_values(named(adamw, "adamw.v." + name), values[at + "exp_avg_sq"]);
    check_values(named(adamw, "adamw.step." + name), values[at + "step"]);
  }
  const auto momenta = training_values("accelerate/optimizer_1.bin");
  check_values(named(sgd, "sgd.momentum_buffer.weight"), momenta["state/0/momentum_buffer"]);
  check_values(named(sgd, "sgd.momentum_buffer.bias"), momenta["state/1/momentum_buffer"]);
  CHECK(!f.trained()[0].state.has_names());
}

TEST_CASE("a number that is left out, two files of one, nothing at all") {
  const Scratch scratch;
  CHECK(says(refusal(scratch), "model.safetensors", "first is not there"));
  put(scratch / "model.safetensors", "x");
  CHECK(says(refusal(scratch), "optimizer.bin", "second is not there"));
  put(scratch / "optimizer_1.bin", "x");
  CHECK(says(refusal(scratch), "'optimizer_1.bin' is there", "number 0"));
  put(scratch / "optimizer.bin", "x");
  put(scratch / "optimizer.pt", "x");
  CHECK(says(refusal(scratch), "both 'optimizer.bin' and 'optimizer.pt'"));
}

TEST_CASE("optimizers that match no split are refused") {
  const Scratch scratch;
  copy_to(scratch);
  CHECK(says(refusal(scratch, {orders()[0]}), "2 models", "1 orders"));
  put(scratch / "optimizer_2.bin", get(folder / "optimizer.bin"));
  CHECK(says(refusal(scratch), "2 models and 3 optimizers", "param_names"));
  std::filesystem::remove(scratch / "model_1.safetensors");
  CHECK(says(refusal(scratch), "optimizer_1.bin", "'momentum_buffer' of parameter 0 has shape [2, 3]"));
  std::filesystem::remove(scratch / "optimizer_2.bin");
  put(scratch / "optimizer_1.bin", get(folder / "optimizer.bin"));
  CHECK(says(refusal(scratch), "optimizer_1.bin", "8 parameters", "4 tensors", "overlap"));
}

TEST_CASE("an old optimizer beside grown weights is refused") {
  const Scratch scratch;
  copy_to(scratch);
  put(scratch / "model.safetensors", get(folder / "model_1.safetensors"));
  CHECK(says(refusal(scratch), "optimizer.bin", "[6, 4]", "model.safetensors", "different saves"));
  put(scratch / "model.safetensors", get(folder / "model.safetensors"));
  auto wrong = orders();
  std::swap(wrong[0][0], wrong[0][2]);
  CHECK(says(refusal(scratch, wrong), "optimizer.bin", "no place for '2.weight'"));
}

TEST_CASE("states with names find their model, and overlap by name") {
  const Scratch scratch;
  const auto model = [&](const char* file, std::vector<NamedShape> tensors) {
    SafetensorsWriter writer(scratch / file, std::move(tensors));
    for (const auto& t : writer.tensors())
      writer.write(t.name, std::vector<std::byte>(std::size_t(4 * numel(t.shape))));
    writer.commit();
  };
  std::vector<NamedShape> layers{parameter("0.weight", {3, 4}), parameter("0.bias", {3}), parameter("1.weight", {4, 3}),
                                 parameter("1.bias", {4})};
  model("model.safetensors", {parameter("x", {2})});
  model("model_1.safetensors", layers);
  const auto state = read_torch_optimizer(training_state / "order.pt", {.at = "named"});
  write_torch_optimizer(scratch / "optimizer.bin", state);
  CHECK(AccelerateFolder::open(scratch.path()).trained()[0].model == 1);
  for (const char* name : {"a", "b", "c", "d"}) layers.push_back(parameter(name, {1}));
  model("model_1.safetensors", layers);
  write_torch_optimizer(scratch / "optimizer_1.bin", state);
  CHECK(says(refusal(scratch), "optimizer_1.bin", "'0.weight'", "optimizer.bin", "two optimizers train it"));
  std::filesystem::remove(scratch / "model_1.safetensors");
  CHECK(says(refusal(scratch), "optimizer.bin", "none of the models"));
}
