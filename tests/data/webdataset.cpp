// SPDX-License-Identifier: MIT
// WebDataset archives: the bundled clips, small archives made here, and every way in which one can be broken.
#include <set>
#include <string>

#include <modelgrow/data/webdataset.hpp>
#include <tests/data/tar.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
const std::string clips = MODELGROW_SOURCE_DIR "/examples/data/clips/";

std::string message_of(const std::filesystem::path& path) {
  try {
    mg::load_webdataset(path);
  } catch (const mg::error& e) {
    return e.what();
  }
  return "";
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const test::Bytes red_half_clear = test::webp({255, 0, 0, 255, 255, 0, 0, 128}, 2, 1);
}  // namespace

TEST_CASE("the bundled clips: 734 without tones, 825 with") {
  std::set<std::string> keys;
  for (const auto& [file, count] : {std::pair("fluent-emoji-64-base.tar", 734), {"fluent-emoji-64-tones.tar", 825}}) {
    const auto samples = mg::load_webdataset(clips + file, {.frames = 4, .height = 16, .width = 16});
    CHECK(int(samples.size()) == count);
    for (const auto& s : samples) {
      keys.insert(s.key);
      REQUIRE(!s.caption.empty());
      REQUIRE(!s.keywords.empty());
      REQUIRE(!s.group.empty());
      REQUIRE(s.clip.size() == 4u * 16 * 16 * 3);
    }
  }
  CHECK(keys.size() == 734 + 825);
}

TEST_CASE("a stored sample arrives whole and in file order") {
  mg::WebDataset data(clips + "fluent-emoji-64-base.tar");
  const auto first = data.next();
  REQUIRE(first);
  CHECK(first->key == "1f300");
  CHECK(first->caption == "cyclone");
  CHECK(first->keywords == std::vector<std::string>{"cyclone", "dizzy", "hurricane", "twister", "typhoon"});
  CHECK(first->group == "Travel & Places");
  CHECK(first->subgroup == "sky & weather");
  CHECK(first->clip.frames == 16);
  CHECK(first->clip.height == 64);
  CHECK(first->clip.width == 64);
  CHECK(first->clip.channels == 3);
  for (int c = 0; c < 3; ++c) CHECK(int(first->clip.at(0, 0, 0, c)) >= 250);  // white background
  CHECK(first->clip.frame(0).size() == 64u * 64 * 3);
  CHECK(!std::equal(first->clip.frame(0).begin(), first->clip.frame(0).end(), first->clip.frame(8).begin()));
  CHECK(data.next()->key == "1f302");
}

TEST_CASE("transparency is laid over white") {
  const mg::Clip clip = mg::decode_webp(red_half_clear, "test");
  CHECK(clip.pixels == test::Bytes{255, 0, 0, 255, 127, 127});
}

TEST_CASE("small archives: text captions, folders, other members, compression") {
  test::Scratch folder;
  const auto tar = folder / (GENERATE(0, 1) ? "a.tar.gz" : "a.tar");
  test::write_tar(tar, {{"set.v2/", {}},
                        {"set.v2/one.json", test::bytes(R"({"caption": "red"})")},
                        {"set.v2/one.webp", red_half_clear},
                        {"set.v2/one.extra.bin", {1, 2, 3}},
                        {"two.webp", red_half_clear},
                        {"two.txt", test::bytes("half a red")}});
  const auto samples = mg::load_webdataset(tar, {.width = 1});
  REQUIRE(samples.size() == 2);
  CHECK(samples[0].key == "set.v2/one");
  CHECK(samples[0].caption == "red");
  CHECK(samples[0].keywords.empty());
  CHECK(samples[1].key == "two");
  CHECK(samples[1].caption == "half a red");
  CHECK(samples[1].clip.pixels == test::Bytes{255, 64, 64});
}

