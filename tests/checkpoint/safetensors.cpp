// SPDX-License-Identifier: MIT
// Every file that the reference reader accepts or refuses, byte by byte.
#include <cstring>
#include <modelgrow/checkpoint/safetensors.hpp>
#include <tests/support/raw_files.hpp>
#include <tests/support/safetensors_bytes.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::string refusal(const std::string& bytes) {
  const Scratch scratch;
  const auto path = put(scratch / "x.safetensors", bytes);
  const std::string text = message_of<format_error>([&] { Safetensors::open(path); });
  if (!text.empty()) CHECK(text.starts_with(path.string() + ": "));
  return text;
}

/// The file must be refused with this error name of the reference reader.
bool refused(const std::string& bytes, const std::string& name) { return says(refusal(bytes), ": " + name + ": "); }

}  // namespace

TEST_CASE("files that the reference reader accepts") {
  const Scratch scratch;
  const auto open = [&](const std::string& bytes) { return Safetensors::open(put(scratch / "x", bytes)); };

  SECTION("empty, with and without metadata") {
    CHECK(open(file("{}      ")).tensors().empty());
    const auto s = open(file(R"({"__metadata__":{"framework":"pt"}}     )"));
    CHECK(s.tensors().empty());
    CHECK(s.metadata() == Metadata{{"framework", "pt"}});
    CHECK(open(file(R"({"__metadata__":null})")).metadata().empty());
  }
  SECTION("floats, aligned") {
    const float values[] = {0, 1, 2, 3, 4, 5};
    const std::string data(reinterpret_cast<const char*>(values), sizeof values);
    const std::string header = R"({"proj.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}})";
    REQUIRE(header.size() == 64);
    const auto s = open(file(header, data));
    const auto* t = s.find("proj.0");
    REQUIRE(t);
    CHECK(t->dtype == DType::f32);
    CHECK(t->shape == Shape{1, 2, 3});
    CHECK(t->bytes == 24);
    CHECK(std::memcmp(t->data, values, 24) == 0);
    CHECK(s.find("proj.1") == nullptr);
    CHECK(s.names().dim("proj.0", -1) == 3);
  }
  SECTION("sub-byte, scalar, zero-sized, not padded, eight bits of any kind") {
    CHECK(open(file(entry("F4", "[1,2]", "[0,1]"), "x")).tensors()[0].bytes == 1);
    CHECK(open(file(entry("F6_E2M3", "[4]", "[0,3]"), "xyz")).tensors()[0].dtype == DType::f6_e2m3);
    const auto scalar = open(file(entry("I32", "[]", "[0,4]"), "abcd"));
    CHECK(scalar.tensors()[0].shape == Shape{});
    CHECK(scalar.tensors()[0].bytes == 4);
    const auto none = open(file(entry("I32", "[2,0]", "[0, 0]")));
    CHECK(none.tensors()[0].shape == Shape{2, 0});
    CHECK(none.tensors()[0].bytes == 0);
    CHECK(open(file(entry("I32", "[2,2]", "[0,16]"), std::string(16, 'x'))).tensors()[0].bytes == 16);
    for (const char* type : {"BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
      CHECK(name(open(file(entry(type, "[2]", "[0,2]"), "ab")).tensors()[0].dtype) == type);
  }
  SECTION("white space on both sides, keys in any order, unknown keys") {
    CHECK(open(file("{}\r \t\n")).tensors().empty());
    CHECK(open(file("\t\n{}\r ")).tensors().empty());
    const auto s = open(file(
        R"({"b":{"data_offsets":[0,1],"shape":[1],"dtype":"U8","more":[{}]},"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
        "xyz"));
    REQUIRE(s.tensors().size() == 2);
    CHECK(s.tensors()[0].name == "b");  // file order, not key order
    CHECK(s.tensors()[1].name == "a");
    CHECK(char(s.tensors()[1].data[1]) == 'z');
  }
  SECTION("escaped and non-ASCII names") {
    const auto s =
        open(file("{\"\\u00e9\\n\\\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                  "\"\xE6\xB0\xB4\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
                  "xy"));
    CHECK(s.find("\xC3\xA9\n\"") != nullptr);
    CHECK(s.find("\xE6\xB0\xB4") != nullptr);
  }
  SECTION("zero-sized tensors share an offset with their neighbours") {
    const auto s = open(file(
        R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[0],"data_offsets":[0,0]},)"
        R"("c":{"dtype":"F64","shape":[0,5],"data_offsets":[1,1]}})",
        "x"));
    CHECK(s.tensors().size() == 3);
    CHECK(s.find("c")->bytes == 0);
  }
}

