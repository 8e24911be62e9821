// SPDX-License-Identifier: MIT
// GGUF files that the reference reader accepts or refuses, a file written by it, and every getter of the metadata.
#include <cstring>

#include <modelgrow/checkpoint/gguf.hpp>
#include <tests/support/gguf_bytes.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

const std::filesystem::path golden = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/gguf.gguf";

Gguf opened(const std::string& bytes) {
  const Scratch scratch;
  return Gguf::open(put(scratch / "x.gguf", bytes));  // a mapping outlives the name of its file
}

std::string refusal(const std::string& bytes) {
  const Scratch scratch;
  const auto path = put(scratch / "x.gguf", bytes);
  const std::string text = message_of<format_error>([&] { Gguf::open(path); });
  if (!text.empty()) CHECK(text.starts_with(path.string() + ": "));
  return text;
}

/// Refusal of a file with one metadata value.
std::string value_refusal(const std::string& value) {
  return refusal(GgufBytes{.values = {value}, .tensors = {}, .data = {}}.bytes());
}
/// Refusal of a file with these tensors and plenty of data.
std::string tensor_refusal(const std::vector<std::string>& tensors) {
  return refusal(GgufBytes{.values = {}, .tensors = tensors, .data = std::string(4096, 'x')}.bytes());
}

enum : std::uint32_t { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 };

}  // namespace

TEST_CASE("a file of the upstream writer: metadata of every type") {
  const auto g = Gguf::open(golden);
  CHECK(g.version() == 3);
  const auto& m = g.metadata();
  CHECK(m.text("general.architecture") == "golden");
  CHECK(m.integer("general.alignment") == 64);
  CHECK(m.integer("golden.uint8") == 200);
  CHECK(m.integer("golden.int8") == -100);
  CHECK(m.integer("golden.uint16") == 60000);
  CHECK(m.integer("golden.int16") == -30000);
  CHECK(m.integer("golden.uint32") == 4000000000);
  CHECK(m.integer("golden.int32") == -2000000000);
  CHECK(m.integer("golden.uint64") == INT64_MAX);
  CHECK(m.integer("golden.int64") == INT64_MIN);
  CHECK(m.real("golden.float32") == double(0.1f));
  CHECK(m.real("golden.float64") == 0.1);
  CHECK(m.flag("golden.bool", false));
  CHECK(m.text("golden.string") == "grün \U0001F331");
  CHECK(m.integers("golden.uint8s") == std::vector<std::int64_t>{200, 200, 200});
  CHECK(m.integers("golden.int8s") == std::vector<std::int64_t>{-100, -100, -100});
  CHECK(m.integers("golden.uint16s") == std::vector<std::int64_t>{60000, 60000, 60000});
  CHECK(m.integers("golden.int16s") == std::vector<std::int64_t>{-30000, -30000, -30000});
  CHECK(m.integers("golden.uint32s") == std::vector<std::int64_t>{4000000000, 4000000000, 4000000000});
  CHECK(m.integers("golden.int32s") == std::vector<std::int64_t>{-2000000000, -2000000000, -2000000000});
  CHECK(m.integers("golden.uint64s") == std::vector<std::int64_t>{INT64_MAX, INT64_MAX, INT64_MAX});
  CHECK(m.integers("golden.int64s") == std::vector<std::int64_t>{INT64_MIN, INT64_MIN, INT64_MIN});
  CHECK(m.find("golden.float32s")->count == 3);
  CHECK(m.find("golden.float64s")->count == 3);
  CHECK(m.texts("golden.strings") == std::vector<std::string_view>(3, "grün \U0001F331"));
  CHECK(m.find("golden.bools")->count == 3);

  CHECK(m.integer("golden.absent", 7) == 7);
  CHECK(m.integer("golden.uint8", 7) == 200);
  CHECK(m.real("golden.absent", 0.5) == 0.5);
  CHECK(m.real("golden.float64", 0.5) == 0.1);
  CHECK(m.text("golden.absent", "x") == "x");
  CHECK(m.text("general.architecture", "x") == "golden");
  CHECK_FALSE(m.flag("golden.absent", false));
}

