// SPDX-License-Identifier: MIT
// The writer makes the bytes of the reference writer, takes them in any pieces, and leaves nothing when it fails.
#include <csignal>
#include <cstring>
#include <thread>

#include <sys/resource.h>

#include <modelgrow/checkpoint/writer.hpp>
#include <tests/support/raw_files.hpp>
#include <tests/support/safetensors_bytes.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

NamedShape decl(std::string name, DType dtype, Shape shape) {
  return NamedShape{.name = std::move(name), .dtype = dtype, .shape = shape};
}

}  // namespace

TEST_CASE("exact bytes of the reference writer") {
  const Scratch scratch;
  const auto path = scratch / "x.safetensors";

  SECTION("nothing") {
    SafetensorsWriter(path, {}).commit();
    CHECK(get(path) == u64(8) + "{}      ");
  }
  SECTION("metadata only") {
    SafetensorsWriter(path, {}, {{"framework", "pt"}}).commit();
    CHECK(get(path) == u64(40) + R"({"__metadata__":{"framework":"pt"}}     )");
  }
  SECTION("a header of exactly 64 bytes") {
    const float values[] = {0, 1, 2, 3, 4, 5};
    SafetensorsWriter w(path, {decl("proj.0", DType::f32, {1, 2, 3})});
    w.write("proj.0", std::as_bytes(std::span(values)));
    w.commit();
    CHECK(get(path) == u64(64) + R"({"proj.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}})" +
                           std::string(reinterpret_cast<const char*>(values), 24));
  }
  SECTION("a padded header") {
    SafetensorsWriter w(path, {decl("proj0", DType::f32, {1, 1, 2, 3})});
    w.write("proj0", bytes(std::string(24, 'v')));
    w.commit();
    CHECK(get(path) == u64(72) + R"({"proj0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       )" +
                           std::string(24, 'v'));
  }
  SECTION("half bytes") {
    SafetensorsWriter w(path, {decl("proj.0", DType::f4, {1, 2})});
    w.write("proj.0", bytes("x"));
    w.commit();
    CHECK(get(path) == u64(64) + R"({"proj.0":{"dtype":"F4","shape":[1,2],"data_offsets":[0,1]}}    )" + "x");
  }
  SECTION("wide types first, then by name; metadata in front; escapes as the reference writes them") {
    SafetensorsWriter w(path,
                        {decl("b", DType::u8, {1}), decl("\n\xC3\xA9\"", DType::u8, {}), decl("z", DType::f64, {1}),
                         decl("y", DType::bf16, {0})},
                        {{"k", "v"}, {"a", "\x01"}});
    w.write("b", bytes("B"));
    w.write("\n\xC3\xA9\"", bytes("E"));
    w.write("z", bytes("12345678"));
    w.commit();
    const std::string header =
        "{\"__metadata__\":{\"a\":\"\\u0001\",\"k\":\"v\"},"
        "\"z\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
        "\"y\":{\"dtype\":\"BF16\",\"shape\":[0],\"data_offsets\":[8,8]},"
        "\"\\n\xC3\xA9\\\"\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[8,9]},"
        "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[9,10]}}";
    const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
    CHECK(get(path) == file(padded, "12345678EB"));
  }
}

TEST_CASE("pieces, any order, several threads") {
  const Scratch scratch;
  std::string a(100'000, ' '), b(77'777, ' ');
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = char(i * 31);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = char(i * 17 + 5);
  SafetensorsWriter w(scratch / "x.safetensors", {decl("a", DType::u8, {100'000}), decl("b", DType::u8, {77'777})});
  const auto send = [&](const char* name, const std::string& text, std::size_t piece) {
    for (std::size_t i = 0; i < text.size(); i += piece)
      w.write(name, bytes(text).subspan(i, std::min(piece, text.size() - i)));
  };
  std::thread other([&] { send("b", b, 1000); });
  send("a", a, 777);
  other.join();
  w.commit();
  const auto s = Safetensors::open(scratch / "x.safetensors");
  CHECK(std::memcmp(s.find("a")->data, a.data(), a.size()) == 0);
  CHECK(std::memcmp(s.find("b")->data, b.data(), b.size()) == 0);
}

