// SPDX-License-Identifier: MIT
// Archives as other programs and other people pack them: read whole, or refused with the cause.
#include <string>

#include <modelgrow/data/webdataset.hpp>
#include <tests/data/tar.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

namespace mg = modelgrow;
using mg::testing::says;

namespace {

const test::Bytes picture = test::webp({255, 0, 0, 255, 0, 0, 255, 255}, 2, 1);
const test::Bytes red = test::bytes(R"({"caption": "red"})");

test::Bytes joined(std::initializer_list<test::Bytes> parts) {
  test::Bytes all;
  for (const auto& p : parts) all.insert(all.end(), p.begin(), p.end());
  return all;
}

/// Keys of an archive, with blanks between them.
std::string keys(const std::filesystem::path& path) {
  std::string all;
  for (const auto& s : mg::load_webdataset(path)) all += (all.empty() ? "" : " ") + s.key;
  return all;
}
std::string message(const std::filesystem::path& path) {
  return mg::testing::message_of<mg::format_error>([&] { mg::load_webdataset(path); });
}

struct Archive {
  test::Scratch folder;
  std::filesystem::path path = folder / "a.tar";
  void write(const std::vector<std::pair<std::string, test::Bytes>>& members) const { test::write_tar(path, members); }
};

}  // namespace

TEST_CASE("names are whole: long ones of GNU and PAX, others than ASCII, behind attributes of all members") {
  const Archive tar;
  const std::string gnu = "clips/" + std::string(170, 'x') + "/" + std::string(100, 'k');
  const std::string pax = "ключ/\xC3\xA9" + std::string(120, 'y');
  const auto long_name = [](const std::string& name) {
    return test::tar_entry("././@LongLink", joined({test::bytes(name), {0}}), 'L');
  };
  const auto path = [](const std::string& name) {
    const std::string text = " path=" + name + "\n";
    return test::tar_entry("PaxHeaders/a", test::bytes(std::to_string(text.size() + 3) + text), 'x');
  };
  test::write_entries(tar.path, {test::tar_entry("pax_global_header", test::bytes("19 comment=0123456\n"), 'g'),
                                 long_name(gnu + ".json"), test::tar_entry("cut", red), long_name(gnu + ".webp"),
                                 test::tar_entry("cut", picture), path(pax + ".json"), test::tar_entry("cut", red),
                                 path(pax + ".webp"), test::tar_entry("cut", picture)});
  CHECK(keys(tar.path) == gnu + " " + pax);
}

TEST_CASE("what no sample has is passed over: hidden files, notes, files of other types") {
  const Archive tar;
  const test::Bytes fork{0, 5, 0x16, 7, 0, 2, 0, 0};
  tar.write({{"./", {}},
             {"./.DS_Store", fork},
             {"./LICENSE", test::bytes("MIT")},
             {"./README.md", test::bytes("# Clips")},
             {"./._one.json", fork},
             {"./one.json", red},
             {"./._one.webp", fork},
             {"./one.webp", picture},
             {"./one.mask.png", {1}},
             {"./.hidden/two.json", red},  // the name begins with no dot
             {"./.hidden/two.webp", picture},
             {"./weights.npy", {1, 2}}});
  CHECK(keys(tar.path) == "./one ./.hidden/two");
}

TEST_CASE("keys end at the first dot; a name with more of them is refused with what was found, not lost") {
  const Archive tar;
  tar.write({{"set.v1/3.json", red}, {"set.v1/3.webp", picture}});
  CHECK(keys(tar.path) == "set.v1/3");
  SECTION("dots in the number") {
    tar.write({{"22.05.json", red}, {"22.05.webp", picture}, {"22.10.json", red}, {"22.10.webp", picture}});
    CHECK(says(message(tar.path), "a.tar, member 22.05.json: the key ends at the first dot", "'05.json'", "sample '22'",
               "22.05.webp, 22.10.json", "rename"));
  }
  SECTION("clips alone") {
    tar.write({{"v1.5-cat.WEBP", picture}});
    CHECK(says(message(tar.path), "member v1.5-cat.WEBP: the key ends at the first dot"));
  }
  SECTION("beside a sample whose key is the beginning") {
    tar.write({{"a.2.txt", red}, {"a.2.webp", picture}, {"a.json", red}, {"a.webp", picture}});
    CHECK(says(message(tar.path), "member a.2.txt: the key ends at the first dot", "sample 'a'"));
  }
  SECTION("but a further file of a sample is none of these") {
    tar.write({{"a.json", red}, {"a.tags.json", red}, {"a.webp", picture}});
    CHECK(keys(tar.path) == "a");
  }
}

