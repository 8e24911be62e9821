// SPDX-License-Identifier: MIT
// Splitting into shards, the index, and what a reader of an index must refuse.
#include <cstring>
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/shards.hpp>
#include <tests/support/raw_files.hpp>
#include <tests/support/safetensors_bytes.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

NamedShape u8(std::string name, std::int64_t n) {
  return NamedShape{.name = std::move(name), .dtype = DType::u8, .shape = Shape{n}};
}

std::filesystem::path write(const std::filesystem::path& path, const std::vector<NamedShape>& tensors,
                            std::uint64_t limit) {
  CheckpointWriter w(path, tensors, {}, {.shard_bytes = limit});
  for (const auto& t : w.tensors()) {
    const std::string data(std::size_t(numel(t.shape)), t.name.back());
    w.write(t.name, std::as_bytes(std::span(data)));
  }
  w.commit();
  return w.path();
}

}  // namespace

TEST_CASE("one shard has the plain name and no index") {
  const Scratch scratch;
  const auto path = write(scratch / "model.safetensors", {u8("a", 3), u8("b", 4)}, 7);
  CHECK(path == scratch / "model.safetensors");
  CHECK(scratch.entries() == 1);
  const auto c = Checkpoint::open(path);
  CHECK(c.metadata() == Metadata{{"format", "pt"}});
  CHECK(c.total_bytes() == 7);
}

TEST_CASE("shards are filled in order, and a tensor over the limit has one of its own") {
  const Scratch scratch;
  const auto path =
      write(scratch / "model.safetensors", {u8("e", 7), u8("d", 4), u8("c", 3), u8("b", 3), u8("a", 1)}, 6);
  CHECK(path == scratch / "model.safetensors.index.json");
  CHECK(get(path) == R"({
  "metadata": {
    "total_size": 18
  },
  "weight_map": {
    "a": "model-00004-of-00004.safetensors",
    "b": "model-00003-of-00004.safetensors",
    "c": "model-00003-of-00004.safetensors",
    "d": "model-00002-of-00004.safetensors",
    "e": "model-00001-of-00004.safetensors"
  }
}
)");
  CHECK(scratch.entries() == 5);
  for (const auto& opened : {Checkpoint::open(path), Checkpoint::open(scratch.path())}) {
    REQUIRE(opened.files().size() == 4);
    CHECK(opened.total_bytes() == 18);
    CHECK(std::memcmp(opened.tensor("b").data, "bbb", 3) == 0);
    CHECK(opened.tensors()[0].name == "e");
    for (const auto& f : opened.files()) CHECK(f.metadata() == Metadata{{"format", "pt"}});
  }
}

TEST_CASE("a failing sharded write leaves nothing") {
  const Scratch scratch;
  {
    CheckpointWriter w(scratch / "model.safetensors", {u8("a", 3), u8("b", 3)}, {}, {.shard_bytes = 3});
    w.write("a", std::as_bytes(std::span("abc", 3)));
    CHECK_THROWS_AS(w.commit(), format_error);
    CHECK_THROWS_AS(w.write("c", {}), format_error);
  }
  CHECK(scratch.entries() == 0);
  CHECK_THROWS_AS(CheckpointWriter(scratch / "model.safetensors", {u8("a", 3), u8("a", 3)}), format_error);
  CHECK(says(message_of<io_error>([&] { CheckpointWriter(scratch / "model.bin", {}); }), "ends in .safetensors"));
  CHECK(scratch.entries() == 0);
}

