// SPDX-License-Identifier: MIT
// Files that a growth does not carry over are named with what they are.
#include <modelgrow/grow/left_behind.hpp>
#include <tests/support/raw_files.hpp>
#include <tests/support/safetensors_bytes.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
std::vector<std::string> left(const std::filesystem::path& path) {
  const auto in = Checkpoint::open(path);
  return left_behind(in, parts_of(in));
}
}  // namespace

TEST_CASE("every file that is not grown is named") {
  const Scratch scratch;
  const std::string weights = file(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x");
  const auto model = put(scratch / "model.safetensors", weights);
  put(scratch / "config.json", "{}");
  put(scratch / "optimizer.safetensors", weights);
  CHECK(left(scratch.path()).empty());
  CHECK(left(model).empty());

  std::filesystem::remove(scratch / "optimizer.safetensors");
  for (const char* name :
       {"README.md", "adapter_model.safetensors", "pytorch_model.ema.safetensors", "mp_rank_00_optim_states.pt",
        "scheduler.bin", "random_states_0.pkl", "x.safetensors.incomplete", ".gitattributes", ".lock"})
    put(scratch / name, weights);
  CHECK(
      left(scratch.path()) ==
      std::vector<std::string>{
          "'README.md' was not grown: not part of the checkpoint",
          "'adapter_model.safetensors' was not grown: an adapter, which is not merged",
          "'mp_rank_00_optim_states.pt' was not grown: optimizer state of another trainer: its moments were not moved",
          "'pytorch_model.ema.safetensors' was not grown: another set of weights",
          "'random_states_0.pkl' was not grown: state of another trainer, which goes with its optimizer",
          "'scheduler.bin' was not grown: state of another trainer, which goes with its optimizer",
          "'x.safetensors.incomplete' was not grown: a download that has not ended",
          "hidden entries were not copied: '.gitattributes', '.lock'",
          "no optimizer state in the folder was moved: training starts with new moments"});
}

TEST_CASE("what a trainer keeps beside its averages is named") {
  const Scratch scratch;
  const std::string weights = file(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x");
  for (const char* folder : {"transformer", "transformer_ema"}) {
    std::filesystem::create_directory(scratch / folder);
    put(scratch / folder / "diffusion_pytorch_model.safetensors", weights);
    put(scratch / folder / "config.json", "{}");
  }
  put(scratch / "transformer_ema/ema_model.pt", "x");
  put(scratch / "transformer_ema/.lock", "");
  const std::vector<std::string> expected{
      "'transformer_ema/ema_model.pt' was not grown: averages once more, from which their trainer may go on "
      "(docs/training-state.md)",
      "hidden entries were not copied: 'transformer_ema/.lock'",
      "no optimizer state in the folder was moved: training starts with new moments"};
  CHECK(left(scratch / "transformer") == expected);
  put(scratch / "optimizer.bin", "x");  // a run with its model in a folder
  StateOptions options;
  options.leave_behind = {"optimizer.bin"};
  for (const auto& run : {scratch.path(), std::filesystem::relative(scratch.path())}) {
    const auto in = Checkpoint::open(run);
    const auto notes = left_behind(in, parts_of(in, options));
    CHECK(notes.size() == expected.size() + 1);
    CHECK(std::ranges::find(notes, expected[0]) != notes.end());
  }
}

TEST_CASE("of a torch file only the weights are grown, and the rest is named") {
  const auto run = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/torch/run.ckpt";
  const auto in = Checkpoint::open(run, {.state_dict = "model"});
  CHECK(left_behind(in, parts_of(in)) ==
        std::vector<std::string>{"of 'run.ckpt' only the weights and averages were grown, not 'epoch', 'optimizer'"});
  StateOptions without;
  without.leave_behind = {"ema"};
  CHECK(left_behind(in, parts_of(in, without)) ==
        std::vector<std::string>{"of 'run.ckpt' only the weights were grown, not 'epoch', 'ema', 'optimizer'"});
  CHECK(parts_of(in)[0].name == "run.safetensors");

  const Scratch scratch;
  std::filesystem::copy(in.path().parent_path() / "views.pt", scratch / "pytorch_model.bin");
  std::filesystem::copy(run, scratch / "run.ckpt");
  const auto folder = Checkpoint::open(scratch.path(), {.weights = "pytorch_model.bin"});
  CHECK(parts_of(folder)[0].name == "model.safetensors");
  for (const char* name : {"ema.pt", "model.step100.pt", "optimizer.pth"}) {  // of averages, a variant, moments
    std::filesystem::copy(run, scratch / name);
    CHECK(parts_of(Checkpoint::open(scratch / name, {.state_dict = "model"}))[0].name == "model.safetensors");
    std::filesystem::remove(scratch / name);
  }
  CHECK(left_behind(folder, parts_of(folder)) ==
        std::vector<std::string>{"'run.ckpt' was not grown: another torch file, which was not read",
                                 "no optimizer state in the folder was moved: training starts with new moments"});
}
