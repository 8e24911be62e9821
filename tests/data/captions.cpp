// SPDX-License-Identifier: MIT
// One caption is one text, whoever stored it: in a file, in an archive, in a list of lines.
#include <examples/support/captions.hpp>
#include <tests/data/tar.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

namespace mg = modelgrow;
using mg::testing::message_of;
using mg::testing::says;
using Lines = std::vector<std::string>;

namespace {
const std::string bom = "\xEF\xBB\xBF";
const test::Bytes picture = test::webp({255, 0, 0, 255}, 1, 1);

Lines lines_of(const std::filesystem::path& path, const std::string& text) {
  test::write(path, test::bytes(text));
  Lines lines;
  example::read_lines(path, lines);
  return lines;
}
std::string refusal(const std::string& text) {
  return message_of<mg::format_error>([&] { mg::caption_text(text, "here"); });
}
}  // namespace

TEST_CASE("a caption has no byte order mark, no white space around it, and line ends of one kind") {
  for (const std::string& text :
       {std::string("a red heart"), std::string("a red heart\n"), bom + "a red heart", bom + "a red heart\r\n",
        std::string(" \ta red heart\r\n\r\n"), std::string("\n\v\fa red heart\r")})
    CHECK(mg::caption_text(text, "here") == "a red heart");
  CHECK(mg::caption_text("one\r\ntwo\rthree\nfour\r\n", "here") == "one\ntwo\nthree\nfour");
  CHECK(mg::caption_text("a  b\xC2\xA0\n", "here") == "a  b\xC2\xA0");  // what is between words stays
  for (const std::string& text : {std::string(), bom, bom + " \r\n", std::string("\n")})
    CHECK(mg::caption_text(text, "here").empty());
}

TEST_CASE("a caption that is no UTF-8 is refused with its encoding or its first bad byte") {
  CHECK(says(refusal("caf\xE9 noir"), "here: not UTF-8 at byte 3 of 9 (found 0xE9)", "iconv -f LATIN1"));
  CHECK(says(refusal("caf\xC3"), "not UTF-8 at byte 3 of 4"));
  CHECK(says(refusal(std::string("\xFF\xFE"
                                 "a\0",
                                 4)),
             "here: this is UTF-16", "iconv -f UTF-16"));
  CHECK(says(refusal(std::string("\xFE\xFF\0a", 4)), "here: this is UTF-16"));
  CHECK(says(refusal(std::string("a\0b\0", 4)), "here: byte 1 of 4 is 0", "expected UTF-8"));
}

TEST_CASE("captions of an archive are the same text from every editor, and the member that is none is named") {
  const test::Scratch folder;
  const auto tar = folder / "a.tar";
  std::vector<std::pair<std::string, test::Bytes>> members;
  const auto add = [&](const std::string& name, const std::string& text) {
    members.push_back({name, test::bytes(text)});
    members.push_back({name.substr(0, name.find('.')) + ".webp", picture});
  };
  add("a.txt", "a red heart\n");
  add("b.txt", bom + "a red heart\r\n");
  add("c.json", bom + "{\"caption\": \" a red heart\\r\\n\", \"keywords\": [\"heart \", \"\\tred\"]}\r\n");
  test::write_tar(tar, members);
  const auto samples = mg::load_webdataset(tar);
  REQUIRE(samples.size() == 3);
  for (const auto& s : samples) CHECK(s.caption == "a red heart");
  CHECK(samples[2].keywords == Lines{"heart", "red"});

  for (const std::string name : {"d.txt", "d.json"}) {
    members.resize(6);
    add(name, "{\"caption\": \"caf\xE9\"}");
    test::write_tar(tar, members);
    CHECK(says(message_of<mg::format_error>([&] { mg::load_webdataset(tar); }),
               "a.tar, member " + name + ": not UTF-8 at byte 16"));
  }
}

TEST_CASE("lines are captions, whatever ends them; one that is no UTF-8 is named by its number") {
  const test::Scratch folder;
  const auto path = folder / "captions.txt";
  const Lines expected{"a red heart", "caf\xC3\xA9"};
  CHECK(lines_of(path, "a red heart\ncaf\xC3\xA9") == expected);
  CHECK(lines_of(path, bom + "a red heart \r\n\r\n \t\r\ncaf\xC3\xA9\r\n") == expected);
  CHECK(lines_of(path, "a red heart\r\rcaf\xC3\xA9\r") == expected);  // old Macs
  CHECK(lines_of(path, bom + "a red heart\n" + bom + "caf\xC3\xA9\n") ==
        expected);  // of two files, one after the other
  CHECK(lines_of(path, "").empty());
  CHECK(says(message_of<mg::format_error>([&] { lines_of(path, "one\ntwo\ncaf\xE9\n"); }),
             "captions.txt, line 3: not UTF-8 at byte 3 of 4"));
  CHECK(says(message_of<mg::format_error>([&] {
               lines_of(path, std::string("\xFF\xFE"
                                          "a\0\n\0",
                                          6));
             }),
             "captions.txt, line 1: this is UTF-16"));
  CHECK(says(message_of<mg::io_error>([&] {
               Lines lines;
               example::read_lines(folder.path(), lines);
             }),
             "one caption a line"));
}
