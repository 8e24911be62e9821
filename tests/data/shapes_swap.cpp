// SPDX-License-Identifier: MIT
// The swap test on models that are known to read everything, nothing, or one class of words.
#include <modelgrow/data/shape_score.hpp>
#include <modelgrow/data/shape_world.hpp>
#include <modelgrow/data/swap_test.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
const mg::ShapeWorld world({.max_objects = 2, .seed = 41});

std::vector<mg::ShapeScene> scenes() {
  std::vector<mg::ShapeScene> all;
  for (std::uint64_t i = 0; i < 40; ++i) all.push_back(world.scene(i));
  return all;
}
/// The loss of a model that draws what it understands of a caption: of the classes in `read` what the caption says, of
/// the others the truth.
double loss_of(const std::vector<std::string>& captions, const std::vector<mg::WordClass>& read) {
  double squares = 1;  // irreducible
  for (std::size_t i = 0; i < captions.size(); ++i) {
    auto drawn = world.scene(i);
    const auto said = mg::scene_of(captions[i]);
    for (std::size_t k = 0; k < drawn.objects.size(); ++k)
      for (const auto c : read) drawn.objects[k][c] = said.objects[k][c];
    const auto a = world.draw(drawn), b = world.draw(world.scene(i));
    for (std::size_t p = 0; p < a.pixels.size(); ++p) {
      const double off = (a.pixels[p] - b.pixels[p]) / 255.0;
      squares += off * off / double(a.pixels.size());
    }
  }
  return squares;
}
}  // namespace

TEST_CASE("a model that ignores its captions passes no swap test, one that reads them passes all") {
  const auto deaf = mg::swap_test(scenes(), [](const std::vector<std::string>& c) { return loss_of(c, {}); });
  CHECK(deaf.loss == 1);
  for (const auto c : mg::word_classes) CHECK(deaf[c] == 0);
  const auto reads = mg::swap_test(scenes(), [](const std::vector<std::string>& c) {
    return loss_of(c, {mg::word_classes.begin(), mg::word_classes.end()});
  });
  CHECK(reads.loss == 1);
  for (const auto c : mg::word_classes) {
    INFO(mg::name_of(c));
    CHECK(reads[c] > 0.2);
  }
}

TEST_CASE("the swap test tells which class of words is read") {
  for (const auto read : mg::word_classes) {
    const auto result = mg::swap_test(scenes(), [&](const std::vector<std::string>& c) { return loss_of(c, {read}); });
    for (const auto c : mg::word_classes) CHECK((result[c] > 0.2) == (c == read));
  }
}
