// SPDX-License-Identifier: MIT
// Which file of a directory is the checkpoint, and what stands beside it.
#include <ctime>
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <tests/support/raw_files.hpp>
#include <tests/support/safetensors_bytes.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::string one(std::string_view name) {
  return file("{\"" + std::string(name) + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x");
}

}  // namespace

TEST_CASE("a directory with weights, configuration, optimizer and average") {
  const Scratch scratch;
  put(scratch / "model.safetensors", one("w"));
  put(scratch / "config.json", R"({"depth": 3})");
  auto c = Checkpoint::open(scratch.path());
  CHECK(c.config() == R"({"depth": 3})");
  CHECK(c.path() == scratch.path());
  CHECK(c.weights_path() == scratch / "model.safetensors");
  CHECK_FALSE(c.has_optimizer());
  CHECK_FALSE(c.has_ema());
  CHECK_THROWS_AS(c.optimizer(), io_error);
  CHECK_THROWS_AS(c.ema(), io_error);

  put(scratch / "optimizer.safetensors", one("w.m"));
  put(scratch / "ema.safetensors", one("w"));
  c = Checkpoint::open(scratch.path());
  CHECK(c.has_optimizer());
  CHECK(c.has_ema());
  CHECK(c.optimizer().names().contains("w.m"));
  CHECK(c.ema().names().contains("w"));
  CHECK(c.names().size() == 1);
}

TEST_CASE("optimizer state and averages may lie in shards") {
  const Scratch scratch;
  put(scratch / "x.safetensors", one("w"));
  put(scratch / "ema-00001-of-00001.safetensors", one("w"));
  put(scratch / "ema.safetensors.index.json", R"({"metadata":{},"weight_map":{"w":"ema-00001-of-00001.safetensors"}})");
  const auto c = Checkpoint::open(scratch.path());
  CHECK(c.weights_path() == scratch / "x.safetensors");
  REQUIRE(c.has_ema());
  CHECK(c.ema().names().contains("w"));
  CHECK_FALSE(c.has_optimizer());
  put(scratch / "ema.safetensors", one("w"));
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch.path()); }), "both 'ema.safetensors' and an index"));
}

TEST_CASE("names of weights in the order of preference") {
  const Scratch scratch;
  put(scratch / "OpenSora-v1.safetensors", one("last"));
  CHECK(Checkpoint::open(scratch.path()).names()[0].name == "last");
  put(scratch / "optimizer.safetensors", one("o"));
  put(scratch / ".hidden.safetensors", "half-written");
  CHECK(Checkpoint::open(scratch.path()).names()[0].name == "last");
  put(scratch / "shard.safetensors", one("index"));
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch.path()); }),
             "several sets of weights, 'OpenSora-v1.safetensors', 'shard.safetensors'"));
  put(scratch / "x.safetensors.index.fp16.json", R"({"metadata":{},"weight_map":{"index":"shard.safetensors"}})");
  CHECK(Checkpoint::open(scratch.path()).names()[0].name == "index");
  put(scratch / "diffusion_pytorch_model.safetensors", one("diffusers"));
  CHECK(Checkpoint::open(scratch.path()).names()[0].name == "diffusers");
}