TEST_CASE("a file of the upstream writer: every block type becomes the same floats") {
  const auto g = Gguf::open(golden);
  CHECK(g.tensors().size() == 22);
  for (const auto& type : ggml_types) {
    if (!type.elements) continue;
    const auto& t = g.at(type.name);
    const auto& expected = g.at(std::string(type.name) + ".floats");
    REQUIRE(t.type == GgmlType(type.id));
    REQUIRE(t.shape == Shape{2, 256});
    REQUIRE(expected.type == GgmlType::f32);
    const QuantisedMatrix m = t.matrix();
    CHECK((m.rows == 2 && m.columns == 256));
    CHECK(t.data.size() == std::size_t(2 * m.row_bytes()));
    std::vector<float> rows(512), parts(512);
    for (int i = 0; i < 2; ++i) {
      m.decode_row(i, rows.data() + 256 * i);
      for (std::int64_t j = 0; j < 256; j += type.elements)
        m.decode_part(i, j, type.elements, parts.data() + 256 * i + j);
    }
    CHECK(std::memcmp(rows.data(), expected.data.data(), 2048) == 0);
    CHECK(parts == rows);
    g.release(t);
    m.decode_row(1, parts.data());
    CHECK(std::equal(parts.begin(), parts.begin() + 256, rows.begin() + 256));
  }
}

TEST_CASE("GGUF files that the reference reader accepts") {
  SECTION("nothing inside, versions 2 and 3") {
    for (const std::uint32_t version : {2u, 3u}) {
      const auto g = opened(GgufBytes{.values = {}, .tensors = {}, .data = {}, .version = version}.header());
      CHECK(g.version() == version);
      CHECK(g.tensors().empty());
      CHECK(g.metadata().size() == 0);
    }
  }
  SECTION("scalar, empty and four-dimensional tensors; a last tensor without padding") {
    const auto g = opened(
        GgufBytes{.values = {},
                  .tensors = {gguf_tensor("scalar", {}, 0, 0), gguf_tensor("none", {3, 0, 2}, 0, 32),
                              gguf_tensor("huge", {0, 1ull << 60}, 0, 32), gguf_tensor("b", {1, 2, 3, 4}, 1, 32)},
                  .data = std::string(32 + 48, 'x')}
            .bytes());
    CHECK(g.at("scalar").shape == Shape{});
    CHECK(g.at("scalar").data.size() == 4);
    CHECK((g.at("scalar").matrix().rows == 1 && g.at("scalar").matrix().columns == 1));
    CHECK(g.at("none").shape == Shape{2, 0, 3});
    CHECK(g.at("none").data.empty());
    CHECK(g.at("none").matrix().rows == 0);
    CHECK(g.at("huge").matrix().rows == 0);
    CHECK(g.at("b").shape == Shape{4, 3, 2, 1});
    CHECK(g.at("b").data.size() == 48);
    CHECK(g.find("c") == nullptr);
  }
  SECTION("an alignment of one, empty arrays and strings, bytes after the last tensor") {
    const auto g = opened(GgufBytes{
        .values = {gguf_value("general.alignment", U32, u32(1)), gguf_value("strings", ARRAY, u32(STRING) + u64(0)),
                   gguf_value("string", STRING, gguf_string(""))},
        .tensors = {gguf_tensor("a", {1}, 1, 0), gguf_tensor("b", {1}, 1, 2)},
        .data = "1234 and more",
        .alignment = 1}
                              .bytes());
    CHECK(std::memcmp(g.at("b").data.data(), "34", 2) == 0);
    CHECK(g.metadata().texts("strings").empty());
    CHECK(g.metadata().text("string").empty());
  }
}

TEST_CASE("tensors begin at multiples of the alignment, wherever the header ends") {
  for (const std::uint32_t alignment : {8u, 16u, 64u})
    for (std::size_t extra = 0; extra < alignment; extra += 3) {
      const GgufBytes file{.values = {gguf_value("general.alignment", U32, u32(alignment)),
                                      gguf_value("pad", STRING, gguf_string(std::string(extra, 'p')))},
                           .tensors = {gguf_tensor("a", {1}, 0, 0), gguf_tensor("b", {1}, 0, alignment)},
                           .data = "AAAA" + std::string(alignment - 4, '\0') + "BBBB",
                           .alignment = alignment};
      const auto g = opened(file.bytes());
      CHECK(std::memcmp(g.at("a").data.data(), "AAAA", 4) == 0);
      CHECK(std::memcmp(g.at("b").data.data(), "BBBB", 4) == 0);
    }
}

