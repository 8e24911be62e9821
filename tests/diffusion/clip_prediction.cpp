// SPDX-License-Identifier: MIT
// Velocities of models that predict clips.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/diffusion/clip_prediction.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"
#include "tests/support/random.hpp"

namespace mg = modelgrow;
using mg::Cpu;

TEST_CASE("who predicts the true clip has the true velocity, at every noise level above the least") {
  const mg::Shape shape{3, 2, 2, 4, 5};
  mg::Tensor<double, Cpu> clips(shape);
  const mg::Rng rng(1);
  for (std::int64_t i = 0; i < clips.size(); ++i) clips.data()[i] = rng.normal(std::uint64_t(i));
  const std::vector<double> sigmas{0.07, 0.5, 1.0};
  const auto batch = mg::add_noise<double>(mg::FlowMatching{.seed = 2}, clips, std::span(sigmas), 0);
  mg::Tape<double, Cpu> tape(mg::Tape<double, Cpu>::Mode::infer);
  const auto v = mg::velocity_of_clip(tape, batch.noisy, batch.time, tape.constant(clips));
  for (std::int64_t i = 0; i < clips.size(); ++i) REQUIRE_THAT(v.data()[i], WithinAbs(batch.target.data()[i], 1e-12));
}

TEST_CASE("gradients go through velocities to the predicted clip") {
  const mg::Shape shape{2, 1, 2, 2, 3};
  const auto x = mg::testing::random_tensor(shape, 1);
  const auto time = mg::Tensor<double, Cpu>::from({2}, std::vector{300.0, 10.0});
  mg::testing::check_gradients({mg::testing::random_tensor(shape, 2)},
                               [&](mg::testing::DoubleTape& tape, const mg::testing::Vars& v) {
                                 return mg::velocity_of_clip(tape, x, time, v[0]);
                               });
}

TEST_CASE("below the least noise level velocities stay bounded") {
  const auto x = mg::Tensor<double, Cpu>::from({1, 1, 1, 1, 1}, std::vector{0.3});
  const auto clip = mg::Tensor<double, Cpu>::from({1, 1, 1, 1, 1}, std::vector{0.1});
  const auto time = mg::Tensor<double, Cpu>::from({1}, std::vector{0.0});
  mg::Tape<double, Cpu> tape(mg::Tape<double, Cpu>::Mode::infer);
  CHECK_THAT(mg::velocity_of_clip(tape, x, time, tape.constant(clip)).data()[0], WithinAbs(4.0, 1e-12));
}
