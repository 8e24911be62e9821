// SPDX-License-Identifier: MIT
// The average against its recurrence, in use and back, and on disk.
#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/train/ema.hpp>

#include <algorithm>
#include <cmath>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using Model = tiny::Mlp<double, mg::Cpu>;
using mg::testing::message_of;
using mg::testing::says;
using mg::testing::Scratch;

TEST_CASE("the average follows e = d e + (1 - d) w, with or without a ramp of d") {
  Model model({});
  const mg::AdamW<double, mg::Cpu> adam(model, {});
  const auto warmup = GENERATE(mg::EmaOptions::Warmup::none, mg::EmaOptions::Warmup::ramp);
  mg::Ema<double, mg::Cpu> ema(model, adam, {.decay = 0.25, .warmup = warmup});
  double expected = model.weight1.value.data()[7];
  for (int step = 0; step < 4; ++step) {
    for (double& w : model.weight1.value.span()) w += 1.0;
    ema.update(model, adam);
    const double ramp = (1.0 + step) / (10.0 + step);
    const double d = warmup == mg::EmaOptions::Warmup::none ? 0.25 : std::min(0.25, ramp);
    expected = d * expected + (1 - d) * model.weight1.value.data()[7];
    CHECK_THAT(ema.averages().at("weight1").data()[7], WithinRel(expected, 1e-14));
  }
  CHECK(ema.averages().at("table").data()[0] == model.table.value.data()[0]);
}

TEST_CASE("a step that moves the averages is a step and an update, bit for bit") {
  using Twin = tiny::Pair<float, mg::Cpu>;
  Twin model, other;
  mg::AdamW<float, mg::Cpu> adam(model, {}), plain(other, {});
  mg::Ema<float, mg::Cpu> ema(model, adam), reference(other, plain);
  mg::freeze(model.first, "bias1");
  mg::freeze(other.first, "bias1");
  // Parameters that no gradient has reached are not stepped, yet their averages move.
  for (auto* averages : {&ema.averages(), &reference.averages()}) averages->at("second.weight1").zero();
  const auto gradients = [](Twin& m, int t) {
    mg::for_each_parameter(m.first, [&](const std::string& path, auto& p) {
      if (p.trained())
        p.gradient = mg::gaussian_noise<float>(p.value.shape(), mg::Rng(std::uint64_t(t), mg::hash_name(path)));
    });
  };
  for (int t = 0; t < 4; ++t) {
    gradients(model, t);
    gradients(other, t);
    const double norm = plain.step(other, 0.1, 0.5);
    reference.update(other, plain);
    CHECK(ema.step(model, adam, 0.1, 0.5) == norm);
  }
  CHECK(ema.updates() == 4);
  CHECK(ema.averages().at("second.weight1").data()[0] != 0);
  for (const auto& [path, average] : reference.averages()) {
    INFO(path);
    CHECK(std::ranges::equal(average.span(), ema.averages().at(path).span()));
  }
  CHECK(std::ranges::equal(model.first.weight1.value.span(), other.first.weight1.value.span()));
}

TEST_CASE("a step that is refused leaves model, optimizer and averages as they are") {
  Model model({});
  const Model before({});
  mg::AdamW<double, mg::Cpu> adam(model, {});
  mg::Ema<double, mg::Cpu> ema(model, adam), narrow(Model({.width = 6, .hidden = 9}), adam);
  const auto unchanged = [&] {
    CHECK(adam.states().empty());
    CHECK(ema.updates() == 0);
    CHECK(std::ranges::equal(model.weight1.value.span(), before.weight1.value.span()));
    CHECK(std::ranges::equal(ema.averages().at("weight1").span(), before.weight1.value.span()));
  };
  model.weight1.gradient = before.weight1.value.clone();
  CHECK_THROWS_AS(narrow.step(model, adam, 0.1), mg::shape_error);
  unchanged();
  model.weight1.gradient.data()[3] = std::nan("");
  CHECK_THROWS_AS(ema.step(model, adam, 0.1), mg::error);
  unchanged();
  {
    const auto in_use = ema.use_in(model);
    CHECK_THROWS_AS(ema.step(model, adam, 0.1), mg::error);
  }
  unchanged();
  // Averages of frozen parameters are looked at before the step, too.
  for (const char* path : {"weight1", "bias1", "weight2"}) mg::freeze(model, path);
  model.bias2.gradient = before.bias2.value.clone();
  model.bias2.gradient.data()[0] = 1;
  CHECK_THROWS_AS(narrow.step(model, adam, 0.1), mg::shape_error);
  CHECK(std::ranges::equal(model.bias2.value.span(), before.bias2.value.span()));
}

TEST_CASE("averages take the place of the weights and give it back") {
  Model model({});
  const mg::AdamW<double, mg::Cpu> adam(model, {});
  mg::Ema<double, mg::Cpu> ema(model, adam);
  const double average = model.weight1.value.data()[0];
  model.weight1.value.data()[0] = 42.0;
  {
    const auto in_use = ema.use_in(model);
    CHECK(model.weight1.value.data()[0] == average);
  }
  CHECK(model.weight1.value.data()[0] == 42.0);
  model.weight1.value.data()[0] = 43.0;
  CHECK(ema.averages().at("weight1").data()[0] == average);
}

