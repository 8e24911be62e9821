// SPDX-License-Identifier: MIT
// Averages: a folder of diffusers, lists without names, dictionaries with names.
#include <modelgrow/checkpoint/averages.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

NamedShape parameter(std::string name, Shape shape) { return {.name = std::move(name), .shape = shape}; }

std::vector<NamedShape> two_layers() {
  return {parameter("0.weight", {3, 4}), parameter("0.bias", {3}), parameter("1.weight", {4, 3}),
          parameter("1.bias", {4})};
}

std::string refusal(const std::filesystem::path& path, const AveragesOptions& options = {}) {
  const auto text = message_of<format_error>([&] { read_averages(path, options); });
  CHECK(says(text, path.string()));
  return text;
}

}  // namespace

TEST_CASE("a list gets its names from the order of the model") {
  const auto path = training_state / "averages.pt";
  const auto list = read_averages(path, {.at = "ema_model", .order = two_layers()});
  const auto plain = read_averages(path, {.at = "plain"});
  REQUIRE(list.tensors.size() == 4);
  for (const auto& t : list.tensors) CHECK(numbers_of(t) == numbers_of(named(plain.tensors, t.name())));
  CHECK(*list.settings.find("decay")->get<double>() == 0.99);
  CHECK(*list.settings.find("optimization_step")->get<std::int64_t>() == 3);
  CHECK(*list.settings.find("use_ema_warmup")->get<bool>() == false);
  CHECK(list.settings.find("shadow_params") == nullptr);

  auto order = two_layers();
  order.pop_back();
  CHECK(says(refusal(path, {.at = "ema_model", .order = order}), "4 averages", "3 parameters"));
  CHECK(says(refusal(path, {.at = "ema_model"}), "without names", "torch's order"));
  order = two_layers();
  std::swap(order[0], order[2]);
  CHECK(says(refusal(path, {.at = "ema_model", .order = order}), "average 0", "'1.weight' [4, 3]"));
}

TEST_CASE("what accelerate registered, with the values that torch reads") {
  const auto path = training_state / "accelerate/custom_checkpoint_0.pkl";
  const std::vector<NamedShape> order{parameter("0.weight", {6, 4}), parameter("0.bias", {6}),
                                      parameter("2.weight", {3, 6}), parameter("2.bias", {3})};
  const auto found = read_averages(path, {.order = order});
  const auto values = training_values("accelerate/custom_checkpoint_0.pkl");
  for (std::size_t i = 0; i < order.size(); ++i)
    check_values(named(found.tensors, order[i].name), values["shadow/" + std::to_string(i)]);
  CHECK(*found.settings.find("n")->get<std::int64_t>() == 3);
}

TEST_CASE("names of torch's AveragedModel") {
  const auto found = read_averages(training_state / "averages.pt", {.at = "averaged"});
  REQUIRE(found.tensors.size() == 4);
  CHECK(found.tensors[0].name() == "0.weight");
  CHECK(found.settings.find("n_averaged"));
}

TEST_CASE("a folder of diffusers keeps the settings of the average in config.json") {
  const Scratch scratch;
  put(scratch / "config.json", get(training_state / "ema/config.json"));
  put(scratch / "diffusion_pytorch_model.safetensors", get(training_state / "accelerate/model.safetensors"));
  const auto found = read_averages(scratch.path());
  CHECK(found.tensors.size() == 4);
  CHECK(found.settings.items.size() == 7);
  CHECK(*found.settings.find("decay")->get<double>() == 0.99);
  CHECK(*found.settings.find("optimization_step")->get<std::int64_t>() == 3);
  CHECK(*found.settings.find("use_ema_warmup")->get<bool>() == false);
  put(scratch / "config.json", "{\"num_layers\": 1}");
  CHECK(says(refusal(scratch.path()), "says nothing of an average"));
  CHECK(!is_average_config(""));
}
