// SPDX-License-Identifier: MIT
// The judge against ground truth, on digits that it has not seen: clean clips, noisy clips, and what it must not see.
#include <modelgrow/core/rng.hpp>
#include <modelgrow/data/digit_judge.hpp>
#include <modelgrow/data/idx.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
const mg::Digits& digits() {
  static const mg::Digits all = mg::load_digits(MODELGROW_SOURCE_DIR "/examples/data/digits");
  return all;
}
mg::Clip with_noise(mg::Clip clip, double sigma, std::uint64_t stream) {
  const mg::Rng rng(1, stream);
  for (std::size_t i = 0; i < clip.pixels.size(); ++i)
    clip.pixels[i] = mg::detail::round_to_byte(float(clip.pixels[i] + sigma * rng.normal(i)));
  return clip;
}
mg::Agreement mean_agreement(const mg::BouncingDigitsOptions& options, int clips, double noise = 0) {
  const mg::BouncingDigits generator(digits().slice(9000, 1000), options);
  const mg::DigitJudge judge(digits().slice(0, 9000), options);
  mg::Agreement mean;
  for (int i = 0; i < clips; ++i) {
    const auto scene = generator.scene(i);
    auto clip = generator.draw(scene);
    if (noise > 0) clip = with_noise(clip, noise, i);
    const auto a = mg::agreement(judge.judge(clip, int(scene.digits.size())), scene);
    mean.label += a.label / clips, mean.direction += a.direction / clips, mean.speed += a.speed / clips;
  }
  return mean;
}
}  // namespace

TEST_CASE("one digit, 64x64x16") {
  const auto a = mean_agreement({.seed = 21}, 60);
  CHECK(a.label >= 0.95);
  CHECK(a.direction >= 0.98);
  CHECK(a.speed >= 0.98);
}

TEST_CASE("one digit, 32x32x8, wrapping and bouncing") {
  const auto a = mean_agreement({.frames = 8, .height = 32, .width = 32, .seed = 22}, 150);
  CHECK(a.label >= 0.95);
  CHECK(a.direction >= 0.98);
  CHECK(a.speed >= 0.98);
  const auto b = mean_agreement({.frames = 8, .height = 32, .width = 32, .edge = mg::Edge::bounce, .seed = 23}, 100);
  CHECK(b.label >= 0.93);
  CHECK(b.direction >= 0.98);
}

TEST_CASE("two digits, 32x32x8") {
  const auto a =
      mean_agreement({.frames = 8, .height = 32, .width = 32, .min_digits = 2, .max_digits = 2, .seed = 24}, 60);
  CHECK(a.label >= 0.92);
  CHECK(a.direction >= 0.97);
}

TEST_CASE("noise of a tenth of the range leaves the motion clear") {
  const auto a = mean_agreement({.frames = 8, .height = 32, .width = 32, .seed = 25}, 60, 25);
  CHECK(a.label >= 0.9);
  CHECK(a.direction >= 0.97);
}

TEST_CASE("a digit that stands still has no direction, and chance is far below the bars above") {
  const mg::BouncingDigitsOptions options{.frames = 8, .height = 32, .width = 32, .seed = 26};
  const mg::BouncingDigits generator(digits(), options);
  const mg::DigitJudge judge(digits().slice(0, 2000), options);
  double direction = 0, label = 0;
  for (int i = 0; i < 20; ++i) {
    auto clip = generator.at(i).clip;
    const auto wrong_scene = generator.scene(i + 1000);
    const auto a = mg::agreement(judge.judge(clip, 1), wrong_scene);
    direction += a.direction / 20, label += a.label / 20;
    const mg::Clip still = mg::resize(mg::resize(clip, {.frames = 1}), {.frames = 8});
    CHECK(!judge.judge(still, 1)[0].direction);
    CHECK(!judge.judge(still, 1)[0].speed);
  }
  CHECK(direction < 0.4);
  CHECK(label < 0.4);
}

TEST_CASE("agreement pairs seen and true digits whichever way fits better") {
  const mg::DigitScene truth{
      .digits = {{.label = 1, .direction = mg::Direction::up}, {.label = 2, .direction = mg::Direction::left}}};
  const std::vector<mg::JudgedDigit> swapped{{.label = 2, .direction = mg::Direction::left, .speed = mg::Speed::slowly},
                                             {.label = 1, .direction = mg::Direction::down, .speed = {}}};
  const auto a = mg::agreement(swapped, truth);
  CHECK(a.label == 1);
  CHECK(a.direction == 0.5);
  CHECK(a.speed == 0.5);
}

TEST_CASE("clips and counts that the judge cannot take are refused") {
  const mg::BouncingDigitsOptions options{.frames = 8, .height = 32, .width = 32};
  const mg::DigitJudge judge(digits().slice(0, 100), options);
  CHECK_THROWS_AS(judge.judge(mg::make_clip(8, 32, 31, 1), 1), mg::shape_error);
  CHECK_THROWS_AS(judge.judge(mg::make_clip(7, 32, 32, 1), 1), mg::shape_error);
  CHECK_THROWS_AS(judge.judge(mg::make_clip(8, 32, 32, 1), 3), mg::shape_error);
  CHECK_THROWS_AS(mg::DigitJudge(digits().slice(0, 0), options), mg::shape_error);
  CHECK_THROWS_AS(mg::agreement({}, mg::DigitScene{}), mg::shape_error);
  CHECK(judge.judge(mg::make_clip(8, 32, 32, 3), 1).size() == 1);  // black: an answer, no crash
}