TEST_CASE("averages come back from the disk bit for bit; files that do not fit are refused") {
  const Scratch directory;
  tiny::Pair<float, mg::Cpu> model;
  const mg::AdamW<float, mg::Cpu> adam(model, {});
  mg::Ema<float, mg::Cpu> ema(model, adam), loaded(model, adam);
  for (float& w : model.second.weight1.value.span()) w *= 1.5f;
  for (int i = 0; i < 3; ++i) ema.update(model, adam);
  ema.save(directory / "ema.safetensors", "second.");
  const auto file = mg::Checkpoint::open(directory / "ema.safetensors");
  loaded.load(file, model.second, "second.");
  CHECK(loaded.updates() == 3);
  REQUIRE(loaded.averages().size() == 10);
  for (int i = 0; i < 60; ++i)
    REQUIRE(loaded.averages().at("second.weight1").data()[i] == ema.averages().at("second.weight1").data()[i]);

  mg::save(directory / "foreign.safetensors", model.second);  // says nothing about its history
  loaded.load(mg::Checkpoint::open(directory / "foreign.safetensors"), model.second, "second.");
  CHECK(loaded.options().at(loaded.updates()) == loaded.options().decay);
  loaded.restart(model.second, adam, "second.");
  CHECK(loaded.updates() == 0);
  CHECK(loaded.averages().at("second.weight1").data()[7] == model.second.weight1.value.data()[7]);

  tiny::Mlp<float, mg::Cpu> wider({.width = 6, .hidden = 12});
  CHECK_THROWS_AS(loaded.load(file, wider, "second."), mg::format_error);
  CHECK_THROWS_AS(loaded.load(file, model, ""), mg::format_error);
  mg::TensorFile more;
  mg::for_each_parameter(model.first, [&](const std::string& path, const auto& p) { more.add(path, p.value); });
  more.add("extra", model.first.bias1.value);
  more.save(directory / "more.safetensors");
  CHECK_THROWS_AS(loaded.load(mg::Checkpoint::open(directory / "more.safetensors"), model.first, "first."),
                  mg::format_error);
  CHECK(loaded.averages().size() == 10);
}

TEST_CASE("a model that was grown without its average is refused") {
  Model model({}), wider({.width = 6, .hidden = 12});
  const mg::AdamW<double, mg::Cpu> adam(model, {});
  mg::Ema<double, mg::Cpu> ema(model, adam);
  CHECK_THROWS_AS(ema.update(wider, adam), mg::shape_error);
  CHECK_THROWS_AS(ema.use_in(wider), mg::shape_error);
  CHECK(wider.bias2.value.size() == 6);
}

TEST_CASE("while averages are in use nothing takes them for weights, and afterwards everything goes on") {
  Model model({});
  const mg::AdamW<double, mg::Cpu> adam(model, {});
  mg::Ema<double, mg::Cpu> ema(model, adam);
  const Scratch directory;
  ema.save(directory / "ema.safetensors");
  const auto file = mg::Checkpoint::open(directory / "ema.safetensors");
  const auto refused = [&](auto&& f) {
    return mg::testing::says(mg::testing::message_of<mg::error>(f), "cannot ", "in use in place of the weights",
                             "out of scope");
  };
  {
    auto in_use = ema.use_in(model);
    const auto moved = std::move(in_use);
    {
      const auto again = ema.use_in(model);
      CHECK(ema.in_use());
    }
    CHECK(ema.in_use());
    CHECK(refused([&] { ema.update(model, adam); }));
    CHECK(refused([&] { ema.restart(model, adam); }));
    CHECK(refused([&] { ema.load(file, model); }));
  }
  CHECK_FALSE(ema.in_use());
  ema.load(file, model);
  ema.update(model, adam);
  CHECK(ema.updates() == 1);

  Model wider({.width = 6, .hidden = 12});  // what does not fit is not in use
  CHECK_THROWS_AS(ema.use_in(wider), mg::shape_error);
  CHECK_FALSE(ema.in_use());
}

TEST_CASE("how often averages were moved is a whole number, or the file is refused") {
  const Scratch directory;
  Model model({});
  const mg::AdamW<double, mg::Cpu> adam(model, {});
  mg::Ema<double, mg::Cpu> ema(model, adam);
  const auto path = directory / "ema.safetensors";
  const auto load = [&](const std::string& updates) {
    mg::TensorFile file;
    for (const auto& [name, average] : ema.averages()) file.add(name, average);
    file.save(path, {{"updates", updates}});
    ema.load(mg::Checkpoint::open(path), model);
  };
  load("4");
  REQUIRE(ema.updates() == 4);
  for (const char* updates : {"four", "", "-1", "4.5", "4 ", "0x4", "99999999999999999999"}) {
    const std::string said = mg::testing::message_of<mg::format_error>([&] { load(updates); });
    INFO(said);
    CHECK(mg::testing::says(said, "ema.safetensors", "'updates' is '" + std::string(updates) + "'",
                            "expected a whole number"));
    CHECK(ema.updates() == 4);
  }
}
