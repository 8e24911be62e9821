// SPDX-License-Identifier: MIT
// Zip archives of stored records: found by their directory, also beyond 4 GB, and refused where anything does not add
// up.
#include <modelgrow/checkpoint/zip_directory.hpp>
#include <modelgrow/checkpoint/zip_writer.hpp>
#include <modelgrow/detail/crc32.hpp>
#include <tests/support/pickle_bytes.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;
using modelgrow::detail::ZipDirectory;
using modelgrow::detail::ZipRecord;

namespace {

ZipDirectory read(const std::string& bytes) { return {std::as_bytes(std::span(bytes)), "x.pt"}; }
std::string refusal(const std::string& bytes) {
  const std::string text = message_of<format_error>([&] { read(bytes); });
  if (!text.empty()) CHECK(text.starts_with("x.pt: "));
  return text;
}
/// Bytes of a long field: what an extra field of zip64 says.
std::string extra64(std::string_view values) { return u16(1) + u16(values.size()) + std::string(values); }

}  // namespace

TEST_CASE("records are found by name and in the order of the directory") {
  const std::string bytes = zip(
      {{.name = "m/a", .bytes = "one"}, {.name = "m/b", .bytes = ""}, {.name = "m/c", .bytes = "three"}}, "a comment");
  const auto zip = read(bytes);
  REQUIRE(zip.records().size() == 3);
  CHECK(zip.records()[0].name == "m/a");
  const auto* c = zip.find("m/c");
  REQUIRE(c);
  CHECK(bytes.substr(c->begin, c->size) == "three");
  CHECK(zip.find("m/d") == nullptr);
  CHECK(read(testing::zip({})).records().empty());
}

TEST_CASE("sizes and places beyond 32 bits stand in extra fields") {
  const std::string other = u16(0x5455) + u16(2) + "xx";
  const auto bytes =
      zip({{.name = "a", .bytes = "one", .extra = other + extra64(u64(3) + u64(3)), .size = 0xFFFFFFFF}});
  CHECK(bytes.substr(read(bytes).find("a")->begin, 3) == "one");
  CHECK(says(refusal(zip({{.name = "a", .bytes = "one", .extra = extra64(u64(3)), .size = 0xFFFFFFFF}})),
             "a long size is missing"));
  CHECK(says(refusal(zip({{.name = "a", .bytes = "one", .extra = extra64(u64(3) + u64(4)), .size = 0xFFFFFFFF}})),
             "record 'a' has two sizes"));
  CHECK(says(
      refusal(zip(
          {{.name = "a", .bytes = "one", .extra = extra64(u64(1ull << 60) + u64(1ull << 60)), .size = 0xFFFFFFFF}})),
      "does not fit into it"));
}

TEST_CASE("archives that are cut, altered, packed, encrypted or in parts") {
  const std::string whole = zip({{.name = "a", .bytes = "one"}, {.name = "b", .bytes = "two"}});
  CHECK(refusal(whole).empty());
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(refusal(whole.substr(0, n)).empty());
  CHECK(says(refusal(""), "it has 0 bytes"));
  CHECK(says(refusal(std::string(100, 'x')), "it has no directory at its end"));
  CHECK(says(refusal("x" + whole), "does not end where it should"));
  CHECK(says(refusal(zip({{.name = "a", .bytes = "one", .method = 8}})), "record 'a' is packed (method 8)",
             "save it again"));
  CHECK(says(refusal(zip({{.name = "a", .bytes = "one", .flags = 1}})), "record 'a' is encrypted"));
  CHECK(says(refusal(zip({{.name = "a", .bytes = "one", .moved = 1}})), "record 'a' is not at 1"));
  CHECK(says(refusal(zip({{.name = "a", .bytes = "one", .moved = 100000}})), "record 'a' is not at 100000"));
  CHECK(says(refusal(zip({{.name = "a", .bytes = "one", .local_name = "b"}})), "record 'a' has two names"));
  CHECK(says(refusal(zip({{.name = "a", .bytes = "one", .size = 4}})), "record 'a' does not fit into it"));
  CHECK(says(refusal(zip({{.name = "a", .bytes = "one"}, {.name = "a", .bytes = "two"}})), "two records 'a'"));
  const auto end = whole.size() - 22;
  const auto with = [&](std::size_t at, const std::string& field) {
    return refusal(std::string(whole).replace(end + at, field.size(), field));
  };
  CHECK(says(with(4, u16(1)), "the archive is in several parts"));
  const std::string long_name = zip({{.name = std::string(60, 'n'), .bytes = "one"}});
  CHECK(says(refusal(std::string(long_name).replace(long_name.size() - 12, 2, u16(2))),
             "an entry of its directory is missing"));
  CHECK(says(with(10, u16(1)), "more bytes than entries"));
  CHECK(says(with(10, u16(60000)), "its directory cannot hold 60000 entries"));
  CHECK(says(with(12, u32(1)), "does not end where it should"));
  CHECK(says(with(16, u32(0xFFFFFF)), "does not end where it should"));
}

