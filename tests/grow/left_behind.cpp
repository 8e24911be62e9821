// SPDX-License-Identifier: MIT
// Files that a growth does not carry over are named with what they are.
#include <modelgrow/grow/left_behind.hpp>
#include <tests/support/safetensors_bytes.hpp>
#include <tests/support/scratch.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("every file that is not grown is named") {
  const Scratch scratch;
  const std::string weights = file(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x");
  const auto model = put(scratch / "model.safetensors", weights);
  put(scratch / "config.json", "{}");
  put(scratch / "optimizer.safetensors", weights);
  CHECK(left_behind(Checkpoint::open(scratch.path())).empty());
  CHECK(left_behind(Checkpoint::open(model)).empty());

  std::filesystem::remove(scratch / "optimizer.safetensors");
  for (const char* name : {"README.md", "adapter_model.safetensors", "model.ema.safetensors", "optimizer.bin"})
    put(scratch / name, weights);
  CHECK(left_behind(Checkpoint::open(scratch.path())) ==
        std::vector<std::string>{
            "'README.md' was not grown: not part of the checkpoint",
            "'adapter_model.safetensors' was not grown: an adapter, which is not merged",
            "'model.ema.safetensors' was not grown: variant 'ema' of the weights",
            "'optimizer.bin' was not grown: optimizer state of another trainer: its moments were not moved",
            "no optimizer state in the folder was moved: training starts with new moments"});
}