TEST_CASE("broken archives say which member and what to do") {
  test::Scratch folder;
  const auto tar = folder / "broken.tar";
  const auto caption = test::bytes(R"({"caption": "red"})");

  SECTION("missing archive") {
    CHECK_THROWS_AS(mg::WebDataset(folder / "none.tar"), mg::io_error);
    CHECK(has(message_of(folder / "none.tar"), "none.tar: no such file; check"));
    CHECK_THROWS_AS(mg::WebDataset(folder.path()), mg::io_error);
  }
  SECTION("not an archive") {
    test::write(tar, test::bytes("these are not the bytes of a tar file, however long this sentence grows"));
    CHECK_THROWS_AS(mg::WebDataset(tar), mg::format_error);
    test::write(tar, {});
    CHECK_THROWS_AS(mg::WebDataset(tar), mg::format_error);
  }
  SECTION("missing caption file") {
    test::write_tar(tar, {{"one.webp", red_half_clear}, {"two.webp", red_half_clear}, {"two.json", caption}});
    CHECK_THROWS_AS(mg::load_webdataset(tar), mg::format_error);
    CHECK(has(message_of(tar), "broken.tar, member one.json: missing caption file"));
  }
  SECTION("missing clip") {
    test::write_tar(tar, {{"one.webp", red_half_clear}, {"one.json", caption}, {"two.json", caption}});
    CHECK(has(message_of(tar), "member two.webp: missing clip"));
  }
  SECTION("files of one sample apart") {
    test::write_tar(tar, {{"one.webp", red_half_clear}, {"two.webp", red_half_clear}, {"one.json", caption}});
    CHECK(has(message_of(tar), "right beside"));
  }
  SECTION("a member twice") {
    test::write_tar(tar, {{"one.webp", red_half_clear}, {"one.webp", red_half_clear}, {"one.json", caption}});
    CHECK(has(message_of(tar), "member one.webp: occurs twice"));
  }
  SECTION("damaged clip") {
    auto damaged = red_half_clear;
    damaged.resize(damaged.size() / 2);
    test::write_tar(tar, {{"one.webp", damaged}, {"one.json", caption}});
    CHECK_THROWS_AS(mg::load_webdataset(tar), mg::format_error);
    CHECK(has(message_of(tar), "member one.webp: not a complete WebP image"));
  }
  SECTION("captions that are none") {
    for (const char* text : {"{\"caption\": \"red\"", "{\"title\": \"red\"}", "{\"caption\": 3}", "[]", "",
                             "{\"caption\": \"red\", \"keywords\": \"red\"}"}) {
      test::write_tar(tar, {{"one.webp", red_half_clear}, {"one.json", test::bytes(text)}});
      CHECK_THROWS_AS(mg::load_webdataset(tar), mg::format_error);
      CHECK(has(message_of(tar), "member one.json: not a caption"));
    }
  }
  SECTION("nothing in it") {
    test::write_tar(tar, {});
    CHECK(has(message_of(tar), "holds no samples"));
  }
}

TEST_CASE("an archive cut anywhere is refused, never half believed") {
  test::Scratch folder;
  const auto whole = folder / "whole.tar", cut = folder / "cut.tar";
  std::vector<std::pair<std::string, test::Bytes>> members;
  for (int i = 0; i < 3; ++i) {
    const std::string key = "clip" + std::to_string(i);
    members.push_back({key + ".webp", red_half_clear});
    members.push_back({key + ".json", test::bytes(R"({"caption": "red"})")});
  }
  test::write_tar(whole, members);
  REQUIRE(mg::load_webdataset(whole).size() == 3);
  const auto content = test::read(whole);
  const std::size_t end = 3 * 4 * 512;  // three samples of two members, each a header and one block
  REQUIRE(content.size() == end + 1024);
  for (std::size_t length = 0; length < end; ++length)
    if (length % 37 == 0 || length % 512 == 0) {  // 512: between members, where libarchive alone notices nothing
      test::write(cut, test::Bytes(content.begin(), content.begin() + length));
      INFO("cut to " << length << " bytes");
      CHECK_THROWS_AS(mg::load_webdataset(cut), mg::format_error);
    }
}

TEST_CASE("bundled archive: cuts and flipped bits give an error or samples, nothing else") {
  test::Scratch folder;
  auto content = test::read(clips + "fluent-emoji-64-base.tar");
  content.resize(120000);  // about four samples
  const auto path = folder / "damaged.tar";
  int refused = 0, read = 0;
  const auto attempt = [&] {
    try {
      mg::WebDataset data(path);
      while (data.next()) ++read;
    } catch (const mg::format_error&) {
      ++refused;
    }
  };
  for (std::size_t length = 1; length < content.size(); length += 1999) {
    test::write(path, test::Bytes(content.begin(), content.begin() + length));
    attempt();
  }
  CHECK(refused == int((content.size() + 1997) / 1999));
  CHECK(read > 0);
  const auto pristine = content;
  for (std::uint64_t i = 0; i < 300; ++i) {
    content = pristine;
    for (std::uint64_t k = 0; k < 4; ++k) {
      const std::uint64_t bits = (i * 4 + k + 1) * 0x9E3779B97F4A7C15ull;
      content[(bits >> 20) % content.size()] ^= std::uint8_t(1u << (bits & 7));
    }
    test::write(path, content);
    attempt();
  }
  CHECK(refused > 300);  // every one is also cut short
}
