// SPDX-License-Identifier: MIT
// Captions of moving shapes: read back as what they were made from, in both wordings, which share no word that matters.
#include <iterator>
#include <set>
#include <sstream>

#include <modelgrow/data/shape_world.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

namespace mg = modelgrow;
using mg::testing::message_of;
using mg::testing::says;

namespace {
std::set<std::string> words_in(const std::string& text) {
  std::istringstream in(text);
  return std::set<std::string>(std::istream_iterator<std::string>(in), {});
}
const mg::ShapeScene red_and_blue{.objects = {{{0, 0, 0, 0, 0}}, {{1, 2, 4, 7, 4}}}};
}  // namespace

TEST_CASE("captions of shapes say everything, in words of two kinds") {
  CHECK(mg::caption_of(red_and_blue) ==
        "a small red circle in the northwest moving up and a large blue ring in the south standing still");
  CHECK(mg::caption_of(red_and_blue, mg::Wording::reworded) ==
        "a tiny crimson disc in the top-left rising and a huge azure hoop in the bottom resting");
}

TEST_CASE("captions of shapes are read back as their scenes") {
  const mg::ShapeWorld world({.max_objects = 3, .seed = 1});
  for (std::uint64_t i = 0; i < 300; ++i) {
    const auto scene = world.scene(i);
    INFO(mg::caption_of(scene));
    REQUIRE(mg::scene_of(mg::caption_of(scene)) == scene);
    REQUIRE(mg::scene_of(mg::caption_of(scene, mg::Wording::reworded)) == scene);
  }
}

TEST_CASE("what is no caption of shapes is refused where it stops making sense") {
  const auto refusal = [](const std::string& text) {
    return message_of<mg::format_error>([&] { mg::scene_of(text); });
  };
  CHECK(says(refusal(""), "expected 'a' at ''"));
  CHECK(says(refusal("a red circle"), "expected a size at 'red circle'", "say 'a small red circle"));
  CHECK(says(refusal("a small reddish circle"), "expected a colour at 'reddish circle'"));
  CHECK(says(refusal("a small red circle at the north"), "expected 'in the' at 'at the north'"));
  CHECK(says(refusal("a small red circle in the north moving"), "expected a direction at 'moving'"));
  CHECK(says(refusal("a small red circle in the north moving up or down"), "expected 'and' or the end at 'or down'"));
}

TEST_CASE("the vocabulary holds every word of captions once, and none of the other wording that matters") {
  const std::string vocabulary = mg::shape_vocabulary();
  const auto words = words_in(vocabulary);
  CHECK(std::size_t(std::ranges::count(vocabulary, ' ')) + 1 == words.size());
  const std::set<std::string> common{"a", "and", "in", "the"};
  const mg::ShapeWorld world({.max_objects = 3, .seed = 2});
  for (std::uint64_t i = 0; i < 300; ++i) {
    const auto scene = world.scene(i);
    for (const auto& word : words_in(mg::caption_of(scene))) REQUIRE(words.contains(word));
    for (const auto& word : words_in(mg::caption_of(scene, mg::Wording::reworded))) {
      INFO(word);
      REQUIRE(words.contains(word) == common.contains(word));
    }
  }
}

TEST_CASE("an exchange of words changes one class of every object, and colours still differ") {
  const mg::ShapeWorld world({.min_objects = 2, .max_objects = 3, .seed = 3});
  for (std::uint64_t i = 0; i < 50; ++i) {
    const auto scene = world.scene(i);
    for (const auto changed : mg::word_classes) {
      const auto other = mg::exchanged(scene, changed);
      std::set<int> colours;
      for (std::size_t k = 0; k < scene.objects.size(); ++k) {
        for (const auto c : mg::word_classes) REQUIRE((scene.objects[k][c] == other.objects[k][c]) == (c != changed));
        colours.insert(other.objects[k][mg::WordClass::colour]);
      }
      REQUIRE(colours.size() == scene.objects.size());
    }
  }
  CHECK(mg::caption_of(mg::exchanged(red_and_blue, mg::WordClass::direction)) ==
        "a small red circle in the northwest moving down and a large blue ring in the south moving right");
}
