// SPDX-License-Identifier: MIT
// Random files: what the writer writes the reader reads, and altered bytes are refused or change nothing but bytes.
#include <chrono>
#include <map>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/core/rng.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// Draws from one stream, one number after another.
struct Draw {
  Rng rng;
  std::uint64_t i = 0;
  std::uint64_t below(std::uint64_t n) { return rng.below(i++, n); }
};

std::string random_name(Draw& draw) {
  static const std::vector<std::string> pieces{"a",    ".",        "weight",           "\"", "\\", "\n",
                                               "\x7F", "\xC3\xA9", "\xF0\x9F\x90\xA6", " ",  "/",  "0"};
  std::string name;
  for (auto n = draw.below(6); n > 0; --n) name += pieces[draw.below(pieces.size())];
  return name;
}

struct File {
  std::vector<NamedShape> tensors;
  std::map<std::string, std::string> data;
  Metadata metadata;
};

File random_file(Draw& draw) {
  File f;
  for (auto n = draw.below(8); n > 0; --n) {
    NamedShape t{.name = random_name(draw), .dtype = DType(draw.below(22)), .shape = {}};
    for (auto rank = draw.below(5); rank > 0; --rank) t.shape.push_back(std::int64_t(draw.below(5)));
    if (!byte_size(t.dtype, t.shape) || f.data.contains(t.name)) continue;
    std::string bytes(*byte_size(t.dtype, t.shape), ' ');
    for (auto& c : bytes) c = char(draw.below(256));
    f.data[t.name] = bytes;
    f.tensors.push_back(std::move(t));
  }
  for (auto n = draw.below(3); n > 0; --n) f.metadata[random_name(draw)] = random_name(draw);
  return f;
}

}  // namespace

TEST_CASE("random files come back as they were written, aligned and in one or many shards") {
  const Scratch scratch;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    Draw draw{Rng(seed)};
    const File f = random_file(draw);
    CheckpointWriter w(scratch / "model.safetensors", f.tensors, f.metadata,
                       {.shard_bytes = seed % 3 ? UINT64_MAX : draw.below(400)});
    for (const auto& t : w.tensors()) w.write(t.name, std::as_bytes(std::span(f.data.at(t.name))));
    w.commit();
    const auto c = Checkpoint::open(w.path());
    REQUIRE(c.names().size() == f.tensors.size());
    auto metadata = f.metadata;
    metadata.emplace("format", "pt");
    CHECK(c.metadata() == metadata);
    for (const auto& t : f.tensors) {
      const auto& read = c.tensor(t.name);
      CHECK(c.names().at(t.name) == t);
      CHECK(std::string_view(reinterpret_cast<const char*>(read.data), read.bytes) == f.data.at(t.name));
      if (read.bytes > 0)
        CHECK(reinterpret_cast<std::uintptr_t>(read.data) % std::size_t(std::max(bits(t.dtype) / 8, 1)) == 0);
    }
  }
}

TEST_CASE("a flipped bit is refused or yields tensors that lie inside the file") {
  const Scratch scratch;
  const auto path = scratch / "x.safetensors";
  Draw draw{Rng(11)};
  long refused = 0;
  for (int round = 0; round < 40; ++round) {
    const File f = random_file(draw);
    {
      SafetensorsWriter w(path, f.tensors, f.metadata);
      for (const auto& t : f.tensors) w.write(t.name, std::as_bytes(std::span(f.data.at(t.name))));
      w.commit();
    }
    const std::string whole = get(path);
    for (int k = 0; k < 50; ++k) {
      std::string altered = whole;
      altered[draw.below(altered.size())] ^= char(1 << draw.below(8));
      put(path, altered);
      try {
        const auto s = Safetensors::open(path);
        std::size_t bytes = 0, sum = 0;
        for (const auto& t : s.tensors()) {
          bytes += t.bytes;
          for (auto b : t.span()) sum += std::size_t(b);
        }
        CHECK(bytes <= altered.size());
        CHECK(sum <= 255 * altered.size());
      } catch (const format_error&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 1000);
}

TEST_CASE("twenty thousand tensors open at once") {
  const Scratch scratch;
  std::vector<NamedShape> many;
  for (int i = 0; i < 20'000; ++i)
    many.push_back(NamedShape{.name = "blocks." + std::to_string(i) + ".w", .dtype = DType::u8, .shape = {}});
  SafetensorsWriter w(scratch / "x.safetensors", many);
  for (const auto& t : many) w.write(t.name, std::as_bytes(std::span("x", 1)));
  w.commit();
  const auto start = std::chrono::steady_clock::now();
  CHECK(Safetensors::open(scratch / "x.safetensors").names().blocks("blocks") == 20'000);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));  // 0.1 s; 100 s where time is quadratic
}
