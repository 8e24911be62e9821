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