TEST_CASE("two sets of weights are refused with the loader of each, unless one is named") {
  const Scratch scratch;
  const auto refusal = [&] { return message_of<io_error>([&] { Checkpoint::open(scratch.path()); }); };
  put(scratch / "diffusion_pytorch_model.safetensors", one("old"));
  put(scratch / "diffusion_pytorch_model-00001-of-00001.safetensors", one("new"));
  CHECK(Checkpoint::open(scratch.path()).names()[0].name == "old");
  const std::string index = "diffusion_pytorch_model.safetensors.index.json";
  put(scratch / index, R"({"metadata":{},"weight_map":{"new":"diffusion_pytorch_model-00001-of-00001.safetensors"}})");
  CHECK(says(refusal(), "'diffusion_pytorch_model.safetensors' (read by diffusers, when there is no index)"));
  CHECK(says(refusal(), "'" + index + "' (read by diffusers, even beside a single file)"));
  CHECK(Checkpoint::open(scratch.path(), {.weights = index}).names()[0].name == "new");
  CHECK(Checkpoint::open(scratch.path(), {.weights = "diffusion_pytorch_model.safetensors"}).names()[0].name == "old");
  CHECK_THROWS_AS(Checkpoint::open(scratch.path(), {.weights = "missing.safetensors"}), io_error);
  CHECK(says(message_of<io_error>(
                 [&] { Checkpoint::open(scratch / "diffusion_pytorch_model.safetensors", {.weights = index}); }),
             "that is no directory"));

  std::filesystem::remove(scratch / index);
  put(scratch / "model.safetensors", one("model"));
  CHECK(says(refusal(), "'model.safetensors' (read by transformers, even beside an index)"));
}

TEST_CASE("a file and an index of one name are ambiguous, whatever the name") {
  const Scratch scratch;
  put(scratch / "foo.safetensors", one("old"));
  put(scratch / "foo-00001-of-00001.safetensors", one("new"));
  put(scratch / "foo.safetensors.index.json",
      R"({"metadata":{},"weight_map":{"new":"foo-00001-of-00001.safetensors"}})");
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch.path()); }),
             "'foo.safetensors' and 'foo.safetensors.index.json'"));
  CHECK(Checkpoint::open(scratch.path(), {.weights = "foo.safetensors"}).names()[0].name == "old");
}

TEST_CASE("named weights do not leave the folder") {
  const Scratch scratch;
  put(scratch / "secret.safetensors", one("w"));
  std::filesystem::create_directory(scratch / "in");
  put(scratch / "in/model.safetensors", one("w"));
  const auto open = [&](const std::string& name) { Checkpoint::open(scratch / "in", {.weights = name}); };
  for (const auto& name : {std::string("../secret.safetensors"), std::string("x/../../secret.safetensors"),
                           (scratch / "secret.safetensors").string(), std::string(".."), std::string(".")})
    CHECK(says(message_of<io_error>([&] { open(name); }), "it is not in that folder"));
  CHECK_NOTHROW(open("./model.safetensors"));
  CHECK_NOTHROW(open((scratch / "in/model.safetensors").string()));
}

TEST_CASE("an incomplete download is refused with the names, or read as far as it goes") {
  const Scratch scratch;
  put(scratch / "a-00001-of-00003.safetensors", one("w"));
  put(scratch / "a.safetensors.index.json",
      R"({"metadata":{},"weight_map":{"w":"a-00001-of-00003.safetensors","x":"a-00002-of-00003.safetensors",)"
      R"("y":"a-00003-of-00003.safetensors"}})");
  CHECK(
      says(message_of<io_error>([&] { Checkpoint::open(scratch.path()); }),
           "of the 3 files that it names, 'a-00002-of-00003.safetensors', 'a-00003-of-00003.safetensors' are missing"));
  const auto c = Checkpoint::open(scratch.path(), {.incomplete = Incomplete::accept});
  CHECK(c.missing_files() == std::vector<std::string>{"a-00002-of-00003.safetensors", "a-00003-of-00003.safetensors"});
  REQUIRE(c.names().size() == 3);
  CHECK(c.names().at("w").known);
  CHECK_FALSE(c.names().at("y").known);
  CHECK(c.find("y") == nullptr);
  CHECK(c.tensors().size() == 1);
  CHECK(says(message_of<io_error>([&] { c.tensor("y"); }), "the file of tensor 'y' is missing"));
}