TEST_CASE("any part of a split model opens the whole") {
  const Scratch scratch;
  const auto part = [](std::uint16_t number, std::uint16_t count, const std::string& tensor, std::uint32_t tensors) {
    GgufBytes file{.values = {gguf_value("split.no", U16, u64(number).substr(0, 2)),
                              gguf_value("split.count", U16, u64(count).substr(0, 2)),
                              gguf_value("split.tensors.count", I32, u32(tensors))},
                   .tensors = {},
                   .data = {}};
    if (number == 0) file.values.push_back(gguf_value("general.architecture", STRING, gguf_string("llama")));
    if (tensor.empty()) return file.bytes();  // a first part may hold metadata alone
    file.tensors.push_back(gguf_tensor(tensor, {1}, 0, 0));
    file.data = tensor + tensor + tensor + tensor;
    return file.bytes();
  };
  const auto name = [&](int n) { return scratch / ("m-0000" + std::to_string(n) + "-of-00003.gguf"); };
  const auto refused = [&](const std::filesystem::path& path) {
    return message_of<format_error>([&] { Gguf::open(path); });
  };
  put(name(1), part(0, 3, "", 2));
  put(name(2), part(1, 3, "b", 2));
  put(name(3), part(2, 3, "c", 2));
  for (int n = 1; n <= 3; ++n) {
    const auto g = Gguf::open(name(n));
    CHECK(g.path() == name(n));
    REQUIRE(g.tensors().size() == 2);
    CHECK(g.tensors()[0].name == "b");
    CHECK(std::memcmp(g.at("c").data.data(), "cccc", 4) == 0);
    CHECK(g.metadata().text("general.architecture") == "llama");
    g.release(g.at("c"));
    CHECK(std::memcmp(g.at("c").data.data(), "cccc", 4) == 0);
  }

  put(name(1), part(0, 3, "", 5));
  CHECK(says(refused(name(2)), name(2).string(), "should have 5 tensors", "found 2", "fetch all parts"));
  put(name(1), part(0, 3, "b", 3));
  CHECK(says(refused(name(1)), name(2).string(), "'b' is in another part"));
  put(name(1), part(0, 2, "a", 3));
  CHECK(says(refused(name(2)), name(1).string(), "call it part 1 of 2; expected part 1 of 3"));
  put(name(1), part(3, 3, "a", 3));
  CHECK(says(refused(name(1)), "part 3 (from 0) of 3"));
  std::filesystem::remove(name(1));
  CHECK(says(message_of<io_error>([&] { Gguf::open(name(3)); }), "cannot open '" + name(1).string() + "'",
             "part 3 of 3", "fetch all parts into one folder"));
  const auto renamed = put(scratch / "mine.gguf", part(1, 3, "b", 2));
  CHECK(says(refused(renamed), renamed.string(), "part 2 of 3", "'-00002-of-00003.gguf'", "llama-gguf-split --merge"));
}

TEST_CASE("GGUF files are known by their ending in any case, or by their first bytes") {
  const Scratch scratch;
  CHECK(is_gguf("no/such/file.gguf"));
  CHECK(is_gguf(put(scratch / "x.GGUF", "")));
  CHECK(is_gguf(put(scratch / "sha256-0123", "GGUF and more")));
  CHECK_FALSE(is_gguf(put(scratch / "y", "GGU")));
  CHECK_FALSE(is_gguf(scratch.path()));
  CHECK_FALSE(is_gguf("no/such/file"));
}

TEST_CASE("tensors and strings outlive the object they came from while a copy lives") {
  auto first = std::make_unique<Gguf>(Gguf::open(golden));
  const Gguf copy = *first;
  const GgufTensor* tensor = first->find("Q8_0");
  const auto text = first->metadata().text("general.architecture");
  first.reset();
  CHECK(copy.find("Q8_0") == tensor);
  CHECK(text == "golden");
}

