// SPDX-License-Identifier: MIT
// AdamW against the formulas of the paper in plain double loops, and that its state survives the disk bit for bit.
#include <modelgrow/core/rng.hpp>
#include <modelgrow/train/adamw.hpp>

#include <cmath>
#include <cstring>
#include <map>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using Model = tiny::Mlp<double, mg::Cpu>;
using Adam = mg::AdamW<double, mg::Cpu>;
using mg::testing::message_of;
using mg::testing::says;
using mg::testing::Scratch;

namespace {

/// Gradients that depend on nothing but path and step.
template <class M>
void set_gradients(M& model, std::int64_t step, double size = 1.0) {
  mg::for_each_parameter(model, [&]<class T>(const std::string& path, mg::Parameter<T, mg::Cpu>& p) {
    if (!p.trained()) return;
    p.gradient = mg::gaussian_noise<T>(p.value.shape(), mg::Rng(std::uint64_t(step), mg::hash_name(path)));
    for (T& g : p.gradient.span()) g *= T(size);
  });
}

struct Reference {
  std::vector<double> w, m, v;
};
using References = std::map<std::string, Reference>;

References reference_of(Model& model) {
  References all;
  mg::for_each_parameter(model, [&](const std::string& path, auto& p) {
    const auto s = p.value.span();
    all[path] =
        Reference{.w = {s.begin(), s.end()}, .m = std::vector<double>(s.size()), .v = std::vector<double>(s.size())};
  });
  return all;
}

void check_equal(Model& model, const References& all, double tolerance) {
  mg::for_each_parameter(model, [&](const std::string& path, auto& p) {
    INFO(path);
    for (std::int64_t i = 0; i < p.value.size(); ++i)
      CHECK_THAT(p.value.data()[i], WithinAbs(all.at(path).w[std::size_t(i)], tolerance));
  });
}

}  // namespace

TEST_CASE("AdamW follows Loshchilov and Hutter, algorithm 2, with clipping by the global norm") {
  Model model({});
  References all = reference_of(model);
  const mg::AdamWOptions o{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1, .clip_norm = 9.0};
  Adam adam(model, o);
  for (int t = 1; t <= 5; ++t) {
    set_gradients(model, t, t == 3 ? 0.1 : 1.0);  // step 3 is not clipped
    const double lr = 0.01 * t;
    double square = 0;
    mg::for_each_parameter(model, [&](const std::string&, auto& p) {
      if (p.trained())
        for (double g : p.gradient.span()) square += g * g;
    });
    const double norm = std::sqrt(square), scale = norm > 9.0 ? 9.0 / (norm + 1e-6) : 1.0;
    CHECK((t == 3) == (scale == 1.0));
    mg::for_each_parameter(model, [&](const std::string& path, auto& p) {
      if (!p.trained()) return;
      auto& r = all[path];
      const double decay = p.value.shape().rank() == 2 ? 0.1 : 0.0;
      for (std::size_t i = 0; i < r.w.size(); ++i) {
        const double g = scale * p.gradient.data()[i];
        r.m[i] = 0.8 * r.m[i] + 0.2 * g;
        r.v[i] = 0.95 * r.v[i] + 0.05 * g * g;
        const double mhat = r.m[i] / (1 - std::pow(0.8, t)), vhat = r.v[i] / (1 - std::pow(0.95, t));
        r.w[i] -= lr * (mhat / (std::sqrt(vhat) + 1e-6) + decay * r.w[i]);
      }
    });
    CHECK_THAT(adam.step(model, lr), WithinRel(norm, 1e-12));
    check_equal(model, all, 1e-13);
    for (double g : model.weight1.gradient.span()) CHECK(g == 0.0);
  }
  CHECK(adam.states().size() == 4);  // the buffer has none
}

TEST_CASE("frozen parameters stay, groups have their own rate and decay, the first match counts") {
  Model model({}), plain({});
  freeze(model, "weight2");
  Adam adam(model, {.weight_decay = 0.0, .groups = {{.pattern = "*1", .lr = 0.5}, {.pattern = "bias*", .lr = 0.0}}});
  Adam reference(plain, {.weight_decay = 0.0});
  const Model before({});
  set_gradients(model, 1);
  set_gradients(plain, 1);
  adam.step(model, 0.1);
  reference.step(plain, 0.1);
  const auto moved = [&](const auto& p, const auto& from, std::int64_t i) {
    return p.value.data()[i] - from.value.data()[i];
  };
  for (std::int64_t i = 0; i < model.bias1.value.size(); ++i)
    CHECK_THAT(moved(model.bias1, before.bias1, i), WithinRel(0.5 * moved(plain.bias1, before.bias1, i), 1e-9));
  CHECK(moved(model.weight2, before.weight2, 0) == 0.0);
  CHECK(moved(model.bias2, before.bias2, 0) == 0.0);
  CHECK(moved(model.weight1, before.weight1, 0) != 0.0);

  unfreeze(model, "weight2");
  set_gradients(model, 2);
  adam.step(model, 0.1);
  CHECK(adam.states().at("weight2").step == 1);  // its own count of steps
  CHECK(adam.states().at("weight1").step == 2);
  CHECK(moved(model.weight2, before.weight2, 0) != 0.0);
}

