// SPDX-License-Identifier: MIT
// The judge of moving shapes against the truth: clean clips, noisy clips, clips of other scenes, and noise alone.
#include <modelgrow/core/rng.hpp>
#include <modelgrow/data/shape_judge.hpp>
#include <modelgrow/data/shape_score.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
mg::Clip with_noise(mg::Clip clip, double sigma, std::uint64_t stream) {
  const mg::Rng rng(1, stream);
  for (std::size_t i = 0; i < clip.pixels.size(); ++i)
    clip.pixels[i] = mg::detail::round_to_byte(float(clip.pixels[i] + sigma * rng.normal(i)));
  return clip;
}
mg::ShapeScore score_of(const mg::ShapeWorldOptions& options, int clips, double noise = 0) {
  const mg::ShapeWorld world(options);
  const mg::ShapeJudge judge(options);
  mg::ShapeScore score;
  for (std::uint64_t i = 0; i < std::uint64_t(clips); ++i) {
    const auto scene = world.scene(i);
    const auto clip = world.draw(scene), shown = noise > 0 ? with_noise(clip, noise, i) : clip;
    score.add(scene, judge.judge(shown), mg::psnr(shown, clip));
  }
  return score;
}
}  // namespace

TEST_CASE("the judge of shapes is right on true clips of one, two and three objects") {
  for (const int objects : {1, 2, 3}) {
    const auto score = score_of({.min_objects = objects, .max_objects = objects, .seed = 31}, 200);
    INFO(objects << " objects");
    for (const auto c : mg::word_classes) CHECK(score.right(c) >= 0.98);
    CHECK(score.whole_objects() >= 0.98);
    CHECK(score.whole_clips() >= 0.98);
    CHECK(score.mean_psnr() == 100);
  }
}

TEST_CASE("the judge of shapes is right at other sizes and lengths") {
  CHECK(score_of({.frames = 6, .height = 16, .width = 20, .max_objects = 3, .seed = 32}, 60).whole_clips() >= 0.98);
  CHECK(score_of({.frames = 8, .height = 32, .width = 32, .max_objects = 3, .seed = 33}, 40).whole_clips() >= 0.98);
  CHECK(score_of({.frames = 2, .height = 16, .width = 16, .max_objects = 3, .seed = 34}, 60).whole_clips() >= 0.98);
}

TEST_CASE("noise of a tenth of the range leaves shapes clear") {
  const auto score = score_of({.max_objects = 3, .seed = 35}, 150, 25);
  for (const auto c : mg::word_classes) CHECK(score.right(c) >= 0.98);
  CHECK(score.whole_clips() >= 0.95);
  CHECK(score.mean_psnr() < 25);
}

TEST_CASE("in noise alone, and in nothing, the judge of shapes sees nothing") {
  const mg::ShapeWorldOptions options{};
  const mg::ShapeJudge judge(options);
  mg::Clip grey = mg::make_clip(8, 16, 16, 3);
  std::ranges::fill(grey.pixels, mg::shape_ground);
  CHECK(judge.judge(grey).empty());
  std::size_t objects = 0;
  for (std::uint64_t i = 0; i < 50; ++i) objects += judge.judge(with_noise(grey, 64, i)).size();
  CHECK(objects == 0);
}

TEST_CASE("against the captions of other clips little is right: chance is far below the bars above") {
  const mg::ShapeWorldOptions options{.seed = 36};
  const mg::ShapeWorld world(options);
  const mg::ShapeJudge judge(options);
  mg::ShapeScore score;
  for (std::uint64_t i = 0; i < 200; ++i) score.add(world.scene(i + 1000), judge.judge(world.at(i).clip), 0);
  CHECK(score.right(mg::WordClass::colour) < 0.25);
  CHECK(score.right(mg::WordClass::shape) < 0.1);
  CHECK(score.whole_objects() < 0.02);
}

TEST_CASE("an object that is a little faded is still seen as what it is, a shade of one is not") {
  const mg::ShapeWorldOptions options{};
  const mg::ShapeWorld world(options);
  const mg::ShapeJudge judge(options);
  const auto scene = mg::scene_of("a large red square in the centre moving right");
  const auto faded = [&](double share) {
    mg::Clip clip = world.draw(scene);
    for (auto& v : clip.pixels) v = std::uint8_t(std::lround(128 + share * (v - 128)));
    return clip;
  };
  CHECK(judge.judge(faded(0.6)) == scene.objects);
  CHECK(judge.judge(faded(0.4)).empty());
}

TEST_CASE("clips that the judge of shapes cannot take are refused") {
  const mg::ShapeJudge judge({});
  CHECK_THROWS_AS(judge.judge(mg::make_clip(7, 16, 16, 3)), mg::shape_error);
  CHECK_THROWS_AS(judge.judge(mg::make_clip(8, 16, 15, 3)), mg::shape_error);
  CHECK_THROWS_AS(judge.judge(mg::make_clip(8, 16, 16, 1)), mg::shape_error);
  CHECK_THROWS_AS(mg::ShapeJudge({.height = 4}), mg::shape_error);
}

TEST_CASE("a score finds objects by colour and counts strangers against the clip") {
  const auto truth =
      mg::scene_of("a small red circle in the north moving up and a large blue ring in the south standing still");
  auto seen = truth.objects;
  seen[1][mg::WordClass::shape] = 0;
  mg::ShapeScore score;
  score.add(truth, seen, 10);
  CHECK(score.right(mg::WordClass::colour) == 1);
  CHECK(score.right(mg::WordClass::shape) == 0.5);
  CHECK(score.words() == 0.9);
  CHECK(score.whole_objects() == 0.5);
  CHECK(score.whole_clips() == 0);
  seen = truth.objects;
  std::swap(seen[0], seen[1]);
  score.add(truth, seen, 30);  // in whatever order
  CHECK(score.whole_objects() == 0.75);
  CHECK(score.whole_clips() == 0.5);
  CHECK(score.mean_psnr() == 20);
  seen.push_back(mg::scene_of("a small green circle in the east moving up").objects[0]);
  score.add(truth, seen, 20);
  CHECK(score.whole_clips() == 1.0 / 3);
  score.add(truth, {}, 20);
  CHECK(score.right(mg::WordClass::direction) == 0.75);
  CHECK(score.clips() == 4);
}

TEST_CASE("the signal-to-noise ratio of clips") {
  mg::Clip a = mg::make_clip(1, 2, 2, 3), b = a;
  CHECK(mg::psnr(a, b) == 100);
  for (auto& v : b.pixels) v = 255;
  CHECK(mg::psnr(a, b) == 0);
  for (auto& v : b.pixels) v = 51;
  CHECK_THAT(mg::psnr(a, b), WithinAbs(13.9794, 1e-3));  // a fifth of the range
  CHECK_THROWS_AS(mg::psnr(a, mg::make_clip(1, 2, 3, 3)), mg::shape_error);
}
