// SPDX-License-Identifier: MIT
// Resizing and conversion of clips against values worked out by hand.
#include <cmath>
#include <limits>
#include <vector>

#include <modelgrow/data/clip.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

TEST_CASE("area averaging weighs source pixels by covered area") {
  mg::Clip row = mg::make_clip(1, 1, 3, 1);
  row.pixels = {0, 90, 240};
  // 3 -> 2: each output covers one and a half pixels: (0 + 90/2) / 1.5 and (90/2 + 240) / 1.5.
  CHECK(mg::resize(row, {.width = 2}).pixels == std::vector<std::uint8_t>{30, 190});
  CHECK(mg::resize(row, {.width = 1}).pixels == std::vector<std::uint8_t>{110});
  CHECK(mg::resize(row, {.width = 6}).pixels == std::vector<std::uint8_t>{0, 0, 90, 90, 240, 240});
  CHECK(mg::resize(row, {}) == row);
}

TEST_CASE("resizing works on both axes and keeps channels apart") {
  mg::Clip clip = mg::make_clip(1, 2, 2, 3);
  for (int y = 0; y < 2; ++y)
    for (int x = 0; x < 2; ++x)
      for (int c = 0; c < 3; ++c) clip.at(0, y, x, c) = std::uint8_t(100 * c + 20 * y + 4 * x);
  const mg::Clip one = mg::resize(clip, {.height = 1, .width = 1});
  CHECK(one.pixels == std::vector<std::uint8_t>{12, 112, 212});
}

TEST_CASE("a constant clip stays constant at any size") {
  mg::Clip clip = mg::make_clip(2, 13, 7, 1);
  for (auto& p : clip.pixels) p = 201;
  for (int size : {1, 3, 5, 7, 11, 26}) {
    const mg::Clip out = mg::resize(clip, {.frames = 2, .height = size, .width = size + 1});
    for (auto p : out.pixels) REQUIRE(int(p) == 201);
  }
}

TEST_CASE("frames are subsampled evenly, first frame kept") {
  mg::Clip clip = mg::make_clip(16, 1, 1, 1);
  for (int t = 0; t < 16; ++t) clip.at(t, 0, 0, 0) = std::uint8_t(t);
  CHECK(mg::resize(clip, {.frames = 8}).pixels == std::vector<std::uint8_t>{0, 2, 4, 6, 8, 10, 12, 14});
  CHECK(mg::resize(clip, {.frames = 5}).pixels == std::vector<std::uint8_t>{0, 3, 6, 9, 12});
  CHECK(mg::resize(clip, {.frames = 1}).pixels == std::vector<std::uint8_t>{0});
}

TEST_CASE("float conversion is [C, T, H, W] in [-1, 1] and inverts exactly") {
  mg::Clip clip = mg::make_clip(2, 1, 2, 3);
  for (std::size_t i = 0; i < clip.size(); ++i) clip.pixels[i] = std::uint8_t(i * 23);
  clip.at(0, 0, 0, 0) = 0;
  clip.at(1, 0, 1, 2) = 255;
  std::vector<float> values(clip.size());
  mg::to_float(clip, values);
  CHECK(values.front() == -1.0f);
  CHECK(values.back() == 1.0f);
  CHECK_THAT(values[4], WithinAbs(clip.at(0, 0, 0, 1) / 127.5 - 1, 1e-6));  // channel 1 starts after T*H*W = 4 values
  CHECK_THAT(values[2], WithinAbs(clip.at(1, 0, 0, 0) / 127.5 - 1, 1e-6));
  CHECK(mg::from_float(values, 2, 1, 2, 3) == clip);

  mg::Clip every = mg::make_clip(1, 16, 16, 1);
  for (int i = 0; i < 256; ++i) every.pixels[i] = std::uint8_t(i);
  std::vector<float> all(256);
  mg::to_float(every, all);
  CHECK(mg::from_float(all, 1, 16, 16, 1) == every);
}

TEST_CASE("from_float clamps and rounds; not-a-number is black") {
  const std::vector<float> values{-7.f, 7.f, std::nanf(""), std::numeric_limits<float>::infinity(), 0.004f};
  CHECK(mg::from_float(values, 1, 1, 5, 1).pixels == std::vector<std::uint8_t>{0, 255, 0, 255, 128});
}

TEST_CASE("grey becomes RGB") {
  mg::Clip clip = mg::make_clip(1, 1, 2, 1);
  clip.pixels = {3, 9};
  CHECK(mg::to_rgb(clip).pixels == std::vector<std::uint8_t>{3, 3, 3, 9, 9, 9});
  CHECK(mg::to_rgb(mg::to_rgb(clip)) == mg::to_rgb(clip));
  CHECK_THROWS_AS(mg::to_rgb(mg::make_clip(1, 1, 1, 2)), mg::shape_error);
}

TEST_CASE("shapes that do not fit are refused") {
  CHECK_THROWS_AS(mg::make_clip(0, 4, 4, 3), mg::shape_error);
  CHECK_THROWS_AS(mg::resize(mg::make_clip(1, 4, 4, 3), {.height = -2}), mg::shape_error);
  std::vector<float> short_by_one(47);
  CHECK_THROWS_AS(mg::to_float(mg::make_clip(1, 4, 4, 3), short_by_one), mg::shape_error);
  CHECK_THROWS_AS(mg::from_float(short_by_one, 1, 4, 4, 3), mg::shape_error);
}