TEST_CASE("nothing is visible before commit and nothing stays behind without it") {
  const Scratch scratch;
  const auto path = scratch / "x.safetensors";
  {
    SafetensorsWriter w(path, {decl("t", DType::u8, {2})});
    w.write("t", bytes("ab"));
    CHECK_FALSE(std::filesystem::exists(path));
  }
  CHECK(scratch.entries() == 0);
}

TEST_CASE("writing over a file that is mapped leaves the mapping as it was") {
  const Scratch scratch;
  const auto path = put(scratch / "x.safetensors", file(entry("U8", "[3]", "[0,3]"), "old"));
  const auto old = Safetensors::open(path);
  SafetensorsWriter w(path, {decl("t", DType::u8, {3})});
  w.write("t", bytes("new"));
  w.commit();
  CHECK(std::memcmp(old.find("t")->data, "old", 3) == 0);
  CHECK(std::memcmp(Safetensors::open(path).find("t")->data, "new", 3) == 0);
  CHECK(scratch.entries() == 1);
}

TEST_CASE("an existing file is kept when asked") {
  const Scratch scratch;
  const auto path = put(scratch / "x.safetensors", "old");
  CHECK(says(message_of<io_error>([&] { SafetensorsWriter(path, {}, {}, Existing::refuse); }), path.string()));
  CHECK(get(path) == "old");
}

TEST_CASE("declarations and bytes that do not fit are refused") {
  const Scratch scratch;
  const auto path = scratch / "x.safetensors";
  const auto refusal = [&](std::vector<NamedShape> tensors, Metadata metadata = {}) {
    return message_of<format_error>([&] { SafetensorsWriter(path, std::move(tensors), metadata); });
  };
  CHECK(says(refusal({decl("t", DType::u8, {1}), decl("t", DType::f32, {1})}), "'t' is declared twice"));
  CHECK(says(refusal({decl("__metadata__", DType::u8, {1})}), "__metadata__"));
  CHECK(says(refusal({decl("t", DType::f4, {3})}), "no whole number of bytes"));
  CHECK(says(refusal({decl("t", DType::f64, {INT64_MAX, 4})}), "no whole number of bytes"));
  CHECK(says(refusal({decl("\xFF", DType::u8, {1})}), "not UTF-8"));
  CHECK(says(refusal({}, {{"k", "\xFF"}}), "not UTF-8"));

  SafetensorsWriter w(path, {decl("t", DType::u8, {4})});
  CHECK(says(message_of<format_error>([&] { w.write("u", bytes("x")); }), "'u' was not declared"));
  w.write("t", bytes("abc"));
  CHECK(
      says(message_of<format_error>([&] { w.write("t", bytes("de")); }), "was given 5 bytes; it was declared with 4"));
  CHECK(says(message_of<format_error>([&] { w.commit(); }), "'t' is incomplete: 3 of 4 bytes"));
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a directory that does not exist is an io_error with the path") {
  const Scratch scratch;
  const auto path = scratch / "no/x.safetensors";
  const std::string text = message_of<io_error>([&] { SafetensorsWriter(path, {}); });
  CHECK(says(text, path.string()));
  CHECK(says(text, "its directory must exist"));
}

TEST_CASE("a full disk is reported before the work and leaves nothing behind") {
  // A limit on the file size is the full disk that needs no privileges: EFBIG instead of ENOSPC on the same path.
  const Scratch scratch;
  const auto path = scratch / "x.safetensors";
  put(path, "old");
  struct rlimit before;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { .rlim_cur = 100'000, .rlim_max = before.rlim_max };
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string reserved =
      message_of<io_error>([&] { SafetensorsWriter(path, {decl("t", DType::u8, {200'000})}); });
  const std::string written = message_of<io_error>([&] {
    detail::AtomicFile f(path);
    f.append(std::string(90'000, 'x'));
    f.append(std::string(90'000, 'x'));
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  for (const auto& text : {reserved, written}) {
    CHECK(says(text, path.string()));
    CHECK(says(text, "ulimit -f"));
  }
  CHECK(get(path) == "old");
  CHECK(scratch.entries() == 1);
}
