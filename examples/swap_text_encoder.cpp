// SPDX-License-Identifier: MIT
// A pretrained text-to-video model reads a language model in place of the text encoder it was trained with: how far a
// closed-form alignment carries, beside a projector that starts from random numbers, and what training makes of both.
#include <iostream>
#include <memory>

#include <modelgrow/grow/plan_print.hpp>

#include "support/encoding_progress.hpp"
#include "support/options.hpp"
#include "support/swap.hpp"

namespace fs = std::filesystem;
using namespace example;

namespace {

struct Settings {
  fs::path llm, base = "examples/data/base", out = "out/swap";
  ClipSource clips{.archives = {emoji_clips().front()}};
  double lambda = 0.1;
  GraftTraining training{.augmentation = {.mirror = 0.5, .shift = 1}};
  std::uint64_t seed = 1;
};

/// One model of the comparison, before and after training.
struct Contestant {
  std::string name;
  fs::path folder;
  std::optional<Model> model = {};
  mg::OutputChange change = {};
  std::vector<CurvePoint> points = {};
};

/// What was found before any training.
struct Findings {
  std::string language_model, certificate;
  TextMap map;
  double without_text = 0;  // validation loss of the old model with dropped captions
};

std::string held_out(const TextMap& map) {
  if (!map.r2_held_out) return "not measured on held-out texts: every validation text is one of training";
  char text[96];
  std::snprintf(text, sizeof text, "%.3f on %lld of held-out texts", *map.r2_held_out,
                static_cast<long long>(map.held_out));
  return text;
}

std::string markdown(const std::vector<Contestant>& all, const Findings& found) {
  char text[512];
  std::snprintf(text, sizeof text,
                "# Another text encoder\n\nLanguage model: %s. Alignment: R^2 %.3f on the %lld pairs of tokens it was "
                "fitted to, %s.\n\nCertificate: %s.\n\n",
                found.language_model.c_str(), found.map.r2_fitted, static_cast<long long>(found.map.fitted),
                held_out(found.map).c_str(), found.certificate.c_str());
  std::string table = text;
  table +=
      "| model | steps | output change | validation loss, captions | captions of other clips | keywords |\n"
      "|---|---|---|---|---|---|\n";
  const std::size_t points = all.front().points.size();
  for (std::size_t i : points > 1 ? std::vector<std::size_t>{0, points - 1} : std::vector<std::size_t>{0})
    for (const auto& c : all) {
      const CurvePoint& p = c.points[i];
      std::snprintf(text, sizeof text, "| %s | %lld | ", c.name.c_str(), static_cast<long long>(p.step));
      table += text;
      if (i == 0) {
        std::snprintf(text, sizeof text, "%.2g", c.change.relative());
        table += text;
      }
      std::snprintf(text, sizeof text, " | %.5f | %.5f | %.5f |\n", p.validation_loss, p.other_captions, p.keywords);
      table += text;
    }
  std::snprintf(text, sizeof text,
                "\nThe output change is |after - before| / |before| of the predictions on the validation clips, before "
                "training. With every caption dropped the old model has a validation loss of %.5f.\n",
                found.without_text);
  return table + text;
}

mg::detail::json json(const std::vector<Contestant>& all, const Findings& found) {
  mg::detail::json report{{"language_model", found.language_model},
                          {"certificate", found.certificate},
                          {"r2", {{"fitted", found.map.r2_fitted}}},
                          {"pairs", {{"fitted", found.map.fitted}, {"held_out", found.map.held_out}}},
                          {"without_text", found.without_text}};
  if (found.map.r2_held_out) report["r2"]["held_out"] = *found.map.r2_held_out;
  for (const auto& c : all) {
    auto& entry = report["models"][c.name];
    entry["output_change"] = {{"relative", c.change.relative()}, {"max_abs", c.change.max_abs}};
    for (const auto& p : c.points)
      entry["losses"].push_back({{"step", p.step},
                                 {"captions", p.validation_loss},
                                 {"other_captions", p.other_captions},
                                 {"keywords", p.keywords}});
  }
  return report;
}

LanguageModel read_texts(const Settings& s, const ClipData& data, mg::Ranks& ranks) {
  if (s.llm.extension() == ".safetensors")
    throw mg::error(s.llm.string() +
                    ": states alone do not say which bytes they stand for; give the language model (scripts/get-llm)");
  const auto states = states_of(s.llm, texts_of(data, Reworded::all), s.out, prompt_of_examples(), ranks);
  return {mg::CaptionEncoder<mg::Cpu>::open(s.llm, states.manifest()), states};
}

int run(const Settings& s, Together& together) {
  const Interrupt interrupt;
  Model old = load_pipeline(s.base, Weights::averaged);
  if (!old.text_encoder)
    throw mg::error(s.base.string() + ": this model has no text encoder of its own to be aligned with");
  if (mg::second_text(old.transformer.config.grafts))
    throw mg::error(s.base.string() +
                    ": this model reads a second text encoder beside its own; give the pipeline that it was grafted "
                    "onto");
  const ClipData data = clips_for(old.transformer.config, s.clips);
  const LanguageModel llm = read_texts(s, data, together.ranks());
  Findings found{.language_model = llm.states.manifest().language_model,
                 .certificate = {},
                 .map = fit_text_map(old, llm, data, s.lambda)};
  const TextMap& map = found.map;
  std::cout << "R^2 " << map.r2_fitted << " on " << map.fitted << " pairs of tokens, " << held_out(map) << std::endl;

  const mg::Plan plan = swap_plan(s.base, llm.states, map.map, s.seed);
  found.certificate = mg::to_string(plan.certificate());
  std::cout << "\nThe plan (dry run)\n" << plan << std::endl;
  std::vector<Contestant> all{{.name = "before", .folder = s.base},
                              {.name = "aligned", .folder = s.out / "aligned"},
                              {.name = "not aligned", .folder = s.out / "unaligned"}};
  write_pipeline(plan, s.base, all[1].folder, together.ranks());
  write_pipeline(swap_plan(s.base, llm.states, {}, s.seed), s.base, all[2].folder, together.ranks());

  FlowTask task(data, std::uint64_t(s.training.batch), s.seed);
  task.first_text = text_source(llm.states);
  Tape tape(Tape::Mode::infer);
  for (auto& c : all) {
    c.model = load_pipeline(c.folder, Weights::averaged);
    c.change = output_change(task, old, *c.model);
    std::cout << c.name << ": output change " << c.change.relative() << std::endl;
  }
  using Captions = FlowTask::Captions;
  found.without_text = task.validation_loss(tape, old, Captions::none);
  for (auto& c : all) {
    if (s.training.steps > 0) {
      RunOptions options = graft_run(s.training, *c.model, llm.states, c.name, c.folder, s.seed + 100);
      options.first_text = task.first_text;
      options.together = &together;
      if (c.folder != s.base) options.directory = c.folder;  // the trained pipeline takes the place of the swapped one
      const RunResult result = train(*c.model, data, options);
      if (result.stopped) return Interrupt::exit_code;
      c.points = result.curve;
    } else {
      c.points.push_back({.validation_loss = task.validation_loss(tape, *c.model),
                          .other_captions = task.validation_loss(tape, *c.model, Captions::others),
                          .keywords = task.validation_loss(tape, *c.model, Captions::keywords)});
    }
  }
  if (!together.ranks().first()) return 0;
  const std::string text = markdown(all, found);
  mg::detail::write_file(s.out / "report.json", json(all, found).dump(2) + "\n");
  mg::detail::write_file(s.out / "report.md", text);
  std::cout << "\n" << text << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Together together;
  CLI::App app{
      "Swaps the text encoder of a pretrained text-to-video model for a language model, aligned in closed form, and "
      "says how far the output moves."};
  Settings s;
  app.add_option("--llm", s.llm, "language model (.gguf or directory)")->required();
  app.add_option("--base", s.base, "pipeline folder of the pretrained model")->capture_default_str();
  app.add_option("--clips", s.clips.archives, "WebDataset archives of captioned clips")->capture_default_str();
  app.add_option("--out", s.out, "where the models and the report go")->capture_default_str();
  app.add_option("--lambda", s.lambda, "ridge penalty over the mean variance of a channel")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--steps", s.training.steps, "steps of training for each model; 0: none")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--batch", s.training.batch, "clips a step")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--lr", s.training.lr, "peak learning rate")->capture_default_str();
  app.add_option("--seed", s.seed, "seed of everything random")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return run(s, together);
  } catch (const Stopped&) {
    return Interrupt::exit_code;
  } catch (const std::exception& e) {
    return together.fail("swap_text_encoder", e);
  }
}