TEST_CASE("what is no GGUF file is refused with what to do") {
  CHECK(says(refusal(""), "does not begin with \"GGUF\""));
  CHECK(says(refusal("GGU"), "does not begin with \"GGUF\""));
  CHECK(says(refusal("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"));
  CHECK(says(refusal("PK\x03\x04"), "PyTorch pickle"));
  CHECK(says(refusal("\x80\x02}"), "PyTorch pickle"));
  CHECK(says(refusal("tjgg"), "before August 2023"));
  CHECK_THROWS_AS(Gguf::open("/nonexistent.gguf"), io_error);
}

TEST_CASE("versions and byte order") {
  const auto version = [](std::uint32_t v) {
    return refusal(GgufBytes{.values = {}, .tensors = {}, .data = {}, .version = v}.bytes());
  };
  CHECK(says(version(0), "GGUF version 0; expected 2 or 3"));
  CHECK(says(version(1), "GGUF version 1"));
  CHECK(says(version(4), "GGUF version 4"));
  CHECK(says(version(0x03000000), "big-endian"));
  CHECK(says(refusal("GGUF\x03"), "the version needs 4 bytes at offset 4, the file has 1 more"));
}

TEST_CASE("counts that the file cannot hold") {
  const auto counts = [](std::uint64_t tensors, std::uint64_t values) {
    return refusal("GGUF" + u32(3) + u64(tensors) + u64(values) + std::string(100, '\0'));
  };
  CHECK(says(counts(std::uint64_t(-1), 0), "claims -1 tensors"));
  CHECK(says(counts(0, std::uint64_t(-1)), "claims -1 metadata values"));
  CHECK(says(counts(5, 0), "claims 5 tensors"));
  CHECK(says(counts(0, 8), "claims 8 metadata values"));
  CHECK(says(counts(INT64_MAX, 0), "claims 9223372036854775807 tensors"));
  CHECK(says(refusal("GGUF" + u32(3) + u64(0) + "1234567"), "the number of metadata values"));
  CHECK(says(refusal("GGUF" + u32(3)), "the number of tensors"));
}

TEST_CASE("metadata that is refused") {
  CHECK(says(value_refusal(gguf_value("k", 13, u64(0))), "'k' has the unknown value type 13"));
  CHECK(says(value_refusal(gguf_value("k", ARRAY, u32(13) + u64(0))), "unknown value type 13"));
  CHECK(says(value_refusal(gguf_value("k", ARRAY, u32(ARRAY) + u64(1))), "array of arrays"));
  CHECK(says(value_refusal(gguf_value("k", ARRAY, u32(U32) + u64(9) + u32(1))), "'k' needs 36 bytes"));
  CHECK(says(value_refusal(gguf_value("k", ARRAY, u32(F64) + u64(1ull << 61))), "more than 2^64 bytes"));
  CHECK(says(value_refusal(gguf_value("k", ARRAY, u32(STRING) + u64(1ull << 61))), "'k' needs 8 bytes"));
  CHECK(
      says(value_refusal(gguf_value("k", ARRAY, u32(STRING) + u64(2) + gguf_string("a") + u64(99))), "needs 99 bytes"));
  CHECK(says(value_refusal(gguf_value("k", STRING, u64(UINT64_MAX))), "needs 18446744073709551615 bytes"));
  CHECK(says(value_refusal(gguf_value("key", BOOL, "\x02")), "'key' has a bool that is neither 0 nor 1"));
  CHECK(says(value_refusal(gguf_value("key", ARRAY, u32(BOOL) + u64(3) + "\x01\x01\x02")), "neither 0 nor 1"));
  CHECK(says(value_refusal(gguf_value("\xFF", U64, u64(0))), "is not UTF-8"));
  CHECK(says(value_refusal(u64(1ull << 40) + "12345"), "the name of a metadata value needs 1099511627776 bytes"));
  const auto twice = gguf_value("k", U8, "x");
  CHECK(says(refusal(GgufBytes{.values = {twice, twice}, .tensors = {}, .data = {}}.bytes()),
             "the metadata 'k' occurs twice"));
}

TEST_CASE("alignments that are refused") {
  CHECK(says(value_refusal(gguf_value("general.alignment", U64, u64(32))), "'general.alignment' is not a u32"));
  CHECK(says(value_refusal(gguf_value("general.alignment", ARRAY, u32(U32) + u64(1) + u32(32))), "is not a u32"));
  for (const std::uint32_t n : {0u, 3u, 48u})
    CHECK(says(value_refusal(gguf_value("general.alignment", U32, u32(n))),
               "is " + std::to_string(n) + "; expected a power of two"));
}

TEST_CASE("tensors that are refused") {
  CHECK(says(tensor_refusal({gguf_tensor(std::string(64, 'n'), {1}, 0, 0)}), "name of 64 bytes; at most 63"));
  CHECK(tensor_refusal({gguf_tensor(std::string(63, 'n'), {1}, 0, 0)}).empty());
  CHECK(says(tensor_refusal({gguf_tensor("\xC0\x80", {1}, 0, 0)}), "the name of a tensor is not UTF-8"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {1}, 0, 0), gguf_tensor("t", {1}, 0, 32)}), "tensor 't' occurs twice"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {1, 1, 1, 1, 1}, 0, 0)}), "tensor 't' has 5 dimensions; at most 4"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {1, UINT64_MAX}, 0, 0)}), "a dimension of -1"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {1ull << 32, 1ull << 31}, 0, 0)}), "more than 2^63 - 1 elements"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {0, 1ull << 32, 1ull << 31}, 0, 0)}), "more than 2^63 - 1 elements"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {1ull << 62}, 0, 0)}), "more than 2^63 - 1 bytes"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {(1ull << 63) - 1}, 0, 0)}), "more than 2^63 - 1 bytes"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {48}, 8, 0)}), "rows of 48 elements; type Q8_0 needs a multiple of 32"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {576, 2}, 14, 0)}), "type Q6_K needs a multiple of 256"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {1}, 0, 32)}), "begins at 32; expected 0"));
  CHECK(says(tensor_refusal({gguf_tensor("t", {1}, 0, 0), gguf_tensor("u", {1}, 0, 4)}), "begins at 4; expected 32"));
  CHECK(says(
      tensor_refusal({gguf_tensor("t", {(1ull << 61) - 2}, 0, 0), gguf_tensor("u", {(1ull << 61) - 2}, 0, 1ull << 63)}),
      "ends beyond 2^64"));
}

