// SPDX-License-Identifier: MIT
// Trains the base that the demo grows: a small STDiT and its text encoder on captioned clips, in pixel space.
#include <algorithm>
#include <iostream>

#include <modelgrow/data/shape_words.hpp>
#include <modelgrow/grafts.hpp>
#include <modelgrow/models/word_tokens.hpp>
#include <modelgrow/train/checkpointing.hpp>

#include "support/interrupt.hpp"
#include "support/options.hpp"
#include "support/pipeline.hpp"

namespace mg = modelgrow;
using namespace example;

namespace {
/// Says which words of moving shapes a vocabulary lacks: to the model they are all the same one.
void warn_of_unknown_words(std::string_view vocabulary) {
  const std::string world = mg::shape_vocabulary();
  const auto has = [&](std::string_view word) {
    return std::ranges::any_of(mg::word_spans(vocabulary), [&](const mg::WordSpan& w) {
      return vocabulary.substr(w.begin, w.end - w.begin) == word;
    });
  };
  std::string unknown;
  for (const auto& [begin, end] : mg::word_spans(world))
    if (const auto word = world.substr(begin, end - begin); !has(word)) unknown += " " + word;
  if (!unknown.empty())
    std::cerr << "train_base: --words lacks words of the captions, which the model cannot tell apart:" << unknown
              << "; --words world has them all" << std::endl;
}
}  // namespace

int main(int argc, char** argv) {
  Together together;
  CLI::App app{"Trains a small text-to-video model from scratch on WebDataset archives of captioned clips."};
  ClipSource clips;
  mg::StditConfig video{.input_size = {8, 32, 32},
                        .in_channels = 3,
                        .patch_size = {1, 4, 4},
                        .hidden_size = 96,
                        .depth = 3,
                        .num_heads = 3,
                        .pred_sigma = false,
                        .caption_channels = 96,
                        .model_max_length = 64};
  mg::ByteEncoderConfig text{.ngram_buckets = 4096};
  RunOptions run{.name = "base",
                 .steps = 20000,
                 .batch = 8,
                 .lr = 1.5e-3,
                 .warmup = 200,
                 .evaluate_every = 250,
                 .directory = "out/base",
                 .save_every = 500,
                 .together = &together};
  bool resume = false, pooled = false;
  double tflop = 0;
  add_options(app, clips);
  app.add_option("--out", run.directory, "directory of the run: weights, averages, optimizer, log")
      ->capture_default_str();
  app.add_option("--steps", run.steps, "optimizer steps")->capture_default_str();
  app.add_option("--tflop", tflop, "instead of --steps: so many TFLOP of training")->check(CLI::PositiveNumber);
  app.add_option("--batch", run.batch, "clips a step")->capture_default_str();
  app.add_option("--lr", run.lr, "learning rate after warm-up")->capture_default_str();
  app.add_option("--warmup", run.warmup, "steps of linear warm-up")->capture_default_str();
  app.add_flag_callback(
      "--cosine", [&run] { run.schedule = mg::Schedule::Kind::cosine; },
      "the rate falls to 0 along half a cosine; otherwise it is constant");
  app.add_option("--noise-shift", run.noise_shift,
                 "how much noise levels lean towards noise, 1: not at all (default: 5, 30 for shapes)")
      ->check(CLI::PositiveNumber);
  app.add_flag_callback(
      "--pred-x0", [&video] { video.prediction = mg::Prediction::clip; },
      "the model predicts the clip without noise; otherwise the velocity");
  app.add_option("--weight-decay", run.weight_decay, "decoupled weight decay")->capture_default_str();
  add_options(app, run.augmentation);
  app.add_option("--ema", run.ema_decay, "decay of the averaged weights")->capture_default_str();
  app.add_option("--seed", run.seed, "seed of everything random")->capture_default_str();
  app.add_option("--evaluate-every", run.evaluate_every, "steps between validations")->capture_default_str();
  app.add_option("--save-every", run.save_every, "steps between saves")->capture_default_str();
  app.add_option("--hidden", video.hidden_size, "width")->capture_default_str();
  app.add_option("--depth", video.depth, "blocks")->capture_default_str();
  app.add_option("--heads", video.num_heads, "attention heads")->capture_default_str();
  app.add_option("--mlp-ratio", video.mlp_ratio, "width of the MLP over the width")->capture_default_str();
  app.add_option("--size", video.input_size, "clip: frames height width")->capture_default_str();
  app.add_option("--patch", video.patch_size, "patch: frames height width")->capture_default_str();
  app.add_option("--text-length", video.model_max_length, "most tokens of a caption")->capture_default_str();
  app.add_option("--text-width", text.width, "width of the text encoder")->capture_default_str();
  app.add_option("--text-heads", text.num_heads, "attention heads of the text encoder")->capture_default_str();
  app.add_option("--text-depth", text.depth, "blocks of the text encoder")->capture_default_str();
  app.add_option("--words", text.words,
                 "the words that are tokens, \"a red ..\", or 'world' for those of moving shapes; "
                 "otherwise bytes are")
      ->transform([](std::string words) { return words == "world" ? mg::shape_vocabulary() : words; });
  app.add_flag("--pooled", pooled, "the mean of the caption's tokens also goes beside the time embedding");
  CLI::Option* ngrams =
      app.add_option("--ngrams", text.ngram_buckets, "buckets of the text encoder's n-gram table; with --words 0")
          ->capture_default_str();
  app.add_flag("--resume", resume, "continue the run in --out");
  CLI11_PARSE(app, argc, argv);
  try {
    const Interrupt interrupt;
    if (!resume && std::filesystem::exists(run.directory / "trainer.json"))
      throw mg::io_error(run.directory.string() + " holds a run of " +
                         std::to_string(mg::read_run_state(run.directory).step) +
                         " steps: go on with it by --resume, remove it, or give another --out");
    if (clips.digits > 0) video.in_channels = 1;
    text.max_length = video.model_max_length;
    video.caption_channels = text.width;
    if (!text.words.empty() && ngrams->empty()) text.ngram_buckets = 0;  // words are known by sight
    if (pooled) video = mg::with_grafts(video, mg::Graft<mg::grafts::PooledCaption>{});
    if (clips.shapes > 0 && !text.words.empty() && together.ranks().first()) warn_of_unknown_words(text.words);
    const ClipData data = clips_for(video, clips);
    Model model = fresh_model(Model(video, text), run.seed);
    if (tflop > 0) {
      const auto warmup = run.warmup;
      run = spending(model, tflop, 10, run);
      run.warmup = std::min(warmup, run.steps / 10);
    }
    std::cout << (data.train.endless ? "endless" : std::to_string(data.train.count())) << " clips to train on, "
              << data.validation.count() << " to validate; " << mg::count_parameters(model.transformer) << " + "
              << mg::count_parameters(*model.text_encoder) << " parameters; " << step_flops(model, run.batch) * 1e-9
              << " GFLOP a step" << std::endl;
    run.begin = resume ? RunOptions::Begin::resume : RunOptions::Begin::fresh;
    run.log = run.directory;
    run.log += ".jsonl";
    const RunResult result = train(model, data, run);
    std::cout << "validation loss " << result.curve.front().validation_loss << " -> " << result.last() << ", "
              << result.seconds << " s, saved in " << run.directory << std::endl;
    return result.stopped ? Interrupt::exit_code : 0;
  } catch (const std::exception& e) {
    return together.fail("train_base", e);
  }
}