TEST_CASE("decay is lr * weight_decay with the factors of the group, whatever the multipliers of the tensor") {
  Model model({});
  const Model before({});
  Adam adam(model, {.weight_decay = 0.1, .groups = {{.pattern = "weight1", .lr = 0.5, .decay = 4.0}}});
  set_gradients(model, 1, 0.0);  // without a gradient only decay moves the weights
  adam.step(model, 0.0);
  adam.states().at("weight1").set_multipliers({0.25}, {1.0});
  adam.states().at("weight2").set_multipliers(std::vector<double>(10, 0.25), {1.0});
  adam.step(model, 0.2);
  for (std::int64_t i = 0; i < 60; ++i) {
    CHECK_THAT(model.weight1.value.data()[i], WithinRel(before.weight1.value.data()[i] * (1 - 0.1 * 0.4), 1e-14));
    CHECK_THAT(model.weight2.value.data()[i], WithinRel(before.weight2.value.data()[i] * (1 - 0.2 * 0.1), 1e-14));
  }
  CHECK(model.bias1.value.data()[0] == before.bias1.value.data()[0]);
}

TEST_CASE("patterns that match nothing are refused") {
  Model model({});
  CHECK_THROWS_AS(Adam(model, {.groups = {{.pattern = "blocks.*"}}}), mg::error);
  CHECK_THROWS_AS(freeze(model, "nothing"), mg::error);
  CHECK_THROWS_AS(unfreeze(model, ""), mg::error);
  CHECK(mg::matches("*", ""));
  CHECK(mg::matches("blocks.*.attn*bias", "blocks.0.attn.qkv.bias"));
  CHECK(mg::matches("a*b*c", "abbbc"));
  CHECK_FALSE(mg::matches("a*b*c", "abbb"));
  CHECK_FALSE(mg::matches("blocks", "blocks.0"));
  CHECK_FALSE(mg::matches("", "a"));
}

TEST_CASE("multipliers scale the step by column and eps by row") {
  Model model({}), plain({});
  const Model before({});
  Adam adam(model, {.eps = 0.5, .weight_decay = 0.0}), reference(plain, {.eps = 0.5, .weight_decay = 0.0});
  set_gradients(model, 1);
  adam.step(model, 0.0);  // makes the states
  set_gradients(plain, 1);
  reference.step(plain, 0.0);
  auto& s = adam.states().at("weight1");  // [10, 6]
  const bool uniform = GENERATE(false, true);
  std::vector<double> lr(uniform ? 1 : 6, uniform ? 0.25 : 1.0), eps(uniform ? 1 : 10, uniform ? 0.0 : 1.0);
  if (!uniform) {
    lr[2] = 0.25;
    eps[3] = 0.0;
  }
  s.set_multipliers(lr, eps);
  set_gradients(model, 2);
  set_gradients(plain, 2);
  adam.step(model, 0.1);
  reference.step(plain, 0.1);
  const auto& r = reference.states().at("weight1");
  for (std::int64_t i = 0; i < 60; ++i) {
    const double mhat = r.m.data()[i] / (1 - 0.81), vhat = r.v.data()[i] / (1 - 0.999 * 0.999);
    const double eps_here = uniform || i / 6 == 3 ? 0.0 : 0.5, lr_here = uniform || i % 6 == 2 ? 0.025 : 0.1;
    CHECK_THAT(model.weight1.value.data()[i] - before.weight1.value.data()[i],
               WithinRel(-lr_here * mhat / (std::sqrt(vhat) + eps_here), 1e-9));
  }
}

TEST_CASE("saved in the middle and loaded, training goes on bit for bit") {
  const Scratch directory;
  tiny::Pair<float, mg::Cpu> model, again;
  using Single = mg::AdamW<float, mg::Cpu>;
  Single adam(model, {});
  for (int t = 0; t < 3; ++t) {
    set_gradients(model, t);
    adam.step(model, 0.01);
  }
  std::vector<double> eps(10, 1.0);
  eps[4] = 1.0 / 3.0;
  adam.states().at("second.weight1").set_multipliers({0.7}, eps);
  adam.save(directory / "first.safetensors", "first.");
  adam.save(directory / "second.safetensors", "second.");
  mg::for_each_parameter(model, [&](const std::string& path, auto& from) {
    mg::for_each_parameter(again, [&](const std::string& other, auto& to) {
      if (path == other) to.value = from.value.clone();
    });
  });
  Single loaded(again, {});
  loaded.load(mg::Checkpoint::open(directory / "first.safetensors"), again.first, "first.");
  loaded.load(mg::Checkpoint::open(directory / "second.safetensors"), again.second, "second.");
  REQUIRE(loaded.states().size() == adam.states().size());
  CHECK(loaded.states().at("second.weight1").lr() == std::vector<double>{0.7});
  CHECK(loaded.states().at("second.weight1").eps() == eps);
  for (int t = 3; t < 6; ++t) {
    set_gradients(model, t);
    set_gradients(again, t);
    if (t == 4) {  // a parameter that this step does not use, never used since loading
      model.first.bias1.gradient.zero();
      again.first.bias1.gradient = {};
    }
    adam.step(model, 0.01);
    loaded.step(again, 0.01);
  }
  CHECK(loaded.states().at("first.bias1").step == 6);
  CHECK(std::memcmp(model.first.bias1.value.data(), again.first.bias1.value.data(), 40) == 0);
  CHECK(std::memcmp(model.first.weight1.value.data(), again.first.weight1.value.data(), 240) == 0);
  CHECK(std::memcmp(model.second.weight1.value.data(), again.second.weight1.value.data(), 240) == 0);
}