TEST_CASE("types without a decoder are refused by name") {
  for (const auto& type : ggml_types) {
    const auto text = tensor_refusal({gguf_tensor("t", {256}, type.id, 0)});
    if (type.elements)
      CHECK(text.empty());
    else
      CHECK(
          says(text, "tensor 't' has the type " + std::string(type.name) + ", which cannot be read", "Q5_K Q6_K BF16"));
  }
  CHECK(says(tensor_refusal({gguf_tensor("t", {256}, 99, 0)}), "the unknown type 99"));
  CHECK_THROWS_AS(dequantise(GgmlType(10), nullptr, nullptr, 0), format_error);
}

TEST_CASE("tensors beyond the end of the file") {
  const GgufBytes f{.values = {}, .tensors = {gguf_tensor("t", {8}, 0, 0)}, .data = std::string(32, 'x')};
  CHECK(refusal(f.bytes()).empty());
  CHECK(says(refusal(f.bytes().substr(0, f.bytes().size() - 1)),
             "tensor 't' needs 32 bytes at offset 64 + 0, the file has 95"));
  for (std::size_t n = 0; n < f.bytes().size(); ++n) CHECK_FALSE(refusal(f.bytes().substr(0, n)).empty());
}

TEST_CASE("asking for what is not there") {
  const auto g = Gguf::open(golden);
  const auto& m = g.metadata();
  const auto refused = [](auto f) { return message_of<format_error>(f); };
  CHECK(says(refused([&] { g.at("Q8_1"); }), "no tensor 'Q8_1'", "'Q8_0'"));
  CHECK(says(refused([&] { m.integer("golden.int9"); }), "no metadata 'golden.int9'", "'golden.int8'"));
  CHECK(says(refused([&] { m.integer("golden.string"); }), "'golden.string' is of type string; expected an integer"));
  CHECK(says(refused([&] { m.integer("golden.bool"); }), "of type bool; expected an integer"));
  CHECK(says(refused([&] { m.integer("golden.int8s"); }), "an array of type i8; expected an integer"));
  CHECK(says(refused([&] { m.real("golden.int8"); }), "expected a float"));
  CHECK(says(refused([&] { m.text("golden.int8"); }), "expected a string"));
  CHECK(says(refused([&] { m.flag("golden.int8", true); }), "expected a bool"));
  CHECK(says(refused([&] { m.texts("golden.string"); }), "expected an array of strings"));
  CHECK(says(refused([&] { m.texts("golden.int8s"); }), "expected an array of strings"));
  CHECK(says(refused([&] { m.integers("golden.float32s"); }), "expected an array of integers"));
  const auto big =
      opened(GgufBytes{.values = {gguf_value("k", U64, u64(UINT64_MAX))}, .tensors = {}, .data = {}}.bytes());
  CHECK(says(refused([&] { big.metadata().integer("k"); }), "expected an integer"));
}
