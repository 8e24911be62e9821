// SPDX-License-Identifier: MIT
// Torch files as checkpoints: alone, in a folder, in shards, with an average beside the weights.
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/torch_writer.hpp>
#include <tests/support/pickle_bytes.hpp>
#include <tests/support/raw_files.hpp>
#include <tests/support/torch_numbers.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

const std::filesystem::path golden = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/torch";

/// A torch file of one tensor with this name.
void one(const std::filesystem::path& path, const std::string& name) {
  TorchWriter writer(path, torch_state_dict({{.name = name, .shape = {2}}}));
  const float values[] = {3, 4};
  writer.write(std::as_bytes(std::span(values)));
  writer.commit();
}
std::string refusal(const std::filesystem::path& path, const CheckpointOptions& options = {}) {
  return message_of<error>([&] { Checkpoint::open(path, options); });
}

}  // namespace

TEST_CASE("a torch file opens as a checkpoint, whatever its tensors look like") {
  const auto c = Checkpoint::open(golden / "views.pt");
  CHECK(c.names().size() == 11);
  CHECK(numbers_of(c.tensor("turned"))[1] == 30);
  CHECK(c.state_dict().empty());
  CHECK(c.beside_weights().empty());
  CHECK(c.config().empty());
  for (const auto& t : c.tensors()) {
    c.prepare(t.span());
    const auto before = numbers_of(t);
    c.release(t.span());
    CHECK(numbers_of(t) == before);
  }
  CHECK(numbers_of(Checkpoint::open(golden / "views_old.pth").tensor("pictures"))[23] == 23);
}

TEST_CASE("of weights and averages one is named") {
  CHECK(says(refusal(golden / "run.ckpt"), "'model', 'ema'", "--state-dict"));
  const auto model = Checkpoint::open(golden / "run.ckpt", {.state_dict = "model"}),
             average = Checkpoint::open(golden / "run.ckpt", {.state_dict = "ema"});
  CHECK(model.state_dict() == "model");
  CHECK(model.beside_weights() == std::vector<std::string>{"epoch", "ema", "optimizer"});
  CHECK(numbers_of(model.tensor("0.weight"))[0] == 2 * numbers_of(average.tensor("0.weight"))[0]);
  const Scratch scratch;
  put(scratch / "x.safetensors", testing::file(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x"));
  CHECK(says(refusal(scratch / "x.safetensors", {.state_dict = "ema"}), "there is no dictionary 'ema'"));
}

TEST_CASE("prefixes of wrappers are no part of names") {
  const Scratch scratch;
  one(scratch / "x.pth", "module.blocks.0.w");
  const auto c = Checkpoint::open(scratch / "x.pth");
  CHECK(c.names()[0].name == "blocks.0.w");
  CHECK(c.prefix().text() == "module.");
}

TEST_CASE("in a folder, torch files are weights where no safetensors file is") {
  const Scratch scratch;
  const auto first = [&] { return Checkpoint::open(scratch.path()).names()[0].name; };
  put(scratch / "config.json", R"({"depth": 3})");
  one(scratch / "optimizer.bin", "no weights");
  CHECK(says(refusal(scratch.path()), "it has no .safetensors or torch file"));
  one(scratch / "pytorch_model.bin", "torch");
  put(scratch / "training_args.bin", "x");
  CHECK(first() == "torch");
  CHECK(Checkpoint::open(scratch.path()).config() == R"({"depth": 3})");
  one(scratch / "ema.pt", "average");
  CHECK(first() == "torch");
  one(scratch / "other.pt", "another");
  CHECK(says(refusal(scratch.path()), "several torch files, 'other.pt', 'pytorch_model.bin'; name one", "--weights"));
  std::filesystem::remove(scratch / "other.pt");
  std::filesystem::rename(scratch / "pytorch_model.bin", scratch / "kept");
  CHECK(first() == "average");  // where there is nothing else
  std::filesystem::rename(scratch / "kept", scratch / "pytorch_model.bin");
  CHECK(Checkpoint::open(scratch.path(), {.weights = "ema.pt"}).names()[0].name == "average");
  put(scratch / "model-00001-of-00002.safetensors", "x");
  CHECK(says(refusal(scratch.path()), "no index that lists them"));
  std::filesystem::remove(scratch / "model-00001-of-00002.safetensors");
  put(scratch / "model.safetensors", testing::file(R"({"safe":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x"));
  CHECK(first() == "safe");
}

TEST_CASE("shards of torch files open by their index") {
  const Scratch scratch;
  one(scratch / "pytorch_model-00001-of-00002.bin", "a");
  one(scratch / "pytorch_model-00002-of-00002.bin", "b");
  CHECK(says(refusal(scratch.path()), "no index that lists them"));
  const auto index = [&](const std::string& map) {
    put(scratch / "pytorch_model.bin.index.json", R"({"metadata":{},"weight_map":{)" + map + "}}");
  };
  index(R"("a":"pytorch_model-00001-of-00002.bin","b":"pytorch_model-00002-of-00002.bin")");
  const auto c = Checkpoint::open(scratch.path());
  CHECK(c.files().size() == 2);
  CHECK(numbers_of(c.tensor("b")) == std::vector<double>{3, 4});
  index(R"("a":"pytorch_model-00001-of-00002.bin","c":"pytorch_model-00002-of-00002.bin")");
  CHECK(says(refusal(scratch.path()), "tensor 'b' is in pytorch_model-00002-of-00002.bin, but the index says nothing"));
  index(R"("a":"pytorch_model-00001-of-00002.bin","b":"pytorch_model-00003-of-00002.bin")");
  CHECK(says(refusal(scratch.path()), "'pytorch_model-00003-of-00002.bin' is missing"));
}

TEST_CASE("a torch file that is called safetensors is refused with what to do") {
  const Scratch scratch;
  one(scratch / "x.pt", "w");
  std::filesystem::rename(scratch / "x.pt", scratch / "x.safetensors");
  CHECK(says(refusal(scratch / "x.safetensors"), "this is a torch file (a pickle): give it the ending .pt"));
}
