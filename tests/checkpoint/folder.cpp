// SPDX-License-Identifier: MIT
// What each file of a folder is, by the names that trainers and loaders give.
#include <modelgrow/checkpoint/folder.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("weights, shards and variants are told apart by name") {
  struct Case {
    const char *name, *stem, *variant;
    FileRole role;
    bool index;
  };
  for (const auto& c : {
           Case{"model.safetensors", "model", "", FileRole::weights, false},
           Case{"v1.5.safetensors", "v1.5", "", FileRole::weights, false},
           Case{"model.safetensors.index.json", "model", "", FileRole::weights, true},
           Case{"diffusion_pytorch_model.ema.safetensors", "diffusion_pytorch_model", "ema", FileRole::variant, false},
           Case{"diffusion_pytorch_model.safetensors.index.ema.json", "diffusion_pytorch_model", "ema",
                FileRole::variant, true},
           Case{"model-00001-of-00002.safetensors", "model", "", FileRole::shard, false},
           Case{"model.fp16-00001-of-00002.safetensors", "model", "fp16", FileRole::shard, false},
           Case{"model-00001-of-00002.fp16.safetensors", "model", "fp16", FileRole::shard, false},
           Case{"-of-2.safetensors", "-of-2", "", FileRole::weights, false},
           Case{"pytorch_model.bin", "pytorch_model", "", FileRole::pickle, false},
           Case{"pytorch_model.bin.index.json", "pytorch_model", "", FileRole::pickle, true},
           Case{"pytorch_model-00001-of-00002.bin", "pytorch_model", "", FileRole::shard, false},
           Case{"OpenSora-v1.pth", "OpenSora-v1", "", FileRole::pickle, false},
           Case{"run.ckpt", "run", "", FileRole::pickle, false},
           Case{"x.pkl", "x", "", FileRole::pickle, false},
           Case{"t2v.pt", "t2v", "", FileRole::pickle, false},
           Case{"x.index.json", "", "", FileRole::other, false},
       }) {
    INFO(c.name);
    const auto f = classify(c.name);
    CHECK(f.stem == c.stem);
    CHECK(f.variant == c.variant);
    CHECK(f.role == c.role);
    CHECK(f.index == c.index);
  }
}

TEST_CASE("what stands beside the weights") {
  CHECK(classify("config.json").role == FileRole::config);
  CHECK(classify("ema.safetensors").role == FileRole::average);
  CHECK(classify("transformer_ema", true).role == FileRole::average);
  CHECK(classify("optimizer.safetensors").role == FileRole::optimizer);
  CHECK(classify("ema.safetensors.index.json").role == FileRole::average);
  CHECK(classify("optimizer-00001-of-00002.safetensors").role == FileRole::optimizer);
  CHECK(classify("adapter_model.safetensors").role == FileRole::adapter);
  CHECK(classify("pytorch_lora_weights.safetensors").role == FileRole::adapter);
  CHECK(classify("README.md").role == FileRole::other);
  CHECK(classify("ema.md").role == FileRole::other);
  for (const char* name : {"optimizer.bin", "optimizer_1.bin", "optimizer.pt", "__0_0.distcp",
                           "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"}) {
    INFO(name);
    CHECK(classify(name).role == FileRole::foreign_optimizer);
  }
  CHECK(classify("global_step2", true).role == FileRole::foreign_optimizer);
  for (const char* name : {"scheduler.bin", "scheduler_1.bin", "random_states_0.pkl", "custom_checkpoint_0.pkl",
                           "trainer_state.json", "training_state.json", "training_state-clips.json", "rng_state.pth",
                           "training_args.bin", "mp_rank_00_model_states.pt"}) {
    INFO(name);
    CHECK(classify(name).role == FileRole::training_state);
  }
  CHECK(classify("scheduler", true).role == FileRole::other);  // a component of a pipeline
  CHECK(classify("scheduler_config.json").role == FileRole::other);
  CHECK(classify("model.safetensors.incomplete").role == FileRole::unfinished);
  CHECK(classify(".gitattributes").role == FileRole::hidden);
  CHECK(classify(".cache", true).role == FileRole::hidden);
}

TEST_CASE("a folder is listed by name") {
  const Scratch scratch;
  put(scratch / "model.safetensors", "w");
  put(scratch / "config.json", "{}");
  put(scratch / ".lock", "");
  const auto files = list_folder(scratch.path());
  REQUIRE(files.size() == 3);
  CHECK(files[0].role == FileRole::hidden);
  CHECK(files[1].name == "config.json");
  CHECK(files[2].role == FileRole::weights);
  CHECK(says(message_of<io_error>([&] { list_folder(scratch / "missing"); }), "cannot list"));
}