TEST_CASE("endings are read in any case, and twice is still twice") {
  const Archive tar;
  tar.write({{"Cat.JSON", red}, {"Cat.WebP", picture}, {"dog.Txt", red}, {"dog.WEBP", picture}});
  CHECK(keys(tar.path) == "Cat dog");
  tar.write({{"a.JSON", red}, {"a.json", red}, {"a.webp", picture}});
  CHECK(says(message(tar.path), "member a.json: occurs twice"));
}

TEST_CASE("links are named as links") {
  const Archive tar;
  const char type = GENERATE('1', '2');
  test::write_entries(tar.path, {test::tar_entry("a.json", red), test::tar_entry("a.webp", picture),
                                 test::tar_entry("b.json", red), test::tar_entry("b.webp", {}, type, "a.webp")});
  CHECK(says(message(tar.path), "a.tar, member b.webp: is a link to 'a.webp'", "--hard-dereference"));
  test::write_entries(tar.path, {test::tar_entry("a.json", red), test::tar_entry("a.webp", picture),
                                 test::tar_entry("b.json", {}, type, "a.json"), test::tar_entry("b.webp", picture)});
  CHECK(says(message(tar.path), "member b.json: is a link to 'a.json'"));
  test::write_entries(tar.path, {test::tar_entry("a.jpg", {}, type, "b.jpg"), test::tar_entry("a.json", red),
                                 test::tar_entry("a.webp", picture)});
  CHECK(keys(tar.path) == "a");  // a link that nobody reads
}

TEST_CASE("archives one behind the other are read to the end, and bytes that are none are refused") {
  const Archive tar;
  const auto first = tar.folder / (GENERATE(0, 1) ? "1.tar.gz" : "1.tar");
  const auto second = tar.folder / ("2" + first.extension().string());
  test::write_tar(first, {{"a.json", red}, {"a.webp", picture}});
  test::write_tar(second, {{"b.json", red}, {"b.webp", picture}, {"c.json", red}, {"c.webp", picture}});
  auto content = test::read(first);
  if (first.extension() == ".tar") content.resize(10240);  // as tar pads what it writes
  test::write(tar.path, joined({content, test::read(second)}));
  CHECK(keys(tar.path) == "a b c");
  test::write(tar.path, joined({content, test::read(second), test::read(first)}));
  CHECK(keys(tar.path) == "a b c a");
  test::write(tar.path, joined({content, test::Bytes(700, 0)}));  // padded to no multiple of a block
  CHECK(keys(tar.path) == "a");
  test::write(tar.path, joined({content, test::Bytes(700, 'x')}));
  const std::string said = message(tar.path);
  INFO(said);
  if (first.extension() == ".tar") {
    CHECK(says(said, "a.tar: is damaged after member 'a.webp'"));
  } else {
    CHECK(says(said, "a.tar: byte " + std::to_string(content.size()) + " and those after it are no part of the gzip",
               "pack the archive anew"));
  }
}

TEST_CASE("a clip that is none is named, and so is where it was cut") {
  const Archive tar;
  const auto said_of = [&](const test::Bytes& clip) {
    tar.write({{"a.json", red}, {"a.webp", clip}});
    return message(tar.path);
  };
  const std::string begin = "member a.webp: not a complete WebP image (";
  CHECK(says(said_of({0xFF, 0xD8, 0xFF, 0xE0, 0, 16, 'J', 'F', 'I', 'F'}), begin + "10 bytes: this is a JPEG image)"));
  CHECK(says(said_of(test::bytes("\x89PNG\r\n\x1A\n")), "this is a PNG image"));
  CHECK(says(said_of(test::bytes("version https://git-lfs.github.com/spec/v1\n")), "a pointer of Git LFS"));
  CHECK(says(said_of({}), begin + "0 bytes)"));
  CHECK(says(said_of({1, 2, 3}), begin + "3 bytes)"));
  const auto size = picture.size();
  CHECK(says(said_of(test::Bytes(picture.begin(), picture.end() - 9)),
             std::to_string(size - 9) + " bytes, cut short: it begins by promising " + std::to_string(size)));
  tar.write({{"a.json", red}, {"a.webp", joined({picture, {7, 7, 7}})}});  // decoders do not look there
  CHECK(keys(tar.path) == "a");
}

TEST_CASE("a file that is no archive is named") {
  const Archive tar;
  const auto said_of = [&](const std::string& text) {
    test::write(tar.path, test::bytes(text));
    return message(tar.path);
  };
  CHECK(says(said_of("PK\x03\x04 and so on"), "a.tar: is a zip archive; expected a tar archive"));
  CHECK(says(said_of("<!DOCTYPE html><html>"), "is a web page", "fetch it again"));
  CHECK(says(said_of(""), "is empty"));
  CHECK(says(said_of("no bytes that anybody knows"), "is not an archive", "damaged or cut short"));
  CHECK(says(mg::testing::message_of<mg::io_error>([&] { mg::load_webdataset(tar.folder.path()); }), "a directory",
             "tar --sort=name"));
}
