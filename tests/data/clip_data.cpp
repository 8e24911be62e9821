// SPDX-License-Identifier: MIT
// Clips of archives as the examples train on them: some to train on, some to validate, or a refusal.
#include <examples/support/clip_data.hpp>
#include <tests/data/tar.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

namespace mg = modelgrow;
using mg::testing::message_of;
using mg::testing::says;

namespace {

/// Keys that fall on one side.
std::vector<std::string> keys_of(mg::Split side, std::size_t count) {
  std::vector<std::string> keys;
  for (int i = 0; keys.size() < count; ++i)
    if (const auto key = "clip" + std::to_string(i); mg::split_of(key) == side) keys.push_back(key);
  return keys;
}

void write(const std::filesystem::path& path, const std::vector<std::string>& keys) {
  std::vector<std::pair<std::string, test::Bytes>> members;
  for (const auto& key : keys) {
    members.push_back({key + ".txt", test::bytes(key + "\r\n")});
    members.push_back({key + ".webp", test::webp({255, 0, 0, 255}, 1, 1)});
  }
  test::write_tar(path, members);
}

}  // namespace

TEST_CASE("moving shapes are endless to train on, and other clips to validate") {
  const example::ClipData data({.shapes = 3}, {4, 16, 16});
  CHECK(data.train.count() > 1'000'000'000);
  CHECK(data.validation.count() == 256);
  const std::vector<std::size_t> far{3, 999'999'999};
  const mg::ShapeWorld world({.frames = 4, .max_objects = 3, .seed = example::training_seed});
  const auto clips = data.train.gather(far);
  REQUIRE(clips.shape() == mg::Shape{2, 3, 4, 16, 16});
  std::vector<float> second(std::size_t(clips.size() / 2));
  mg::to_float(world.at(far[1]).clip, second);
  CHECK(std::equal(second.begin(), second.end(), clips.data() + second.size()));
  CHECK(data.train.gather_captions(far) == std::vector{world.at(far[0]).caption, world.at(far[1]).caption});
  CHECK(data.train.gather_keywords(far)[0] == mg::caption_of(world.scene(far[0]), mg::Wording::reworded));
  CHECK(data.validation.captions[3] != world.at(3).caption);
}

TEST_CASE("clips all on one side are refused before anything is trained or measured on none") {
  const test::Scratch folder;
  const auto one = folder / "one.tar", other = folder / "other.tar";
  const auto refusal = [](const std::vector<std::filesystem::path>& archives) {
    return message_of<mg::format_error>([&] { example::ClipData({.archives = archives}, {1, 4, 4}); });
  };
  write(one, keys_of(mg::Split::train, 3));
  CHECK(says(refusal({one}), "one.tar: of 3 clips 3 are to train on and 0 to validate", "at least one of each",
             "give more clips"));
  write(other, keys_of(mg::Split::validation, 2));
  CHECK(says(refusal({other}), "other.tar: of 2 clips 0 are to train on and 2 to validate"));
  write(other, {});
  CHECK(says(refusal({one, other}), "one.tar, ", "other.tar: of 3 clips"));

  write(other, keys_of(mg::Split::validation, 2));
  const example::ClipData data({.archives = {one, other}}, {1, 4, 4});
  CHECK(data.train.captions == keys_of(mg::Split::train, 3));
  CHECK(data.validation.captions == keys_of(mg::Split::validation, 2));
}