TEST_CASE("a view outlives the object it came from while a copy lives") {
  const Scratch scratch;
  auto first =
      std::make_unique<Safetensors>(Safetensors::open(put(scratch / "x", file(entry("U8", "[2]", "[0,2]"), "ab"))));
  const Safetensors copy = *first;
  const TensorView* view = first->find("t");
  first.reset();
  CHECK(char(view->data[1]) == 'b');
  CHECK(copy.find("t") == view);
}

TEST_CASE("released pages read the same again") {
  const Scratch scratch;
  std::string data(1 << 20, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = char(i * 7 + (i >> 12));
  const auto s = Safetensors::open(put(scratch / "x", file(entry("U8", "[1048576]", "[0,1048576]"), data)));
  const auto& t = s.tensors()[0];
  CHECK(std::memcmp(t.data, data.data(), data.size()) == 0);
  s.release(t.span());
  CHECK(std::memcmp(t.data, data.data(), data.size()) == 0);
}

TEST_CASE("step 1: HeaderTooSmall") {
  CHECK(refused("", "HeaderTooSmall"));
  CHECK(refused("1234567", "HeaderTooSmall"));
}

TEST_CASE("step 2: HeaderTooLarge") {
  CHECK(refused(std::string("\x3C\x00\x00\x00\x00\xFF\xFF\xFF", 8), "HeaderTooLarge"));
  CHECK(refused(u64(100'000'001), "HeaderTooLarge"));
  CHECK(refused(u64(UINT64_MAX), "HeaderTooLarge"));
}

TEST_CASE("a header of too many tensors is told from a broken one") {
  const Scratch scratch;
  const auto path = put(scratch / "x.safetensors", u64(100'000'001) + "{");
  const auto refusal = [&] { return message_of<format_error>([&] { Safetensors::open(path); }); };
  CHECK(says(refusal(), "claims 100000001 bytes, at most 100000000", "truncated"));
  std::filesystem::resize_file(path, 8 + 100'000'001);  // a hole: it takes no room
  CHECK(says(refusal(), path.string(), "HeaderTooLarge", "claims 100000001 bytes, at most 100000000", "in shards"));
  CHECK_FALSE(says(refusal(), "truncated"));
}

TEST_CASE("step 3: InvalidHeaderLength") {
  CHECK(refused(u64(0x3C), "InvalidHeaderLength"));
  CHECK(refused(u64(100'000'000), "InvalidHeaderLength"));
  CHECK(refused(u64(3) + "{}", "InvalidHeaderLength"));
}

TEST_CASE("step 4: InvalidHeader") {
  CHECK(refused(file("\xFF"), "InvalidHeader"));
  CHECK(refused(file("{\"\xC0\x80\":1}"), "InvalidHeader"));
}

TEST_CASE("step 5: InvalidHeaderDeserialization") {
  const auto bad = [](std::string_view header) { return refused(file(header), "InvalidHeaderDeserialization"); };
  CHECK(bad(""));
  CHECK(bad("{"));
  CHECK(bad("[]"));
  CHECK(bad("1"));
  CHECK(bad("{} {}"));
  CHECK(bad("{},"));
  CHECK(bad(R"({"t":1})"));
  CHECK(bad("{\"t\":{}}"));
  CHECK(bad(std::string_view("{}\0", 3)));  // padding with zeros is no JSON
  CHECK(bad("\xEF\xBB\xBF{}"));             // nor is a byte order mark
  CHECK(bad("{}/**/"));
  CHECK(bad(entry("F33", "[1]", "[0,4]")));
  CHECK(bad(entry("f32", "[1]", "[0,4]")));
  CHECK(bad(entry("F32", "1", "[0,4]")));
  CHECK(bad(entry("F32", "[-1]", "[0,4]")));
  CHECK(bad(entry("F32", "[-0]", "[0,0]")));
  CHECK(bad(entry("F32", "[1.0]", "[0,4]")));
  CHECK(bad(entry("F32", "[1e0]", "[0,4]")));
  CHECK(bad(entry("F32", "[\"1\"]", "[0,4]")));
  CHECK(bad(entry("F32", "[18446744073709551616]", "[0,4]")));  // 2^64
  CHECK(bad(entry("F32", "[1]", "[0]")));
  CHECK(bad(entry("F32", "[1]", "[0,4,8]")));
  CHECK(bad(entry("F32", "[1]", "{}")));
  CHECK(bad(R"({"t":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})"));
  CHECK(bad(R"({"t":{"shape":[1],"data_offsets":[0,4]}})"));
  CHECK(bad(R"({"t":{"dtype":"F32","data_offsets":[0,4]}})"));
  CHECK(bad(R"({"t":{"dtype":"F32","shape":[1]}})"));
  CHECK(bad(R"({"__metadata__":{"a":1}})"));
  CHECK(bad(R"({"__metadata__":{"a":null}})"));
  CHECK(bad(R"({"__metadata__":[]})"));
  CHECK(bad(R"({"\ud800":{}})"));  // half a surrogate pair
}

TEST_CASE("duplicate keys are refused wherever they are") {
  const std::string one = R"("t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  CHECK(says(refusal(file("{" + one + "," + one + "}", "x")), "the key 't' twice"));
  CHECK(says(refusal(file(R"({"t":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x")), "twice"));
  CHECK(says(refusal(file(R"({"__metadata__":{"a":"1","\u0061":"2"}})")), "the key 'a' twice"));
}

TEST_CASE("nesting is bounded") {
  const auto nested = [](int depth) {
    return entry("U8", "[1]",
                 "[0,1],\"more\":" + std::string(std::size_t(depth), '[') + std::string(std::size_t(depth), ']'));
  };
  const Scratch scratch;
  CHECK(Safetensors::open(put(scratch / "x", file(nested(62), "x"))).tensors().size() == 1);
  CHECK(says(refusal(file(nested(63), "x")), "nested deeper than 64"));
  CHECK(says(refusal(file(std::string(1'000'000, '['))), "nested deeper than 64"));
}

TEST_CASE("step 6: InvalidOffset") {
  CHECK(refused(file(entry("U8", "[1]", "[1,2]"), "xx"), "InvalidOffset"));
  CHECK(refused(file(entry("U8", "[1]", "[1,0]"), "xx"), "InvalidOffset"));
  CHECK(refused(file(entry("U8", "[0]", "[18446744073709551615,18446744073709551615]")), "InvalidOffset"));
  const auto two = [](std::string_view second) {
    return file(
        R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":)" +
            std::string(second) + "}}",
        "xxxxx");
  };
  CHECK(refused(two("[3,5]"), "InvalidOffset"));  // hole
  CHECK(refused(two("[1,3]"), "InvalidOffset"));  // overlap
  CHECK(refused(two("[2,1]"), "InvalidOffset"));  // backwards
  CHECK(says(refusal(two("[3,5]")), "tensor 'b'"));
  std::string attack;
  for (int i = 0; i < 10; ++i)
    attack += (i ? "," : "") + ("\"t" + std::to_string(i) + R"(":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]})");
  CHECK(refused(file("{" + attack + "}", std::string(16, 'x')), "InvalidOffset"));
}

