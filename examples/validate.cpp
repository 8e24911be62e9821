// SPDX-License-Identifier: MIT
// How well a model does on clips that it was not trained on, beside those that it was: the gap says whether more
// training, more capacity or more data is what is missing.
#include <iostream>

#include "support/digit_score.hpp"
#include "support/options.hpp"
#include "support/pipeline.hpp"

namespace fs = std::filesystem;
using namespace example;

int main(int argc, char** argv) {
  CLI::App app{
      "Losses of a text-to-video model on each archive of captioned clips: held-out clips with their captions "
      "and with those of other clips, and training clips."};
  fs::path base = "examples/data/base";
  ClipSource clips;
  std::size_t rounds = 2, judged = 0;
  double guidance = 2;
  std::int64_t sample_steps = 32;
  app.add_option("--base", base, "pipeline folder")->capture_default_str();
  add_options(app, clips);
  app.add_option("--rounds", rounds, "noises for each held-out clip")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--judge", judged, "moving digits: also sample so many clips of one digit and of two, and judge them");
  app.add_option("--guidance", guidance, "classifier-free guidance of the judged clips")->capture_default_str();
  app.add_option("--sample-steps", sample_steps, "Euler steps of the judged clips")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    Model model = load_pipeline(base, Weights::averaged);
    Tape tape(Tape::Mode::infer);
    std::vector<ClipSource> sources;
    for (const auto& archive : clips.archives) sources.push_back({.archives = {archive}});
    if (clips.digits > 0) sources = {clips};
    for (const ClipSource& source : sources) {
      ClipData data = clips_for(model.transformer.config, source);
      const FlowTask task(data, 1, 1);
      using Captions = FlowTask::Captions;
      if (&source == &sources.front())
        std::cout << "| clips | held out | with the captions of other clips | trained on |\n|---|---|---|---|\n";
      std::cout << "| " << (clips.digits ? "moving digits" : source.archives.front().filename().string()) << " | "
                << task.validation_loss(tape, model, Captions::own, rounds) << " (" << data.validation.count() << ") | "
                << task.validation_loss(tape, model, Captions::others, rounds) << " | ";
      std::swap(data.train, data.validation);
      std::cout << task.validation_loss(tape, model, Captions::own, 1) << " (" << data.validation.count() << ") |"
                << std::endl;
      if (clips.digits == 0 || judged == 0) continue;
      std::cout << "\n| judged | right digits | right directions |\n|---|---|---|\n";
      for (const int digits : {1, 2}) {
        const DigitTest test(clips, model.transformer.config, digits, judged);
        const auto score = test(task, model, guidance, sample_steps);
        std::cout << "| " << digits << (digits == 1 ? " digit" : " digits") << " a clip | " << score.label << " | "
                  << score.direction << " |" << std::endl;
      }
    }
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "validate: " << e.what() << std::endl;
    return 1;
  }
}