TEST_CASE("records that overlap") {
  const std::string inner = zip({{.name = "b", .bytes = "two"}});
  const std::string b = inner.substr(0, 31 + 3);  // header, name and bytes
  const std::string outer = zip({{.name = "a", .bytes = b}});
  const auto offset = outer.size() - 22 - 47;
  std::string entry = outer.substr(offset, 47);  // of "a", made one of "b" within it
  entry.replace(20, 8, u32(3) + u32(3)).replace(42, 4, u32(31)).replace(46, 1, "b");
  const std::string bytes = outer.substr(0, offset + 47) + entry + u32(0x06054b50) + u16(0) + u16(0) + u16(2) + u16(2) +
                            u32(94) + u32(std::uint32_t(offset)) + u16(0);
  CHECK(says(refusal(bytes), "records 'a' and 'b' overlap"));
}

TEST_CASE("the end for archives beyond 4 GB wins, and is refused where it is not") {
  const Scratch scratch;
  detail::ZipWriter writer(scratch / "x.zip");
  writer.record("a", "one");
  writer.finish();
  writer.commit();
  const std::string whole = get(scratch / "x.zip");
  CHECK(refusal(whole).empty());
  const auto end64 = whole.size() - 22 - 20 - 56, locator = whole.size() - 22 - 20;
  CHECK(says(refusal(std::string(whole).replace(locator + 8, 8, u64(end64 + 1))),
             "the end of its directory is not there"));
  CHECK(says(refusal(std::string(whole).replace(locator + 8, 8, u64(~0ull))), "the end of its directory is not there"));
  CHECK(says(refusal(std::string(whole).replace(end64 + 32, 8, u64(2))), "cannot hold 2 entries"));
  CHECK(says(refusal(std::string(whole).replace(end64 + 48, 8, u64(~0ull))), "does not end where it should"));
}

TEST_CASE("what is written begins at multiples of 64 bytes and reads back") {
  const Scratch scratch;
  detail::ZipWriter writer(scratch / "x.zip");
  const std::string text(1000, 'y');
  writer.record("m/some", "bytes");
  writer.record("m/none", "");
  writer.begin("m/in parts", 1000);
  writer.append(std::as_bytes(std::span(text)).first(999));
  writer.append(std::as_bytes(std::span(text)).last(1));
  writer.finish();
  CHECK(scratch.entries() == 1);  // under another name
  writer.commit();
  const std::string bytes = get(scratch / "x.zip");
  const auto zip = read(bytes);
  for (const auto& r : zip.records()) CHECK(r.begin % 64 == 0);
  CHECK(bytes.substr(zip.find("m/some")->begin, 5) == "bytes");
  CHECK(bytes.substr(zip.find("m/in parts")->begin, 1000) == text);
  CHECK(zip.find("m/in parts")->crc == detail::crc32(0, std::as_bytes(std::span(text))));
}

TEST_CASE("records get the bytes that were declared") {
  const Scratch scratch;
  detail::ZipWriter writer(scratch / "x.zip");
  const std::string three = "one";
  CHECK(says(message_of<format_error>([&] { writer.append(std::as_bytes(std::span(three))); }), "more bytes than"));
  writer.begin("a", 2);
  CHECK(says(message_of<format_error>([&] { writer.append(std::as_bytes(std::span(three))); }),
             "record 'a' was given more bytes"));
  CHECK(says(message_of<format_error>([&] { writer.begin("b", 2); }), "record 'a' lacks 2 of the 2 bytes"));
  CHECK(says(message_of<format_error>([&] { writer.finish(); }), "record 'a' lacks 2"));
  detail::ZipWriter other(scratch / "y.zip");
  CHECK(says(message_of<format_error>([&] { other.begin(std::string(70000, 'n'), 0); }), "more than 65535 bytes"));
}