TEST_CASE("optimizer files that do not fit are refused and change nothing") {
  const Scratch directory;
  Model model({});
  Adam adam(model, {});
  set_gradients(model, 1);
  adam.step(model, 0.01);
  adam.save(directory / "optimizer.safetensors");
  const auto file = mg::Checkpoint::open(directory / "optimizer.safetensors");

  Model wider({.width = 6, .hidden = 12});
  Adam other(wider, {});
  CHECK_THROWS_AS(other.load(file, wider), mg::format_error);
  CHECK(other.states().empty());

  tiny::Pair<double, mg::Cpu> pair;
  CHECK_THROWS_AS(adam.load(file, pair), mg::format_error);  // names without their model
  mg::TensorFile partial;
  partial.add("adamw.m.bias1", model.bias1.value);
  partial.add("adamw.v.bias1", model.bias1.value);
  partial.save(directory / "partial.safetensors");
  CHECK_THROWS_AS(adam.load(mg::Checkpoint::open(directory / "partial.safetensors"), model), mg::format_error);
  const auto with_step = [&](const auto& step) {
    mg::TensorFile file = partial;
    file.add("adamw.step.bias1", step);
    file.save(directory / "typed.safetensors");
    return message_of<mg::format_error>(
        [&] { adam.load(mg::Checkpoint::open(directory / "typed.safetensors"), model); });
  };
  const auto number = [](auto n) {
    mg::Tensor<decltype(n), mg::Cpu> t(mg::Shape{});
    t.data()[0] = n;
    return t;
  };
  CHECK(says(with_step(model.bias1.value), "'adamw.step.bias1' is of type F64", "expected one whole number"));
  CHECK(says(with_step(number(3.5)), "and holds 3.5", "expected one whole number"));
  CHECK(adam.states().size() == 4);
  CHECK(with_step(number(3.0f)).empty());  // as other trainers count
  CHECK(adam.states().at("bias1").step == 3);
}

TEST_CASE("a model that was grown without its optimizer is refused") {
  Model model({});
  Adam adam(model, {});
  set_gradients(model, 1);
  adam.step(model, 0.01);
  Model wider({.width = 6, .hidden = 12});
  set_gradients(wider, 1);
  CHECK_THROWS_AS(adam.step(wider, 0.01), mg::shape_error);
}

TEST_CASE("gradients that are not finite are refused before anything changes") {
  Model model({});
  const Model before({});
  Adam adam(model, {});
  set_gradients(model, 1);
  model.bias2.gradient.data()[1] = GENERATE(std::nan(""), double(INFINITY));
  std::string message;
  try {
    adam.step(model, 0.01);
  } catch (const mg::error& e) {
    message = e.what();
  }
  CHECK(message.find("bias2") != message.npos);
  CHECK(model.weight1.value.data()[0] == before.weight1.value.data()[0]);
  CHECK(adam.states().empty());
}

TEST_CASE("parameters that came later take their own rate until they have caught up") {
  Model model({});
  Adam adam(model, {.weight_decay = 0});
  mg::freeze(model, "weight2");
  set_gradients(model, 1);
  adam.step(model, 0.01, 0.5);  // none is older than another
  mg::unfreeze(model, "weight2");
  Model other = model;
  mg::for_each_parameter(other, [](const std::string&, auto& p) { p.value = p.value.clone(); });
  Adam same = adam;
  same.states().clear();
  for (const auto& [path, s] : adam.states()) {
    auto& copy = same.states()[path];
    copy = s;
    copy.m = s.m.clone(), copy.v = s.v.clone();
  }
  set_gradients(model, 2);
  set_gradients(other, 2);
  std::map<std::string, double> before;
  mg::for_each_parameter(model, [&](const std::string& path, auto& p) { before[path] = p.value.data()[0]; });
  adam.step(model, 0.01, 0.5);
  same.step(other, 0.01);
  mg::for_each_parameter(model, [&](const std::string& path, auto& p) {
    double whole = 0;
    mg::for_each_parameter(other, [&](const std::string& name, auto& q) {
      if (name == path) whole = q.value.data()[0] - before[path];
    });
    INFO(path);
    CHECK_THAT(p.value.data()[0] - before[path], WithinAbs(whole * (path == "weight2" ? 0.5 : 1.0), 1e-15));
    CHECK((whole != 0) == p.trained());
  });
}