TEST_CASE("two names for the same bytes are both named, with what to do") {
  const auto header = [](std::string_view head, std::string_view next) {
    return R"({"embed.weight":{"dtype":"U8","shape":[4],"data_offsets":)" + std::string(head) +
           R"(},"head.weight":{"dtype":"U8","shape":[4],"data_offsets":)" + std::string(next) + "}}";
  };
  const auto tied = refusal(file(header("[0,4]", "[0,4]"), "xxxx"));
  CHECK(says(tied, "'head.weight' has data_offsets [0, 4]; expected to begin at 4", "'embed.weight' with [0, 4]",
             "keep one name", "copy"));
  CHECK_FALSE(says(tied, "truncated"));
  CHECK(says(refusal(file(header("[0,4]", "[2,6]"), "xxxxxx")), "'embed.weight' with [0, 4]", "keep one name"));
  const auto gap = refusal(file(header("[0,4]", "[5,9]"), "xxxxxxxxx"));
  CHECK(says(gap, "expected to begin at 4", "truncated"));
  CHECK_FALSE(says(gap, "keep one name"));
}

TEST_CASE("step 7: ValidationOverflow") {
  CHECK(refused(file(entry("I32", "[2,18446744073709551614]", "[0,16]"), std::string(16, 'x')), "ValidationOverflow"));
  CHECK(refused(file(entry("I32", "[2,9223372036854775807]", "[0,16]"), std::string(16, 'x')), "ValidationOverflow"));
  CHECK(refused(file(entry("U8", "[9223372036854775808,2,0]", "[0,0]")), "ValidationOverflow"));
  CHECK(refused(file(entry("U8", "[0,9223372036854775808]", "[0,0]")), "ValidationOverflow"));  // beyond our 63 bits
}