TEST_CASE("a folder without weights says what it has instead") {
  const auto refusal = [](const char* name) {
    const Scratch scratch;
    put(scratch / name, "x");
    return message_of<io_error>([&] { Checkpoint::open(scratch.path()); });
  };
  CHECK(says(refusal("model.safetensors.incomplete"), "download has not ended ('model.safetensors.incomplete')"));
  CHECK(says(refusal("model-00001-of-00002.safetensors"), "no index that lists them"));
  CHECK(says(refusal("adapter_model.safetensors"), "an adapter", "merge"));
  CHECK(says(refusal("__0_0.distcp"), "a distributed checkpoint ('__0_0.distcp')", "dcp_to_torch_save"));
  CHECK(says(refusal("latest"), "names the step 'x'", "no folder"));
  CHECK(says(refusal("zero_pp_rank_0_mp_rank_00_model_states.pt"), "one step of a run of DeepSpeed", "'latest'"));
}

TEST_CASE("a run whose weights are no distributed checkpoint, and whose optimizers are, says what to do") {
  const Scratch scratch;
  std::filesystem::create_directories(scratch / "model");
  std::filesystem::create_directories(scratch / "optim");
  put(scratch / "step_scheduler.pt", "x");
  const auto refusal = [&] { return message_of<error>([&] { Checkpoint::open(scratch.path()); }); };
  CHECK_FALSE(says(refusal(), "without moments"));
  put(scratch / "optim/.metadata", "x");
  CHECK(says(refusal(), scratch.path().string(), "optimizers in 'optim'", "'model/.metadata' is missing", "fetch it",
             "without moments"));
}

TEST_CASE("files of single ranks are parts of tensors, alone or together") {
  const Scratch scratch;
  const auto part = [](std::string_view offsets) {
    return file(R"({"__metadata__":{"DCP_VERSION":"1.0","DCP_SHARDING_INFO":"{\"w\": {\"saved_offsets\": [)" +
                    std::string(offsets) + R"(]}}"},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                "x");
  };
  const auto first = put(scratch / "shard-00001-model-00001-of-00001.safetensors", part("0"));
  const auto refusal = [](const auto& path) { return message_of<error>([&] { Checkpoint::open(path); }); };
  CHECK(says(refusal(first), first.string() + ": it is one of the files of single ranks", "join them"));
  CHECK(says(refusal(scratch.path()), "one of the files of single ranks", "join them"));
  put(scratch / "shard-00002-model-00001-of-00001.safetensors", part("1"));
  CHECK(says(refusal(scratch.path()), "the files of single ranks, 'shard-00001-model-00001-of-00001.safetensors'",
             "parts of tensors", "join them"));
}

TEST_CASE("a file without tensors opens, and so do links as a download cache makes them") {
  const Scratch scratch;
  CHECK(Checkpoint::open(put(scratch / "x.safetensors", file(R"({"__metadata__":{"format":"pt"}})"))).names().size() ==
        0);
  std::filesystem::create_directories(scratch / "blobs");
  std::filesystem::create_directories(scratch / "snapshots/abc");
  put(scratch / "blobs/3f2a", one("w"));
  put(scratch / "blobs/77aa", R"({"depth": 3})");
  std::filesystem::create_symlink("../../blobs/3f2a", scratch / "snapshots/abc/model.safetensors");
  std::filesystem::create_symlink("../../blobs/77aa", scratch / "snapshots/abc/config.json");
  std::filesystem::create_directory_symlink("snapshots/abc", scratch / "main");
  for (const auto* folder : {"snapshots/abc", "main"}) {
    const auto c = Checkpoint::open(scratch / folder);
    CHECK(c.names()[0].name == "w");
    CHECK(c.config() == R"({"depth": 3})");
    CHECK(c.weights_path().filename() == "model.safetensors");
  }
}