TEST_CASE("headers of records beyond 4 GB") {
  const ZipRecord big{.name = "m/data/0", .size = 5ull << 30, .crc = 7};
  const std::string local = detail::zip_local_header(big, 0);
  CHECK(local.size() % 64 == 0);
  CHECK(local.substr(18, 8) == u32(0xFFFFFFFF) + u32(0xFFFFFFFF));
  CHECK(local.substr(30 + 8, 20) == extra64(u64(5ull << 30) + u64(5ull << 30)));
  CHECK(detail::zip_descriptor(big) == u32(0x08074b50) + u32(7) + u64(5ull << 30) + u64(5ull << 30));
  const std::string directory =
      detail::zip_directory({big, {.name = "m/version", .size = 2}}, {0, 6ull << 30}, 7ull << 30);
  CHECK(
      says(directory, "m/data/0" + extra64(u64(5ull << 30) + u64(5ull << 30)), "m/version" + extra64(u64(6ull << 30))));
  CHECK(says(directory, u64(2) + u64(2) + u64(directory.size() - 98) + u64(7ull << 30)));
  // a place that ends where its padding would be one byte too short
  for (std::uint64_t at = 0; at < 64; ++at)
    CHECK((at + detail::zip_local_header({.name = "x", .size = 1}, at).size()) % 64 == 0);
}

TEST_CASE("the checksum is that of zip, whatever the pieces") {
  const std::string_view text = "123456789, and some more bytes behind it";
  const auto bytes = std::as_bytes(std::span(text));
  CHECK(detail::crc32(0, bytes.first(9)) == 0xCBF43926);
  CHECK(detail::crc32(0, {}) == 0);
  for (std::size_t n = 0; n <= bytes.size(); ++n)
    CHECK(detail::crc32(detail::crc32(0, bytes.first(n)), bytes.subspan(n)) == detail::crc32(0, bytes));
  for (std::size_t n = 0; n <= bytes.size(); ++n)
    CHECK(detail::crc32_joined(detail::crc32(0, bytes.first(n)), detail::crc32(0, bytes.subspan(n)),
                               bytes.size() - n) == detail::crc32(0, bytes));
  std::vector<std::byte> many(70003);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = std::byte(i * i >> 3);
  const auto all = std::span<const std::byte>(many);
  const auto by_definition = [](std::uint32_t before, std::span<const std::byte> some) {  // bit by bit
    std::uint32_t state = ~before;
    for (const std::byte b : some) {
      state ^= std::uint32_t(b);
      for (int bit = 0; bit < 8; ++bit) state = state >> 1 ^ (state & 1 ? 0xEDB88320u : 0u);
    }
    return ~state;
  };
  CHECK(detail::crc32(0, all) == by_definition(0, all));
  int wrong = 0;
  for (std::size_t n = 0; n < 400; ++n) {  // every remainder of 64, 16 and 8 bytes, from every place
    const auto some = all.subspan(n, n);
    wrong += detail::crc32(std::uint32_t(n * 77), some) != by_definition(std::uint32_t(n * 77), some);
    std::uint32_t by_words = ~std::uint32_t(n * 77);  // what processors without products do
    for (std::size_t at = 0; at < n / 8 * 8; at += 8) by_words = detail::crc32_word(by_words, some.data() + at);
    for (const std::byte b : some.last(n % 8)) by_words = detail::crc32_byte(by_words, b);
    wrong += ~by_words != by_definition(std::uint32_t(n * 77), some);
  }
  CHECK(wrong == 0);
  CHECK(detail::crc32(detail::crc32(0, all.first(3)), all.subspan(3)) == detail::crc32(0, all));
  CHECK(detail::crc32_joined(detail::crc32(0, all.first(3)), detail::crc32(0, all.subspan(3)), 70000) ==
        detail::crc32(0, all));
}
