// SPDX-License-Identifier: MIT
// Moving shapes as a user meets them: a base is trained on them for a few steps, validated, judged and swap-tested.
#include <examples/support/pipeline.hpp>
#include <examples/support/shape_test.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>
#include <tests/support/program.hpp>
#include <tests/support/scratch.hpp>

#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/nn/initialise.hpp>

namespace fs = std::filesystem;
using namespace example;
using Catch::Matchers::Contains;
using modelgrow::testing::message_of;
using modelgrow::testing::run;
using modelgrow::testing::says;
using modelgrow::testing::Scratch;

namespace {
Model small_model() {
  return Model({.input_size = {4, 16, 16},
                .in_channels = 3,
                .patch_size = {4, 4, 4},
                .hidden_size = 24,
                .depth = 1,
                .num_heads = 2,
                .mlp_ratio = 2,
                .pred_sigma = false,
                .caption_channels = 24,
                .model_max_length = 32},
               {.width = 24, .depth = 1, .num_heads = 2, .max_length = 32, .words = mg::shape_vocabulary()});
}
}  // namespace

TEST_CASE("train_base and validate on moving shapes: words as tokens, pooled captions, predicted clips") {
  const Scratch scratch;
  const std::string base = (scratch / "base").string();
  const auto trained =
      run("train_base --shapes 2 --size 4 16 16 --patch 2 4 4 --hidden 24 --heads 2 --depth 1 "
          "--text-width 24 --text-heads 2 --text-depth 1 --text-length 32 --words world --pooled "
          "--pred-x0 --cosine --noise-shift 3 --tflop 0.002 --batch 2 --out " +
          base);
  INFO(trained.output);
  REQUIRE(trained.code == 0);
  CHECK_THAT(trained.output, Contains("endless clips to train on, 256 to validate"));
  const Model model = model_of(scratch / "base");
  CHECK(model.transformer.config.prediction == mg::Prediction::clip);
  CHECK(model.transformer.config.grafts.size() == 1);
  CHECK(model.text_encoder->config.words == mg::shape_vocabulary());
  CHECK(model.text_encoder->config.ngram_buckets == 0);
  const auto seen =
      run("validate --shapes 2 --noise-shift 3 --rounds 1 --swap --judge 2 --sample-steps 2 --base " + base);
  INFO(seen.output);
  REQUIRE(seen.code == 0);
  CHECK_THAT(seen.output, Contains("| moving shapes |") && Contains("endless |") && Contains("| direction |") &&
                              Contains("| 1 object |") && Contains("| 2 objects, reworded |"));
  CHECK_THAT(run("train_base --shapes 4 --out " + base + "2").output, Contains("--shapes"));

  const std::string out = (scratch / "out").string();
  const auto grown =
      run("grow_and_continue --shapes 2 --tflop 0.002 --batch 2 --prompts 2 --judge 2 --sample-steps 2 "
          "--base " +
          base + " --out " + out);
  INFO(grown.output);
  REQUIRE(grown.code == 0);
  CHECK_THAT(grown.output,
             Contains("trained on endless captioned clips") && Contains("prompts of 2 objects: words right"));
  const auto report = mg::detail::parse_json(mg::detail::read_file(scratch / "out/report.json"), "report.json");
  REQUIRE(report["right"].size() == 2);
  CHECK(report["right"][1]["grown_continued"]["words"] <= 1.0);
  CHECK(fs::file_size(scratch / "out/samples.png") > 0);
}

TEST_CASE("words of the captions that a vocabulary lacks are named") {
  const Scratch scratch;
  const auto said =
      run("train_base --shapes 1 --size 2 16 16 --patch 2 8 8 --hidden 24 --heads 2 --depth 1 --steps 1 --batch 1 "
          "--text-width 24 --text-heads 2 --text-depth 1 --words 'a small red circle' --out " +
          (scratch / "base").string());
  INFO(said.output);
  CHECK(said.code == 0);
  CHECK_THAT(said.output, Contains("cannot tell apart: and in the large green"));
  CHECK_THAT(said.output, Contains("--words world") && !Contains(" circle "));
}

TEST_CASE("the swap test of a fresh model is zero, for its output does not hear anything yet") {
  const ClipSource source{.shapes = 2};
  Model model = fresh_model(small_model(), 1);
  const ClipData data = clips_for(model.transformer.config, source);
  const FlowTask task(data, 2, 1);
  const auto deaf = swap_test(task, model, source);
  CHECK(deaf.loss > 0.5);
  for (const auto c : mg::word_classes) CHECK(deaf[c] == 0);
  mg::for_each_parameter(model, [](const std::string& path, auto& p) {  // now it hears, but makes no sense
    const mg::Rng rng(1, mg::hash_name(path));
    for (std::int64_t i = 0; i < p.value.size(); ++i) p.value.data()[i] = float(0.3 * rng.normal(std::uint64_t(i)));
  });
  const auto hears = swap_test(task, model, source);
  for (const auto c : mg::word_classes) CHECK(hears[c] != 0);
  Tape tape(Tape::Mode::infer);
  CHECK(says(message_of<mg::shape_error>([&] { task.validation_loss(tape, model, std::vector<std::string>{"a"}); }),
             "256 clips with 1 captions"));
}

TEST_CASE("samples of an untrained model are judged wrong") {
  Model model = fresh_model(small_model(), 1);
  const ClipSource source{.shapes = 1};
  const ShapeTest test(source, model.transformer.config, 1, 4);
  const auto score = test(PromptReader{}, model, 2, 2);
  CHECK(score.clips() == 4);
  CHECK(score.whole_clips() == 0);
  CHECK(score.mean_psnr() < 15);
}
