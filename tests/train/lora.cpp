// SPDX-License-Identifier: MIT
// Low-rank adapters: nothing changes at first, gradients are right, they alone are trained, cost less than training
// everything, and are merged into weights that compute the same.
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/nn/mlp.hpp>
#include <modelgrow/train/flops.hpp>
#include <modelgrow/train/lora.hpp>
#include <modelgrow/train/trainer.hpp>

#include <map>
#include <set>

#include "tests/models/stdit_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using mg::Cpu;
using mg::testing::message_of;
using mg::testing::says;

namespace {

/// width -> 10 -> width, twice.
template <class T, class D>
struct Net {
  static constexpr std::string_view family = "lora_net";
  std::vector<mg::Mlp<T, D>> parts;
  explicit Net(std::int64_t width = 6) {
    for (int i = 0; i < 2; ++i) parts.emplace_back(mg::Extent(width), mg::Extent(10), mg::Extent(width));
  }
  static void describe(auto& self, auto& v) { v.stack("parts", self.parts); }
  mg::Var<T, D> operator()(mg::Tape<T, D>& tape, const mg::Var<T, D>& x) { return parts[1](tape, parts[0](tape, x)); }
};

template <class T>
Net<T, Cpu> random_net() {
  Net<T, Cpu> net;
  test::randomise(net, 4, 0.5);
  return net;
}
template <class T>
mg::Tensor<T, Cpu> output(Net<T, Cpu>& net) {
  mg::Tape<T, Cpu> tape(mg::Tape<T, Cpu>::Mode::infer);
  return net(tape, tape.constant(test::random_tensor<T>({5, 6}, 2))).value();
}
template <class T>
std::map<std::string, std::vector<T>> values_of(Net<T, Cpu>& net) {
  std::map<std::string, std::vector<T>> all;
  mg::for_each_parameter(
      net, [&](const std::string& path, auto& p) { all[path].assign(p.value.span().begin(), p.value.span().end()); });
  return all;
}

}  // namespace

TEST_CASE("adapters change nothing at first, and have the gradients of their function") {
  auto net = random_net<double>();
  const auto before = output(net);
  const auto names = mg::add_adapters(net, {.rank = 2, .alpha = 6, .pattern = "*.fc2"});
  CHECK(names == std::vector<std::string>{"parts.0.fc2", "parts.1.fc2"});
  const auto after = output(net);
  CHECK(std::memcmp(before.data(), after.data(), before.bytes()) == 0);
  CHECK(net.parts[0].fc2.adapter->scale == 3);
  CHECK(net.parts[1].fc2.adapter->down.value.shape() == mg::Shape{2, 10});
  CHECK(net.parts[1].fc2.adapter->up.value.shape() == mg::Shape{6, 2});
  CHECK_FALSE(net.parts[0].fc1.adapter);
  test::randomise(net, 9, 0.5);
  mg::testing::check_parameter_gradients(net, [&](auto& tape) { return tiny::loss(net, tape, 0); });
  CHECK_FALSE(net.parts[0].fc2.weight.gradient.defined());
}

TEMPLATE_TEST_CASE("only adapters are trained, and merged they compute the same", "", float, double) {
  using T = TestType;
  auto net = random_net<T>();
  mg::add_adapters(net, {.rank = 3, .alpha = 3, .seed = 1});
  const auto before = values_of(net);
  mg::Trainer<Net<T, Cpu>, T, Cpu> trainer(net, {.steps = 30, .schedule = {.peak = 0.02}, .ema = mg::EmaOptions{}});
  std::vector<double> losses;
  trainer.every(1, [&](const mg::StepReport& r) { losses.push_back(r.loss); });
  trainer.run([&](auto& tape, std::int64_t) { return tiny::loss(net, tape, 0); });
  CHECK(losses.back() < 0.9 * losses.front());
  std::set<std::string> changed, adapters;
  for (const auto& [name, values] : values_of(net)) {
    if (values != before.at(name)) changed.insert(name);
    if (name.find("lora_") != name.npos) adapters.insert(name);
  }
  CHECK(adapters.size() == 8);
  CHECK(changed == adapters);
  CHECK(trainer.optimizer().states().size() == 8);

  const auto adapted = output(net);
  mg::merge_adapters(net);
  const auto merged = output(net);
  CHECK(test::relative_difference(merged, adapted) <= (std::is_same_v<T, double> ? 1e-13 : 1e-5));
  CHECK(values_of(net).size() == before.size() - 8);
  CHECK(values_of(net).at("parts.0.fc1.weight") != before.at("parts.0.fc1.weight"));
  CHECK_FALSE(net.parts[0].fc1.weight.trained());
  mg::unfreeze(net, "*");
  mg::add_adapters(net, {.rank = 1});  // and once more
  CHECK(net.parts[0].fc1.adapter);
}

TEST_CASE("adapters of a transformer are on the layers that a pattern names") {
  mg::Stdit<float, Cpu> model(test::tiny_config());
  test::randomise(model, 5, 0.15);
  const test::Inputs<float> in(test::tiny_config());
  const auto before = test::run(model, in);
  const auto names = mg::add_adapters(model, {.rank = 4, .pattern = "blocks.*.cross_attn.*"});
  CHECK(names.size() == 6);
  CHECK(names[0] == "blocks.0.cross_attn.q_linear");
  const auto after = test::run(model, in);
  CHECK(std::memcmp(before.data(), after.data(), before.bytes()) == 0);
  std::int64_t trained = 0;
  mg::for_each_parameter(model, [&](const std::string& path, auto& p) {
    CHECK(p.trained() == (path.find("lora_") != path.npos));
    trained += p.trained() ? p.value.size() : 0;
  });
  CHECK(trained == 2 * 4 * ((24 + 24) + (24 + 48) + (24 + 24)));
  test::randomise(model, 6, 0.15);
  const auto adapted = test::run(model, in);
  mg::merge_adapters(model);
  CHECK(test::relative_difference(test::run(model, in), adapted) <= 1e-5);
}

TEST_CASE("a step with adapters costs less than one of everything") {
  const auto flops = [](Net<float, mg::FlopCounter>& net) {
    return mg::training_flops([&](auto& tape) {
      const auto x = tape.constant(mg::Tensor<float, mg::FlopCounter>({64, 60}));
      return mse(tape, net(tape, x), x.value());
    });
  };
  Net<float, mg::FlopCounter> all(60), adapted(60);
  mg::add_adapters(adapted, {.rank = 1});
  CHECK(flops(adapted) < 0.8 * flops(all));
}

TEST_CASE("adapters that cannot be are refused") {
  auto net = random_net<double>();
  const auto refusal = [&](const mg::LoraOptions& o) {
    return message_of<mg::error>([&] { mg::add_adapters(net, o); });
  };
  CHECK(says(refusal({.pattern = "*.qkv"}), "'*.qkv'", "names look like 'parts.1.fc2'"));
  CHECK(says(refusal({.rank = 0}), "rank 0", "1 or more"));
  CHECK(says(refusal({.alpha = 0}), "an alpha other than 0"));
  CHECK(net.parts[0].fc1.weight.trained());
  mg::add_adapters(net, {.pattern = "parts.1.*"});
  CHECK(says(refusal({}), "'parts.1.fc1' has an adapter already", "merge_adapters"));
}