TEST_CASE("step 8: MisalignedSlice") {
  CHECK(refused(file(entry("F4", "[1]", "[0,1]"), "x"), "MisalignedSlice"));
  CHECK(refused(file(entry("F6_E3M2", "[3]", "[0,2]"), "xx"), "MisalignedSlice"));
}

TEST_CASE("step 9: TensorInvalidInfo") {
  CHECK(refused(file(entry("I32", "[2,2]", "[0, 4]")), "TensorInvalidInfo"));
  CHECK(refused(file(entry("I32", "[2,2]", "[0,17]"), std::string(17, 'x')), "TensorInvalidInfo"));
  CHECK(says(refusal(file(entry("I32", "[2,2]", "[0, 4]"))), "needs 16 bytes"));
}

TEST_CASE("step 10: MetadataIncompleteBuffer") {
  const std::string header = entry("I32", "[2,2]", "[0,16]");
  CHECK(refused(file(header, std::string(17, 'x')), "MetadataIncompleteBuffer"));
  CHECK(refused(file(header, std::string(14, 'x')), "MetadataIncompleteBuffer"));
  CHECK(refused(file(header), "MetadataIncompleteBuffer"));
  CHECK(refused(file("{}", "x"), "MetadataIncompleteBuffer"));
}

TEST_CASE("more than eight dimensions are refused by name") {
  CHECK(refused(file(entry("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), "x"), "UnsupportedRank"));
}

TEST_CASE("other formats are recognised and named") {
  CHECK(says(refusal("PK\x03\x04 and so on, a zip file"), "torch file", "ending .pt"));
  CHECK(says(refusal(std::string("\x80\x02") + "ccollections\nOrderedDict"), "torch file (a pickle)", "ending .pt"));
  CHECK(says(refusal("\x80\x02\x01"), "torch file"));        // shorter than the length of a header
  const std::string truncated = refusal(u64(0x280) + "{}");  // begins with \x80\x02 as pickles do
  CHECK(says(truncated, "truncated"));
  CHECK(!says(truncated, "torch file"));
  CHECK(says(refusal("GGUF\x03 and more bytes"), "GGUF"));
  CHECK(says(refusal("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"));
}

TEST_CASE("what is no file is an io_error") {
  const Scratch scratch;
  CHECK(says(message_of<io_error>([&] { Safetensors::open(scratch / "missing"); }), "check the path"));
  CHECK(says(message_of<io_error>([&] { Safetensors::open(scratch.path()); }), "not a regular file"));
}

TEST_CASE("a file cut anywhere is refused, and so is a file with one byte more") {
  const std::string whole =
      file(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
           R"("b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}})",
           "12345678abcdef");
  const Scratch scratch;
  CHECK(Safetensors::open(put(scratch / "x", whole)).tensors().size() == 2);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    INFO("cut to " << n << " bytes");
    CHECK_THROWS_AS(Safetensors::open(put(scratch / "x", whole.substr(0, n))), format_error);
  }
  CHECK_THROWS_AS(Safetensors::open(put(scratch / "x", whole + "x")), format_error);
}
