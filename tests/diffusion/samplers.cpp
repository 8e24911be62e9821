// SPDX-License-Identifier: MIT
// Noise levels against the tables of diffusers' FlowMatchEulerDiscreteScheduler; Euler steps against exact solutions.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/diffusion/guidance.hpp>
#include <modelgrow/diffusion/samplers.hpp>

#include <fstream>

#include "tests/support/catch.hpp"

namespace mg = modelgrow;
using Host = mg::Tensor<double, mg::Cpu>;

TEST_CASE("noise levels equal the upstream scheduler's") {
  std::ifstream file(MODELGROW_SOURCE_DIR "/tests/golden/flow_match_euler.json");
  const auto golden = mg::detail::json::parse(file);
  // With a static shift upstream shifts its smallest sigma twice: once in the constructor, once with all others.
  const std::pair<const char*, mg::FlowSchedule> cases[] = {
      {"flow_match_euler/shift1", {.steps = 8, .last = 0.001}},
      {"flow_match_euler/shift3", {.steps = 8, .shift = 3.0, .last = mg::shift_sigma(0.001, 3.0)}},
      {"flow_match_euler/hunyuan_shift7_linspace", {.steps = 8, .shift = 7.0}},
      {"flow_match_euler/ltx_dyn_mu1.5_terminal0.1", {.steps = 8, .shift = std::exp(1.5), .terminal = 0.1}}};
  for (const auto& [name, schedule] : cases) {
    INFO(name);
    const auto expected = golden.at(name).at("sigmas").get<std::vector<double>>();
    const auto times = golden.at(name).at("timesteps").get<std::vector<double>>();
    const auto found = schedule.sigmas();
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) CHECK_THAT(found[i], WithinAbs(expected[i], 2e-7));
    for (std::size_t i = 0; i < times.size(); ++i) CHECK_THAT(1000 * found[i], WithinAbs(times[i], 2e-4));
  }
}

TEST_CASE("schedules that cannot be are refused") {
  CHECK_THROWS_AS(mg::FlowSchedule{.steps = 0}.sigmas(), mg::error);
  CHECK_THROWS_AS((mg::FlowSchedule{.shift = 0}.sigmas()), mg::error);
  CHECK_THROWS_AS((mg::FlowSchedule{.last = 1}.sigmas()), mg::error);
  CHECK_THROWS_AS((mg::FlowSchedule{.terminal = -0.1}.sigmas()), mg::error);
}

TEST_CASE("the true velocity of one clip takes noise to that clip in any number of steps") {
  const mg::Shape shape{2, 3, 4};
  const auto noise = mg::gaussian_noise<double>(shape, mg::Rng(1)),
             clip = mg::gaussian_noise<double>(shape, mg::Rng(2));
  const auto steps = GENERATE(1, 2, 7);
  const auto result = mg::sample_euler(noise, mg::FlowSchedule{.steps = steps, .shift = 3}.sigmas(),
                                       [&](const Host& x, const Host& time) {
                                         Host v(x.shape());
                                         for (std::int64_t i = 0; i < x.size(); ++i)
                                           v.data()[i] = (x.data()[i] - clip.data()[i]) / (time.data()[i / 12] / 1000);
                                         return v;
                                       });
  for (std::int64_t i = 0; i < clip.size(); ++i) CHECK_THAT(result.data()[i], WithinAbs(clip.data()[i], 1e-12));
}

TEST_CASE("Euler is of first order on dx = x dsigma") {
  const auto solve = [](std::int64_t steps) {
    return mg::sample_euler(Host::from(mg::Shape{1}, std::vector<double>{1.0}),
                            mg::FlowSchedule{.steps = steps}.sigmas(),
                            [](const Host& x, const Host&) { return x.clone(); })
        .data()[0];
  };
  const double e100 = solve(100) - std::exp(-1.0), e200 = solve(200) - std::exp(-1.0);
  CHECK_THAT(e100 / e200, WithinAbs(2.0, 0.02));
}

TEST_CASE("a velocity of another shape is refused") {
  const auto noise = mg::gaussian_noise<float>(mg::Shape{1, 4}, mg::Rng(1));
  const auto wrong = [](const auto& x, const auto&) { return x.view(0, mg::Shape{1, 2}); };
  CHECK_THROWS_AS(mg::sample_euler(noise, mg::FlowSchedule{.steps = 2}.sigmas(), wrong), mg::shape_error);
}

TEST_CASE("guidance is u + scale (c - u), from one batch of twice the size") {
  const mg::Shape shape{2, 3};
  const auto x = mg::gaussian_noise<double>(shape, mg::Rng(7));
  const Host time = Host::from(mg::Shape{2}, std::vector<double>{100, 900});
  const auto predict = [&](const Host& both, const Host& times) {
    REQUIRE(both.shape() == mg::Shape{4, 3});
    REQUIRE(times.shape() == mg::Shape{4});
    CHECK(times.data()[3] == 900);
    Host v = both.clone();
    for (std::int64_t i = 0; i < v.size(); ++i) v.data()[i] = both.data()[i] * (i < 6 ? 2.0 : 0.5);
    return v;
  };
  const auto scale = GENERATE(0.0, 1.0, 7.5);
  const auto v = mg::guided(predict, scale)(x, time);
  for (std::int64_t i = 0; i < 6; ++i) CHECK_THAT(v.data()[i], WithinAbs(x.data()[i] * (0.5 + scale * 1.5), 1e-14));
  const auto wrong = mg::guided([](const Host& both, const Host&) { return both.view(0, mg::Shape{3, 3}); }, scale);
  CHECK_THROWS_AS(wrong(x, time), mg::shape_error);
}

TEST_CASE("captions are dropped with the given probability, the same ones each time") {
  const auto drop = mg::caption_dropout(0.1, 3, 0, 20000);
  double rate = 0;
  for (auto d : drop.span()) rate += d / 20000.0;
  CHECK_THAT(rate, WithinAbs(0.1, 4 * std::sqrt(0.09 / 20000)));
  const auto tail = mg::caption_dropout(0.1, 3, 19000, 1000);
  for (std::int64_t i = 0; i < 1000; ++i) REQUIRE(tail.data()[i] == drop.data()[19000 + i]);
  const auto none = mg::caption_dropout(0.0, 3, 0, 100), all = mg::caption_dropout(1.0, 3, 0, 100);
  for (auto d : none.span()) REQUIRE(d == 0);
  for (auto d : all.span()) REQUIRE(d == 1);
}
