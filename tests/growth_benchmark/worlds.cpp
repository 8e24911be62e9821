// SPDX-License-Identifier: MIT
// Worlds: the same clips for the same seed, judged as drawn; archives of a user's own.
#include <benchmarks/growth/world.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace growth;
using mg::testing::message_of;
using mg::testing::says;

namespace {
WorldChoice choose(const Json& j) { return choose_world(j, MODELGROW_SOURCE_DIR, "a test"); }
constexpr mg::ClipSize size{16, 64, 64};
}  // namespace

TEST_CASE("a world gives the same clip for the same seed and index, and others for others") {
  const auto choice = choose({{"name", GENERATE("digits", "bouncing")}, {"validation", 4}});
  const auto a = make_world(choice, size, 7), b = make_world(choice, size, 7), c = make_world(choice, size, 8);
  CHECK(a->sample(5).clip == b->sample(5).clip);
  CHECK_FALSE(a->sample(5).clip == a->sample(6).clip);
  CHECK_FALSE(a->sample(5).clip == c->sample(5).clip);
  CHECK(a->caption(5) == a->sample(5).caption);
  CHECK(a->validation().size() == 4);
  CHECK(a->validation()[3].clip == c->validation()[3].clip);
  const ClipBatch batch = training_batch(*a, 5, 2);
  CHECK(batch.clips.shape() == mg::Shape{2, 1, 16, 64, 64});
  CHECK(batch.captions[1] == a->caption(6));
}

TEST_CASE("the judge of digits gives high marks to what it was told, low ones to something else") {
  const auto world = make_world(choose({{"name", "digits"}}), size, 1);
  const auto exams = world->exams(8);
  REQUIRE(exams.size() == 2);
  CHECK(exams[0].name == "one digit");
  // Training clips that happen to be of one digit stand for samples of another prompt.
  double right = 0, wrong = 0;
  const auto told = make_world(choose({{"name", "digits"}, {"max_digits", 1}}), size, 3);
  for (std::size_t i = 0; i < 8; ++i) {
    right += told->marks(0, i, told->sample(i).clip).at("") / 8;
    wrong += told->marks(0, i, told->sample(i + 100).clip).at("") / 8;
  }
  CHECK(right > 0.9);
  CHECK(wrong < 0.6);
}

TEST_CASE(
    "moving shapes are marked by whole objects, also in other words, and their captions are exchanged class by class") {
  const auto choice = choose({{"name", "shapes"}, {"min_objects", 2}, {"validation", 4}});
  const auto world = make_world(choice, {8, 16, 16}, 1);
  const auto exams = world->exams(4);
  REQUIRE(exams.size() == 4);
  CHECK(exams[0].name == "2 objects");
  CHECK(exams[3].name == "3 objects, reworded");
  CHECK(exams[0].prompts[1] != exams[2].prompts[1]);
  const auto told = make_world(choose({{"name", "shapes"}, {"min_objects", 2}, {"max_objects", 2}}), {8, 16, 16}, 3);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(told->caption(i) == exams[0].prompts[i]);
    CHECK(told->marks(0, i, told->sample(i).clip) == Marks{{"", 1}, {", words", 1}});
    CHECK(told->marks(1, i, told->sample(i).clip).at("") == 1);
    const Marks other = told->marks(0, i, told->sample(i + 9).clip);
    CHECK(other.at("") < 0.6);
    CHECK(other.at(", words") < 0.9);
    CHECK(other.at(", words") >= other.at(""));
  }
  const auto reworded = world->reworded();
  REQUIRE(reworded.size() == 4);
  CHECK(reworded[2].find("north") == std::string::npos);
  CHECK(reworded[2] != world->validation()[2].caption);
  const auto swapped = world->swapped_words();
  REQUIRE(swapped.size() == 5);
  for (const auto& words : swapped) {
    REQUIRE(words.captions.size() == 4);
    CHECK(words.captions[2] != world->validation()[2].caption);
  }
  CHECK(vocabulary_of(choice).find("northwest") != std::string::npos);
}

TEST_CASE("a world of one's own archives remembers what is in them, not where they are") {
  const std::string archive = "examples/data/clips/fluent-emoji-64-base.tar";
  const WorldChoice choice = choose({{"name", "clips"}, {"archives", {archive}}});
  CHECK(choice.is.dump().find("fluent") == std::string::npos);
  CHECK(choice.where.dump().find(archive) != std::string::npos);
  const auto world = make_world(choice, {4, 16, 16}, 1);
  CHECK(world->sample(0).clip.channels == 3);
  CHECK(world->validation().size() > 10);
  CHECK(world->exams(4).empty());
  CHECK(says(message_of<mg::option_error>([] { choose({{"name", "clips"}}); }), "archives"));
  CHECK(says(message_of<mg::option_error>([] { choose({{"nam", "clips"}}); }), "'name'"));
}
