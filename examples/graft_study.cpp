// SPDX-License-Identifier: MIT
// Does a language model help with words that training has never seen? From one base, for several seeds: train on with a
// temporal convolution alone, and with a language model grafted besides, for the same steps on captions; then measure
// with keywords, other words for the same clips, as captions. Writes graft.csv, graft.png and graft.md.
#include <iostream>

#include <modelgrow/media/png.hpp>

#include "support/curves.hpp"
#include "support/encoding_progress.hpp"
#include "support/graft.hpp"
#include "support/options.hpp"

namespace fs = std::filesystem;
using namespace example;

namespace {

struct Settings {
  fs::path base = "examples/data/base", llm, out = "docs/study", work = "out/graft-study";
  ClipSource clips;
  GraftTraining training{.steps = 1200, .augmentation = {.mirror = 0.5, .shift = 1}};
  std::vector<std::uint64_t> seeds{1, 2, 3};
  std::vector<std::string> runs{"without", "cross_attention"};
};

struct Kind {
  std::string name, what;
  std::string graft = {};  // by which the language model enters
};
const std::vector<Kind> kinds{{"without", "temporal convolution alone"},
                              {"cross_attention", "and the language model by a second cross-attention", "CrossText"},
                              {"gated", "and the language model by a gated cross-attention", "GatedText"},
                              {"decoupled", "and the language model inside the first cross-attention", "DecoupledText"},
                              {"concatenated", "and the language model's tokens beside the first text's", "JointText"},
                              {"pooled", "and the mean of the language model's states beside the time", "PooledText"}};

/// The end of a run.
struct Losses {
  std::uint64_t seed = 0;
  double captions = 0, others = 0, keywords = 0, known_keywords = 0;
};
struct Runs {
  Kind kind;
  std::int64_t parameters = 0;
  std::vector<Losses> losses = {};
  std::vector<Curve> keywords = {};
  bool stopped = false;
};

Runs run_all(const Kind& kind, const ClipData& data, const mg::EmbeddingCache& states, const Settings& s,
             Together& together) {
  Runs runs{.kind = kind};
  for (const std::uint64_t seed : s.seeds) {
    const fs::path grown = s.work / kind.name;
    write_pipeline(graft_plan(s.base, kind.graft, states, seed), s.base, grown, together.ranks());
    Model model = load_pipeline(grown, Weights::averaged);
    runs.parameters = mg::count_parameters(model.transformer);
    RunOptions options =
        graft_run(s.training, model, states, kind.name + " " + std::to_string(seed), grown, seed + 100);
    options.together = &together;
    const RunResult result = train(model, data, options);
    if ((runs.stopped = result.stopped)) return runs;
    ClipData known = data;
    std::swap(known.train, known.validation);
    FlowTask task(known, 1, seed);
    task.second_text = options.second_text;
    Tape tape(Tape::Mode::infer);
    const CurvePoint& end = result.curve.back();
    using Captions = FlowTask::Captions;
    runs.losses.push_back({.seed = seed,
                           .captions = end.validation_loss,
                           .others = end.other_captions,
                           .keywords = end.keywords,
                           .known_keywords = task.validation_loss(tape, model, Captions::keywords, 1)});
    Curve curve;
    for (const auto& p : result.curve) {
      curve.x.push_back(double(p.step));
      curve.y.push_back(p.keywords);
    }
    runs.keywords.push_back(std::move(curve));
  }
  return runs;
}

/// "0.1234 (0.1230 to 0.1240)".
std::string range(const std::vector<Losses>& all, double Losses::*what) {
  double sum = 0, least = INFINITY, most = 0;
  for (const auto& l : all) {
    sum += l.*what;
    least = std::min(least, l.*what);
    most = std::max(most, l.*what);
  }
  char text[64];
  std::snprintf(text, sizeof text, "%.4f (%.4f to %.4f)", sum / double(all.size()), least, most);
  return text;
}

std::string markdown(const std::vector<Runs>& all, const Settings& s, const mg::EmbeddingCache& states,
                     const std::string& command) {
  std::string text = "# Graft study\n\nWritten by `" + command + "`: " + std::to_string(s.seeds.size()) +
                     " seed(s), validation loss after " + std::to_string(s.training.steps) +
                     " steps on captions, mean and range. Keywords are other words for the same clips, as one prompt; "
                     "training never shows them. Language model: " +
                     states.manifest().language_model +
                     ".\n\n| run | what | parameters | captions, held out | keywords, held out | keywords, clips "
                     "trained on | captions of other clips |\n|---|---|---|---|---|---|---|\n";
  for (const auto& r : all)
    text += "| " + r.kind.name + " | " + r.kind.what + " | " + std::to_string(r.parameters) + " | " +
            range(r.losses, &Losses::captions) + " | " + range(r.losses, &Losses::keywords) + " | " +
            range(r.losses, &Losses::known_keywords) + " | " + range(r.losses, &Losses::others) + " |\n";
  return text + "\n![validation loss with keywords over steps](graft.png)\n";
}

void write(const std::vector<Runs>& all, const Settings& s, const mg::EmbeddingCache& states,
           const std::string& command) {
  fs::create_directories(s.out);
  std::string csv = "run,seed,captions,keywords,known_keywords,other_captions\n";
  char line[160];
  std::vector<mg::Series> lines;
  for (const auto& r : all) {
    for (const auto& l : r.losses) {
      std::snprintf(line, sizeof line, "%s,%llu,%.6f,%.6f,%.6f,%.6f\n", r.kind.name.c_str(),
                    static_cast<unsigned long long>(l.seed), l.captions, l.keywords, l.known_keywords, l.others);
      csv += line;
    }
    const Band band(r.keywords);
    lines.push_back({.name = r.kind.name, .x = band.mean.x, .y = band.mean.y, .low = band.low, .high = band.high});
  }
  mg::detail::write_file(s.out / "graft.csv", csv);
  mg::detail::write_file(s.out / "graft.md", markdown(all, s, states, command));
  mg::write_png(s.out / "graft.png", mg::plot(lines, {.title = "Words never trained on",
                                                      .x_label = "steps after the graft",
                                                      .y_label = "validation loss with keywords",
                                                      .height = 460}));
}

int run(const Settings& s, const std::string& command, Together& together) {
  const Interrupt interrupt;
  const ClipData data = clips_for(model_of(s.base).transformer.config, s.clips);
  const std::vector<std::string> texts = texts_of(data, Reworded::all);
  const mg::EmbeddingCache states = states_of(s.llm, texts, s.work, prompt_of_examples(), together.ranks());
  require_states(states, texts);
  std::cout << states.count() << " texts, " << states.tokens() << " states of width " << states.width() << ", read by "
            << mg::to_json(states.manifest()) << std::endl;
  std::vector<Runs> all;
  for (const Kind& kind : kinds) {
    if (std::ranges::find(s.runs, kind.name) == s.runs.end()) continue;
    Runs runs = run_all(kind, data, states, s, together);
    const bool first = together.ranks().first();
    if (runs.stopped || Interrupt::requested()) {
      if (first) std::cerr << "interrupted; finished kinds of run are in " << s.out << std::endl;
      return Interrupt::exit_code;
    }
    all.push_back(std::move(runs));
    if (first) write(all, s, states, command);
  }
  std::cout << "\n" << markdown(all, s, states, command) << "\nWritten to " << s.out.string() << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Together together;
  CLI::App app{"Compares training on with and without a grafted language model, on words never trained on."};
  Settings s;
  std::vector<std::string> names;
  for (const auto& kind : kinds) names.push_back(kind.name);
  app.add_option("--llm", s.llm, "language model (.gguf or directory), or a cache of its states")->required();
  app.add_option("--base", s.base, "pipeline folder of the base")->capture_default_str();
  add_options(app, s.clips);
  app.add_option("--out", s.out, "where graft.csv, graft.png and graft.md go")->capture_default_str();
  app.add_option("--work", s.work, "where grown models and states are kept meanwhile")->capture_default_str();
  app.add_option("--steps", s.training.steps, "optimizer steps of each run")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seeds", s.seeds, "seeds")->capture_default_str();
  app.add_option("--runs", s.runs, "which runs")->check(CLI::IsMember(names))->capture_default_str();
  app.add_option("--batch", s.training.batch, "clips a step")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--lr", s.training.lr, "peak learning rate")->capture_default_str();
  app.add_option("--ema", s.training.ema_decay, "decay of the averaged weights")->capture_default_str();
  app.add_option("--first-text-dropout", s.training.first_text_dropout,
                 "captions that only the language model sees, in runs that have one")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  add_options(app, s.training.augmentation);
  app.add_option("--evaluations", s.training.evaluations, "points of a curve")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::string command = "scripts/graft-study";
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--llm")
      ++i;  // the script gives it
    else
      command += " " + std::string(argv[i]);
  try {
    return run(s, command, together);
  } catch (const Stopped&) {
    return Interrupt::exit_code;
  } catch (const std::exception& e) {
    return together.fail("graft_study", e);
  }
}
