// SPDX-License-Identifier: MIT
// Augmentation against clips worked out by hand, and what it may never do.
#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include <modelgrow/data/augment.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
constexpr mg::ClipSize size{.frames = 3, .height = 2, .width = 4};
/// Two channels; a value says where it lies: channel, frame, row, column as decimal digits.
std::vector<float> numbered() {
  std::vector<float> clip;
  for (int c = 0; c < 2; ++c)
    for (int t = 0; t < size.frames; ++t)
      for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x) clip.push_back(float(1000 * c + 100 * t + 10 * y + x));
  return clip;
}
std::vector<float> augmented(const mg::Augmentation& how, std::uint64_t position) {
  auto clip = numbered();
  mg::augment(clip, 2, size, how, position);
  return clip;
}
}  // namespace

TEST_CASE("nothing asked, nothing changed") { CHECK(augmented({}, 7) == numbered()); }

TEST_CASE("mirroring swaps left and right of every row") {
  const auto clip = augmented({.mirror = 1}, 0);
  auto expected = numbered();
  for (std::size_t row = 0; row < expected.size(); row += 4)
    std::reverse(expected.begin() + row, expected.begin() + row + 4);
  CHECK(clip == expected);
}

TEST_CASE("half of the clips are mirrored, the others untouched") {
  int mirrored = 0;
  for (std::uint64_t i = 0; i < 400; ++i) mirrored += augmented({.mirror = 0.5, .seed = 3}, i) != numbered();
  CHECK(mirrored > 160);
  CHECK(mirrored < 240);
}

TEST_CASE("rolling begins at every frame and keeps their order") {
  std::set<int> starts;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const auto clip = augmented({.roll = 1}, i);
    const int first = int(clip[0]) / 100;
    starts.insert(first);
    for (int t = 0; t < 3; ++t) REQUIRE(clip[std::size_t(t) * 8] == float(100 * ((t + first) % 3)));
    REQUIRE(clip[24] == 1000 + clip[0]);
  }
  CHECK(starts == std::set<int>{0, 1, 2});
}

TEST_CASE("shifting repeats the border and treats all frames and channels alike") {
  std::set<std::pair<int, int>> seen;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const auto clip = augmented({.shift = 1}, i);
    const auto at = [&](int y, int x) { return int(clip[std::size_t(4 * y + x)]); };
    // Column 1 tells the horizontal shift, the first or last row the vertical one.
    const int right = 1 - at(0, 1) % 10, down = at(0, 0) / 10 == 1 ? -1 : at(1, 0) / 10 == 0 ? 1 : 0;
    seen.insert({down, right});
    for (std::size_t k = 0; k < clip.size(); ++k) {
      const int x = int(k % 4), y = int(k / 4 % 2), frame = int(k / 8 % 3), channel = int(k / 24);
      const int from = 10 * std::clamp(y - down, 0, 1) + std::clamp(x - right, 0, 3);
      REQUIRE(clip[k] == float(1000 * channel + 100 * frame + from));
    }
  }
  CHECK(seen.size() == 9);
}

TEST_CASE("the same seed and position give the same clip, others do not") {
  const mg::Augmentation how{.mirror = 0.5, .shift = 1, .roll = 0.5, .seed = 5};
  CHECK(augmented(how, 11) == augmented(how, 11));
  std::set<std::vector<float>> variants;
  for (std::uint64_t i = 0; i < 300; ++i) variants.insert(augmented(how, i));
  CHECK(variants.size() > 30);  // of 2 x 9 x 3
  int same = 0;
  auto other = how;
  other.seed = 6;
  for (std::uint64_t i = 0; i < 100; ++i) same += augmented(how, i) == augmented(other, i);
  CHECK(same < 20);
}

TEST_CASE("augmentation refuses what does not fit") {
  auto clip = numbered();
  CHECK_THROWS_AS(mg::augment(clip, 3, size, {}, 0), mg::shape_error);
  CHECK_THROWS_AS(mg::augment(clip, 2, size, {.shift = 2}, 0), mg::shape_error);
  CHECK_THROWS_AS(mg::augment(clip, 2, size, {.shift = -1}, 0), mg::shape_error);
  CHECK_THROWS_AS(mg::augment(clip, 2, size, {.mirror = 2}, 0), mg::shape_error);
  CHECK_THROWS_AS(mg::augment(clip, 2, size, {.roll = -0.5}, 0), mg::shape_error);
  CHECK(clip == numbered());
}
