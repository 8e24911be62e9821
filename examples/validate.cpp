// SPDX-License-Identifier: MIT
// How well a model does on clips that it was not trained on, beside those that it was: the gap says whether more
// training, more capacity or more data is what is missing.
#include <iostream>

#include "support/digit_score.hpp"
#include "support/options.hpp"
#include "support/pipeline.hpp"
#include "support/shape_test.hpp"

namespace fs = std::filesystem;
using namespace example;

namespace {

/// Which tests beside the losses, and how clips for them are sampled.
struct Judging {
  std::size_t clips = 0;
  double guidance = 2;
  std::int64_t sample_steps = 32;
  bool swap = false;
};

std::string name_of(const ClipSource& source) {
  if (source.shapes > 0) return "moving shapes";
  return source.digits > 0 ? "moving digits" : source.archives.front().filename().string();
}

void judge_digits(const FlowTask& task, Model& model, const ClipSource& source, const Judging& how) {
  if (how.clips == 0) return;
  std::cout << "\n| judged | right digits | right directions |\n|---|---|---|\n";
  for (const int digits : {1, 2}) {
    const DigitTest test(source, model.transformer.config, digits, how.clips);
    const auto score = test(task, model, how.guidance, how.sample_steps);
    std::cout << "| " << digits << (digits == 1 ? " digit" : " digits") << " a clip | " << score.label << " | "
              << score.direction << " |" << std::endl;
  }
}

void judge_shapes(const FlowTask& task, Model& model, const ClipSource& source, const Judging& how) {
  if (how.swap) print(std::cout << "\n", swap_test(task, model, source));
  if (how.clips == 0) return;
  print_heading_of_scores(std::cout << "\n");
  for (int objects = 1; objects <= source.shapes; ++objects) {
    const ShapeTest test(source, model.transformer.config, objects, how.clips);
    const std::string name = std::to_string(objects) + (objects == 1 ? " object" : " objects");
    print(std::cout, name, test(task, model, how.guidance, how.sample_steps));
    print(std::cout, name + ", reworded", test(task, model, how.guidance, how.sample_steps, mg::Wording::reworded));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Losses of a text-to-video model on each archive of captioned clips: held-out clips with their captions "
      "and with those of other clips, and training clips."};
  fs::path base = "examples/data/base";
  ClipSource clips;
  std::size_t rounds = 2;
  std::optional<double> noise_shift;
  Judging judging;
  app.add_option("--base", base, "pipeline folder")->capture_default_str();
  add_options(app, clips);
  app.add_option("--rounds", rounds, "noises for each held-out clip")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option(
      "--judge", judging.clips,
      "moving digits or shapes: also sample so many clips of one, of two (and of three shapes), and judge them");
  app.add_flag("--swap", judging.swap, "moving shapes: also the loss with each class of words exchanged");
  app.add_option("--noise-shift", noise_shift,
                 "how much noise levels lean towards noise, as in training (default: 5, 30 for shapes)")
      ->check(CLI::PositiveNumber);
  app.add_option("--guidance", judging.guidance, "classifier-free guidance of the judged clips")->capture_default_str();
  app.add_option("--sample-steps", judging.sample_steps, "Euler steps of the judged clips")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    Model model = load_pipeline(base, Weights::averaged);
    Tape tape(Tape::Mode::infer);
    std::vector<ClipSource> sources;
    for (const auto& archive : clips.archives) sources.push_back({.archives = {archive}});
    if (clips.digits > 0 || clips.shapes > 0) sources = {clips};
    std::cout << "| clips | held out | with the captions of other clips | trained on |\n|---|---|---|---|\n";
    for (const ClipSource& source : sources) {
      ClipData data = clips_for(model.transformer.config, source);
      const FlowTask task(data, 1, 1, {}, noise_shift);
      using Captions = FlowTask::Captions;
      std::cout << "| " << name_of(source) << " | " << task.validation_loss(tape, model, Captions::own, rounds) << " ("
                << data.validation.count() << ") | " << task.validation_loss(tape, model, Captions::others, rounds)
                << " | ";
      if (data.train.endless) {
        std::cout << "endless |" << std::endl;
        judge_shapes(task, model, source, judging);
        continue;
      }
      std::swap(data.train, data.validation);
      std::cout << task.validation_loss(tape, model, Captions::own, 1) << " (" << data.validation.count() << ") |"
                << std::endl;
      if (source.digits > 0) judge_digits(task, model, source, judging);
    }
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "validate: " << e.what() << std::endl;
    return 1;
  }
}
