// SPDX-License-Identifier: MIT
// Moving shapes: clips are functions of seed and index with the same bytes everywhere, objects look and move as said.
#include <cmath>
#include <set>
#include <string>

#include <modelgrow/data/shape_world.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
/// Area and centre (x, y), in pixels, of what is not ground in frame t.
struct Blob {
  double area = 0, x = 0, y = 0;
};
Blob blob_of(const mg::ShapeWorld& world, const mg::ShapeObject& object, int t) {
  Blob b;
  world.for_each_covered(object, t, [&](int row, int column, int covered) {
    const double share = covered / 64.0;
    b.area += share, b.x += share * (column + 0.5), b.y += share * (row + 0.5);
  });
  b.x /= b.area, b.y /= b.area;
  return b;
}
mg::ShapeObject object_of(const std::string& caption) { return mg::scene_of(caption).objects.at(0); }
}  // namespace

TEST_CASE("a clip of shapes is a function of seed and index") {
  const mg::ShapeWorld one({.max_objects = 3, .seed = 4}), same({.max_objects = 3, .seed = 4});
  const mg::ShapeWorld other({.max_objects = 3, .seed = 5});
  std::set<std::string> captions, keys;
  int different = 0;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const auto sample = one.at(i);
    CHECK(sample.clip == same.at(i).clip);
    CHECK(sample.caption == mg::caption_of(one.scene(i)));
    CHECK(sample.keywords == std::vector{mg::caption_of(one.scene(i), mg::Wording::reworded)});
    different += sample.clip != other.at(i).clip;
    captions.insert(sample.caption);
    keys.insert(sample.key);
  }
  CHECK(different == 50);
  CHECK(captions.size() == 50);
  CHECK(keys.size() == 50);
}

TEST_CASE("clips of shapes have the bytes that they have on every processor") {
  const mg::ShapeWorld world({.max_objects = 3, .seed = 1});
  std::string bytes;
  for (std::uint64_t i = 0; i < 64; ++i)
    for (const auto byte : world.at(i).clip.pixels) bytes += char(byte);
  CHECK(mg::hash_name(bytes) == 0x96a9939021d671d4);
}

TEST_CASE("a caption determines the clip: the scene that it describes is drawn the same") {
  const mg::ShapeWorld world({.max_objects = 3, .seed = 6});
  for (std::uint64_t i = 0; i < 20; ++i) CHECK(world.draw(mg::scene_of(world.at(i).caption)) == world.at(i).clip);
}

TEST_CASE("shapes have their areas, at any place between pixels and any size") {
  const auto area = [](const mg::ShapeWorld& world, const char* shape, const char* size) {
    const auto o = object_of("a " + std::string(size) + " red " + shape + " in the centre standing still");
    const double r = world.radius(o) / 16.0;
    return blob_of(world, o, 0).area / (r * r);
  };
  for (const int side : {16, 32, 48})  // points are an eighth of a pixel apart, which straight edges notice
    for (const char* size : {"small", "large"}) {
      const mg::ShapeWorld world({.frames = 2, .height = side, .width = side});
      CHECK_THAT(area(world, "circle", size), WithinAbs(3.1416, 0.05));
      CHECK_THAT(area(world, "square", size), WithinAbs(4 * 0.875 * 0.875, 0.15));
      CHECK_THAT(area(world, "triangle", size), WithinAbs(1.299 * 1.125 * 1.125, 0.08));
      CHECK_THAT(area(world, "cross", size), WithinAbs(4 * 0.3125 * 2 - 0.625 * 0.625, 0.15));
      CHECK_THAT(area(world, "ring", size), WithinAbs(0.75 * 3.1416, 0.08));
    }
}

TEST_CASE("objects are at their place halfway through the clip and move as said") {
  for (const auto& [side, frames] : {std::pair(16, 8), {32, 8}, {24, 5}}) {
    const mg::ShapeWorld world({.frames = frames, .height = side, .width = side});
    const double travel = side * 7.0 / 16;
    const auto check = [&](const char* way, double dx, double dy) {
      INFO(way << " at " << side);
      const auto o = object_of(std::string("a small red square in the centre ") + way);
      const auto first = blob_of(world, o, 0), last = blob_of(world, o, frames - 1);
      CHECK_THAT(last.x - first.x, WithinAbs(dx * travel, 0.13));
      CHECK_THAT(last.y - first.y, WithinAbs(dy * travel, 0.13));
      CHECK_THAT((first.x + last.x) / 2, WithinAbs(side / 2.0, 0.1));
      CHECK_THAT((first.y + last.y) / 2, WithinAbs(side / 2.0, 0.1));
    };
    check("moving up", 0, -1);
    check("moving right", 1, 0);
    check("moving down", 0, 1);
    check("moving left", -1, 0);
    check("standing still", 0, 0);
    const auto corner = blob_of(world, object_of("a small red circle in the northeast standing still"), 0);
    CHECK_THAT(corner.x, WithinAbs(side * 0.75, 0.1));
    CHECK_THAT(corner.y, WithinAbs(side * 0.25, 0.1));
  }
}

TEST_CASE("objects of a clip differ in colour and never touch; all words are used") {
  const mg::ShapeWorld world({.max_objects = 3, .seed = 7});
  std::vector<int> counts(4);
  std::array<std::set<int>, 5> used;
  for (std::uint64_t i = 0; i < 1500; ++i) {
    const auto scene = world.scene(i);
    ++counts[scene.objects.size()];
    std::set<int> colours;
    for (const auto& o : scene.objects) {
      colours.insert(o[mg::WordClass::colour]);
      for (const auto c : mg::word_classes) used[std::size_t(c)].insert(o[c]);
    }
    REQUIRE(colours.size() == scene.objects.size());
    if (i >= 150) continue;
    std::vector<int> covered(8 * 16 * 16);  // by more than one object there would be more than a pixel's worth
    for (const auto& o : scene.objects)
      for (int t = 0; t < 8; ++t)
        world.for_each_covered(o, t, [&](int row, int column, int c) { covered[(t * 16 + row) * 16 + column] += c; });
    for (const int c : covered) REQUIRE(c <= 64);
  }
  for (const int n : {1, 2, 3}) CHECK(std::abs(counts[n] - 500) < 110);
  for (const auto c : mg::word_classes) CHECK(used[std::size_t(c)].size() == mg::words_of(c).size());
}

TEST_CASE("one object has every value of every class equally often") {
  const mg::ShapeWorld world({.seed = 8});
  constexpr int clips = 4000;
  std::array<std::vector<int>, 5> bins;
  for (const auto c : mg::word_classes) bins[std::size_t(c)].resize(mg::words_of(c).size());
  for (std::uint64_t i = 0; i < clips; ++i)
    for (const auto c : mg::word_classes) ++bins[std::size_t(c)][std::size_t(world.scene(i).objects[0][c])];
  for (const auto& bin : bins)
    for (const int n : bin) {
      const double mean = double(clips) / double(bin.size());
      CHECK(std::abs(n - mean) < 5 * std::sqrt(mean));
    }
}

TEST_CASE("worlds of shapes that cannot make a clip are refused") {
  const auto refused = [](mg::ShapeWorldOptions o) { CHECK_THROWS_AS(mg::ShapeWorld(o), mg::shape_error); };
  refused({.frames = 0});
  refused({.height = 11});
  refused({.width = 8});
  refused({.min_objects = 0});
  refused({.min_objects = 2, .max_objects = 1});
  refused({.max_objects = 4});
}