TEST_CASE("an index that does not fit its shards is refused") {
  const Scratch scratch;
  put(scratch / "1.safetensors", file(entry("U8", "[1]", "[0,1]"), "x"));  // tensor "t"
  put(scratch / "2.safetensors", file(R"({"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x"));
  const auto open = [&](const std::string& weight_map, const std::string& rest = R"(,"metadata":{})") {
    return Checkpoint::open(put(scratch / "m.safetensors.index.json", "{\"weight_map\":" + weight_map + rest + "}"));
  };
  const auto refusal = [&](const std::string& weight_map, const std::string& rest = R"(,"metadata":{})") {
    return message_of<error>([&] { open(weight_map, rest); });
  };
  CHECK(open(R"({"t":"1.safetensors","u":"2.safetensors"})").names().size() == 2);
  CHECK(says(refusal(R"({"t":"1.safetensors"})", ""), "'metadata'"));
  CHECK(says(refusal("[]"), "'weight_map'"));
  CHECK(says(refusal(R"({"t":"3.safetensors"})"), "'3.safetensors' is missing; fetch"));
  CHECK(says(refusal(R"({"t":1})"), "expected a name"));
  CHECK(says(refusal(R"({"t":"../1.safetensors"})"), "expected the name of a file beside"));
  CHECK(says(refusal(R"({"t":"..\\1.safetensors"})"), "expected the name of a file beside"));
  CHECK(says(refusal(R"({"t":".."})"), "expected the name of a file beside"));
  CHECK(says(refusal(R"({"t":"1.safetensors","v":"1.safetensors","u":"2.safetensors"})"), "'v' is missing from"));
  CHECK(says(refusal(R"({"v":"1.safetensors"})"), "the index says nothing about it"));
  CHECK(says(refusal(R"({"t":"2.safetensors","u":"1.safetensors"})"), "it is in 2.safetensors"));
  CHECK(says(refusal(R"({"t":"1.safetensors","t":"2.safetensors"})"), "'t' twice"));
  CHECK(says(refusal(R"({"t")"), "parse error"));

  put(scratch / "2.safetensors", file(entry("U8", "[1]", "[0,1]"), "y"));  // now "t" is in both
  CHECK(says(refusal(R"({"t":"1.safetensors","u":"2.safetensors"})"), "it is in 1.safetensors"));
}

TEST_CASE("shards of two saves are refused; those without a mark are of any") {
  const Scratch scratch;
  const auto shard = [&](const std::string& name, Metadata metadata) {
    CheckpointWriter w(scratch / (name + ".safetensors"), {u8(name, 1)}, std::move(metadata));
    w.write(name, std::as_bytes(std::span("x", 1)));
    w.commit();
  };
  const std::string mark(Checkpoint::save_mark);
  const auto index =
      put(scratch / "m.safetensors.index.json",
          R"({"metadata":{},"weight_map":{"a":"a.safetensors","b":"b.safetensors","c":"c.safetensors"}})");
  shard("a", {});
  shard("b", {{mark, "12"}});
  shard("c", {{mark, "12"}});
  CHECK(Checkpoint::open(index).metadata().at(mark) == "12");
  shard("c", {{mark, "13"}});
  CHECK(says(message_of<format_error>([&] { Checkpoint::open(index); }), "c.safetensors: its 'save_mark' is 13",
             "other files of m.safetensors.index.json 12", "restore the files of one save"));
}

TEST_CASE("shards of a variant get the names that loaders know, and open again") {
  const Scratch scratch;
  CheckpointWriter w(scratch / "model.ema.safetensors",
                     {NamedShape{.name = "a", .dtype = DType::u8, .shape = {2}},
                      NamedShape{.name = "b", .dtype = DType::u8, .shape = {2}}},
                     {}, WriteOptions{.shard_bytes = 2});
  for (const char* name : {"a", "b"}) w.write(name, std::as_bytes(std::span("xy", 2)));
  w.commit();
  CHECK(w.path() == scratch / "model.safetensors.index.ema.json");
  CHECK(std::filesystem::exists(scratch / "model.ema-00001-of-00002.safetensors"));
  CHECK(Checkpoint::open(scratch.path()).names().size() == 2);
  CHECK(Checkpoint::open(scratch.path(), {.weights = "model.safetensors.index.ema.json"}).names().size() == 2);
}