TEST_CASE("an index of many files opens, and lets go of every tensor, in linear time") {
  const auto seconds = [](int files) {
    const Scratch scratch;
    std::string map;
    for (int i = 0; i < files; ++i) {
      const std::string name = "w" + std::to_string(i), shard = "s" + std::to_string(i) + ".safetensors";
      put(scratch / shard, one(name));
      map.append(i ? "," : "").append("\"" + name + "\":\"" + shard + "\"");
    }
    const auto index = put(scratch / "m.safetensors.index.json", R"({"metadata":{},"weight_map":{)" + map + "}}");
    const auto start = std::clock();
    const auto c = Checkpoint::open(index);
    REQUIRE(c.files().size() == std::size_t(files));
    for (int round = 0; round < 10; ++round)
      for (const auto& t : c.tensors()) c.release(t.span());
    CHECK(*c.tensor("w" + std::to_string(files - 1)).data == std::byte('x'));
    return double(std::clock() - start) / CLOCKS_PER_SEC;
  };
  CHECK(seconds(1600) < 8 * seconds(400) + 0.02);
}

TEST_CASE("a pipeline opens at its transformer, or at the component that is named") {
  const Scratch scratch;
  for (const char* part : {"transformer", "transformer_2"}) {
    std::filesystem::create_directory(scratch / part);
    put(scratch / part / "model.safetensors", one(part));
  }
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch.path()); }),
             "give '" + (scratch / "transformer").string()));
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch.path(), {.component = "transformer"}); }),
             "that is no pipeline"));
  put(scratch / "model_index.json", "{}");
  const auto c = Checkpoint::open(scratch.path());
  CHECK(c.names()[0].name == "transformer");
  CHECK(c.path() == scratch / "transformer");
  CHECK(Checkpoint::open(scratch.path(), {.component = "transformer_2"}).names()[0].name == "transformer_2");
  for (const char* wrong : {"vae", "../x", ".."})
    CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch.path(), {.component = wrong}); }),
               "there is no such folder"));
}

TEST_CASE("what is no checkpoint is an error that says so") {
  const Scratch scratch;
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch.path()); }), "it has no .safetensors or torch file"));
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch / "missing"); }), (scratch / "missing").string()));
}

TEST_CASE("an empty config.json is said to be empty, not absent") {
  const Scratch scratch;
  put(scratch / "model.safetensors", one("w"));
  put(scratch / "config.json", "");
  CHECK(says(message_of<format_error>([&] { Checkpoint::open(scratch.path()); }), "config.json: the file is empty"));
}

TEST_CASE("a byte order mark before config.json is not part of it") {
  const Scratch scratch;
  put(scratch / "model.safetensors", one("w"));
  put(scratch / "config.json", "\xEF\xBB\xBF{}");
  CHECK(Checkpoint::open(scratch.path()).config() == "{}");
}

TEST_CASE("a single file carries its configuration in the metadata") {
  const Scratch scratch;
  put(scratch / "config.json", "of somebody else");
  const auto path = put(scratch / "x.safetensors", file(R"({"__metadata__":{"config":"{\"depth\": 3}"}})"));
  CHECK(Checkpoint::open(path).config() == R"({"depth": 3})");
}

TEST_CASE("an unknown tensor is answered with the nearest names") {
  const Scratch scratch;
  const auto c = Checkpoint::open(put(scratch / "x.safetensors", one("blocks.0.attn.qkv.weight")));
  CHECK(c.find("blocks.0.attn.qkv.wieght") == nullptr);
  CHECK(says(message_of<format_error>([&] { c.tensor("blocks.0.attn.qkv.wieght"); }),
             "no tensor 'blocks.0.attn.qkv.wieght'; the nearest names are 'blocks.0.attn.qkv.weight'"));
  CHECK(c.tensor("blocks.0.attn.qkv.weight").bytes == 1);
}

TEST_CASE("copies share the mapping and find their own entries") {
  const Scratch scratch;
  auto first = std::make_unique<Checkpoint>(Checkpoint::open(put(scratch / "x.safetensors", one("w"))));
  const Checkpoint copy = *first;
  first.reset();
  CHECK(&copy.tensor("w") == &copy.tensors()[0]);
  CHECK(char(copy.tensor("w").data[0]) == 'x');
  copy.release(copy.tensor("w").span());
  CHECK(char(copy.tensor("w").data[0]) == 'x');
}
