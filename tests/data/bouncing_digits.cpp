// SPDX-License-Identifier: MIT
// Moving digits: captions that are true, clips that are functions of their index, motion measured on the pixels.
#include <cmath>
#include <set>
#include <string>

#include <modelgrow/data/bouncing_digits.hpp>
#include <modelgrow/data/idx.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
const mg::Digits& digits() {
  static const mg::Digits all = mg::load_digits(MODELGROW_SOURCE_DIR "/examples/data/digits");
  return all;
}
/// Centre of light of a frame on the torus, in pixels.
std::pair<double, double> centre(const mg::Clip& clip, int t) {
  double cx = 0, sx = 0, cy = 0, sy = 0;
  const double turn = 2 * std::acos(-1.0);
  for (int y = 0; y < clip.height; ++y)
    for (int x = 0; x < clip.width; ++x) {
      const double light = clip.at(t, y, x, 0);
      cx += light * std::cos(turn * x / clip.width), sx += light * std::sin(turn * x / clip.width);
      cy += light * std::cos(turn * y / clip.height), sy += light * std::sin(turn * y / clip.height);
    }
  return {std::atan2(sx, cx) / turn * clip.width, std::atan2(sy, cy) / turn * clip.height};
}
double nearest(double step, double extent) { return step - extent * std::round(step / extent); }
}  // namespace

TEST_CASE("captions say what moves") {
  mg::DigitScene scene{.digits = {{.label = 3, .direction = mg::Direction::up, .speed = mg::Speed::slowly}}};
  CHECK(scene.caption() == "the digit 3 moves up slowly");
  scene.digits.push_back({.label = 7, .direction = mg::Direction::down_left, .speed = mg::Speed::quickly});
  CHECK(scene.caption() == "the 3 moves up slowly while the 7 moves down and left quickly");
  scene.edge = mg::Edge::bounce;
  CHECK(scene.caption() == "the 3 moves up slowly while the 7 moves down and left quickly, bouncing off the edges");
}

TEST_CASE("a clip is a function of seed and index") {
  const mg::BouncingDigits one(digits(), {.max_digits = 2, .seed = 4}), same(digits(), {.max_digits = 2, .seed = 4});
  const mg::BouncingDigits other(digits(), {.max_digits = 2, .seed = 5});
  std::set<std::string> captions, keys;
  int different = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto sample = one.at(i);
    CHECK(sample.clip == same.at(i).clip);
    CHECK(sample.caption == one.scene(i).caption());
    different += sample.clip != other.at(i).clip;
    captions.insert(sample.caption);
    keys.insert(sample.key);
  }
  CHECK(different == 20);
  CHECK(captions.size() > 15);
  CHECK(keys.size() == 20);
}

TEST_CASE("the light moves as the caption says, at any size and length") {
  for (const auto& [size, frames] : {std::pair(64, 16), {32, 8}, {48, 20}}) {
    const mg::BouncingDigits clips(digits(), {.frames = frames, .height = size, .width = size, .seed = 1});
    for (std::uint64_t i = 0; i < 40; ++i) {
      const auto scene = clips.scene(i);
      const auto clip = clips.draw(scene);
      const auto [ux, uy] = mg::unit_vector(scene.digits[0].direction);
      const double step = (scene.digits[0].speed == mg::Speed::slowly ? 0.25 : 0.75) * size / frames;
      for (int t = 1; t < frames; ++t) {
        const auto [x0, y0] = centre(clip, t - 1);
        const auto [x1, y1] = centre(clip, t);
        INFO(scene.caption() << ", frame " << t);
        REQUIRE_THAT(nearest(x1 - x0, size), WithinAbs(ux * step, 0.15));
        REQUIRE_THAT(nearest(y1 - y0, size), WithinAbs(uy * step, 0.15));
      }
    }
  }
}

TEST_CASE("bouncing digits keep their way for half the clip, turn back at the edge and never leave") {
  const mg::BouncingDigits clips(digits(), {.edge = mg::Edge::bounce, .seed = 2});
  int turned = 0;
  for (std::uint64_t i = 0; i < 60; ++i) {
    const auto scene = clips.scene(i);
    const auto clip = clips.draw(scene);
    const auto [ux, uy] = mg::unit_vector(scene.digits[0].direction);
    const double step = clips.options().pixels_per_frame(scene.digits[0].speed);
    for (int t = 1; t < 16; ++t) {
      const auto [x0, y0] = centre(clip, t - 1);
      const auto [x1, y1] = centre(clip, t);
      const double along = nearest(x1 - x0, 64) * ux + nearest(y1 - y0, 64) * uy;
      INFO(scene.caption() << ", frame " << t);
      if (t <= 8) REQUIRE_THAT(along, WithinAbs(step, 0.15));
      REQUIRE(std::abs(along) < step + 0.15);
      turned += along < 0;
    }
  }
  CHECK(turned > 20);
}

TEST_CASE("two digits differ in label and direction; labels, directions and speeds are all used evenly") {
  const mg::BouncingDigits clips(digits(), {.min_digits = 1, .max_digits = 2, .seed = 3});
  std::vector<int> labels(10), directions(8), speeds(2), counts(3);
  int total = 0;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const auto scene = clips.scene(i);
    ++counts[scene.digits.size()];
    for (const auto& d : scene.digits) {
      REQUIRE(int(digits().labels[d.image]) == d.label);
      ++labels[d.label], ++directions[int(d.direction)], ++speeds[int(d.speed)], ++total;
    }
    if (scene.digits.size() == 2) {
      REQUIRE(scene.digits[0].label != scene.digits[1].label);
      REQUIRE(scene.digits[0].direction != scene.digits[1].direction);
    }
  }
  const auto even = [&](const std::vector<int>& bins, int sum) {
    for (int n : bins)
      CHECK(std::abs(n - double(sum) / double(bins.size())) < 5 * std::sqrt(double(sum) / double(bins.size())));
  };
  even(labels, total), even(directions, total), even(speeds, total);
  even({counts[1], counts[2]}, 3000);
}

TEST_CASE("channels and digit size are options") {
  const mg::BouncingDigits grey(digits(), {.height = 32, .width = 48, .digit_size = 20});
  const mg::BouncingDigits rgb(digits(), {.height = 32, .width = 48, .channels = 3, .digit_size = 20});
  CHECK(grey.at(0).clip.width == 48);
  CHECK(rgb.at(0).clip == mg::to_rgb(grey.at(0).clip));
}

TEST_CASE("options that cannot make a clip are refused") {
  const auto refused = [](mg::BouncingDigitsOptions o) {
    CHECK_THROWS_AS(mg::BouncingDigits(digits(), o), mg::shape_error);
  };
  refused({.frames = 0});
  refused({.height = 8});
  refused({.channels = 2});
  refused({.digit_size = 64});
  refused({.min_digits = 0});
  refused({.min_digits = 2, .max_digits = 1});
  refused({.max_digits = 3});
  refused({.edge = mg::Edge::bounce, .quick = 1.5});
  CHECK_THROWS_AS(mg::BouncingDigits(digits().slice(0, 3), {}), mg::shape_error);  // some digits missing
}
