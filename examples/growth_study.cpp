// SPDX-License-Identifier: MIT
// Does growth pay? From one saturated base, for several seeds and kinds of growth: train the grown model on, the base
// itself, and a fresh model of the grown size, all for the same compute; writes growth.csv, growth.png and growth.md.
#include <iostream>

#include <modelgrow/grafts.hpp>
#include <modelgrow/media/png.hpp>

#include "support/curves.hpp"
#include "support/options.hpp"
#include "support/pipeline.hpp"

namespace fs = std::filesystem;
using namespace example;

namespace {

struct Settings {
  fs::path base = "examples/data/base-digits", out = "docs/study", work = "out/study";
  ClipSource clips{.digits = 16384};
  double tflop = 12, lr = 8e-4, fresh_lr = 8e-4, ema_decay = 0.999;
  mg::Schedule::Kind schedule = mg::Schedule::Kind::constant;
  std::int64_t batch = 8, evaluations = 20;
  mg::Augmentation augmentation;
  std::vector<std::uint64_t> seeds{1, 2, 3};
  std::vector<std::string> runs;
};

/// A kind of run; without a plan it is the base itself, or a fresh model.
struct Kind {
  std::string name, what;
  mg::Plan (*plan)(const mg::Schema&, std::uint64_t seed) = nullptr;
};

constexpr double noise_db = 20;
mg::Plan deeper_wider(const mg::Schema& s, double noise, std::uint64_t seed) {
  return mg::plan(
      s, mg::InsertBlocks{.every = 2},
      mg::Net2Wider{.space = "ffn", .to = s.space("ffn").space.size * 3 / 2, .noise_db = noise, .seed = seed},
      mg::Graft<mg::grafts::TemporalConv>{});
}
mg::Plan wider(const mg::Schema& s, double noise, std::uint64_t seed) {
  return mg::plan(s,
                  mg::Net2Wider{.space = "ffn", .to = s.space("ffn").space.size * 2, .noise_db = noise, .seed = seed});
}

const std::string base_name = "base", fresh_name = "fresh", grown_name = "grown";
const std::vector<Kind> kinds{
    {base_name, "the base itself, trained on"},
    {grown_name, "blocks inserted, MLPs half as wide again, temporal convolution",
     [](const mg::Schema& s, std::uint64_t seed) { return deeper_wider(s, noise_db, seed); }},
    {"grown-even", "as grown, copies split evenly, without noise",
     [](const mg::Schema& s, std::uint64_t seed) { return deeper_wider(s, 0, seed); }},
    {"depth", "blocks doubled",
     [](const mg::Schema& s, std::uint64_t) { return mg::plan(s, mg::InsertBlocks{.every = 1}); }},
    {"motion", "temporal convolution",
     [](const mg::Schema& s, std::uint64_t) { return mg::plan(s, mg::Graft<mg::grafts::TemporalConv>{}); }},
    {"ffn", "MLPs twice as wide", [](const mg::Schema& s, std::uint64_t seed) { return wider(s, noise_db, seed); }},
    {"ffn-even", "as ffn, copies split evenly, without noise",
     [](const mg::Schema& s, std::uint64_t seed) { return wider(s, 0, seed); }},
    {fresh_name, "a fresh model, size of grown"}};

/// All runs of one kind.
struct Runs {
  Kind kind;
  std::int64_t parameters = 0;
  double step_gflop = 0;
  std::vector<Curve> curves = {};
};

/// The model that a run of this kind begins with, and the folder that holds its state (none for a fresh one).
std::pair<Model, fs::path> begin_of(const Kind& kind, const Settings& s, std::uint64_t seed) {
  if (kind.name == base_name) return {load_pipeline(s.base, Weights::averaged), s.base};
  const auto in = mg::Checkpoint::open(s.base / "transformer");
  const auto make = kind.plan ? kind.plan : kinds[1].plan;
  const mg::Plan plan = make(mg::schema(in), seed);
  const fs::path grown = s.work / kind.name;
  fs::remove_all(grown);
  fs::create_directories(grown);
  plan.write(in, grown / "transformer");
  copy_text_encoder(s.base, grown);
  if (kind.plan) return {load_pipeline(grown, Weights::averaged), grown};
  return {fresh_model(model_of(grown), seed), fs::path()};
}

std::string csv(const std::vector<Runs>& all, const Settings& s) {
  std::string text = "run,seed,tflop,validation_loss\n";
  char line[128];
  for (const auto& runs : all)
    for (std::size_t k = 0; k < runs.curves.size(); ++k)
      for (std::size_t i = 0; i < runs.curves[k].x.size(); ++i) {
        std::snprintf(line, sizeof line, "%s,%llu,%.5f,%.6f\n", runs.kind.name.c_str(),
                      static_cast<unsigned long long>(s.seeds[k]), runs.curves[k].x[i], runs.curves[k].y[i]);
        text += line;
      }
  return text;
}

std::string markdown(const std::vector<Runs>& all, const Settings& s, const std::string& command) {
  std::string text = "# Growth study\n\nWritten by `" + command + "`: " + std::to_string(s.seeds.size()) +
                     " seed(s), validation loss after the same compute.\n\n"
                     "| run | what | parameters | GFLOP a step | loss at the end (range) | below the base from |\n"
                     "|---|---|---|---|---|---|\n";
  std::optional<Band> base;
  for (const auto& runs : all)
    if (runs.kind.name == base_name) base.emplace(runs.curves);
  for (const auto& runs : all) {
    const Band band(runs.curves);
    const auto below = base && runs.kind.name != base_name ? crossing(band.mean, base->mean) : std::nullopt;
    char line[256], from[48] = "the first point";
    if (below && *below > 0) std::snprintf(from, sizeof from, "%.2f TFLOP", *below);
    std::snprintf(line, sizeof line, " | %lld | %.1f | %.5f (%.5f to %.5f) | %s |\n",
                  static_cast<long long>(runs.parameters), runs.step_gflop, band.mean.y.back(), band.low.back(),
                  band.high.back(),
                  below                         ? from
                  : runs.kind.name == base_name ? ""
                                                : "never");
    text += "| " + runs.kind.name + " | " + runs.kind.what + line;
  }
  return text + "\n![validation loss over compute, mean and range over seeds](growth.png)\n";
}

void write(const std::vector<Runs>& all, const Settings& s, const std::string& command) {
  fs::create_directories(s.out);
  mg::detail::write_file(s.out / "growth.csv", csv(all, s));
  std::vector<mg::Series> trained, fresh;
  for (const auto& runs : all) {
    const Band band(runs.curves);
    auto& lines = runs.kind.name == fresh_name ? fresh : trained;
    lines.push_back({.name = runs.kind.name, .x = band.mean.x, .y = band.mean.y, .low = band.low, .high = band.high});
  }
  if (!trained.empty()) mg::write_png(s.out / "growth.png", loss_picture(trained, fresh));
  mg::detail::write_file(s.out / "growth.md", markdown(all, s, command));
}

int run(const Settings& s, const std::string& command) {
  const Interrupt interrupt;
  const ClipData data = clips_for(model_of(s.base).transformer.config, s.clips);
  std::vector<Runs> all;
  for (const Kind& kind : kinds) {
    if (!s.runs.empty() && std::ranges::find(s.runs, kind.name) == s.runs.end()) continue;
    Runs runs{.kind = kind};
    for (const std::uint64_t seed : s.seeds) {
      auto [model, start_from] = begin_of(kind, s, seed);
      runs.parameters = mg::count_parameters(model.transformer);
      runs.step_gflop = step_flops(model, s.batch) * 1e-9;
      const auto result = train(model, data,
                                spending(model, s.tflop, s.evaluations,
                                         RunOptions{.name = kind.name + " " + std::to_string(seed),
                                                    .batch = s.batch,
                                                    .lr = start_from.empty() ? s.fresh_lr : s.lr,
                                                    .schedule = s.schedule,
                                                    .ema_decay = s.ema_decay,
                                                    .augmentation = s.augmentation,
                                                    .seed = seed + 100,
                                                    .start_from = start_from}));
      if (result.stopped) {
        std::cerr << "interrupted; finished kinds of run are in " << s.out << std::endl;
        return Interrupt::exit_code;
      }
      const mg::Series line = series(kind.name, result);
      runs.curves.push_back({line.x, line.y});
    }
    all.push_back(std::move(runs));
    write(all, s, command);
  }
  if (all.empty()) throw mg::error("--runs names no run of the study; see --help");
  std::cout << "\n" << markdown(all, s, command) << "\nWritten to " << s.out.string() << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Compares training a grown model on with training its base on and with a fresh model, at equal compute."};
  Settings s;
  bool smoke = false;
  std::vector<std::string> names;
  for (const auto& kind : kinds) names.push_back(kind.name);
  app.add_option("--base", s.base, "pipeline folder of the saturated base")->capture_default_str();
  add_options(app, s.clips);
  app.add_option("--out", s.out, "where growth.csv, growth.png and growth.md go")->capture_default_str();
  app.add_option("--work", s.work, "where grown models are kept meanwhile")->capture_default_str();
  app.add_option("--tflop", s.tflop, "compute of each run")->capture_default_str();
  app.add_option("--seeds", s.seeds, "seeds")->capture_default_str();
  app.add_option("--runs", s.runs, "which runs (default: all)")->check(CLI::IsMember(names));
  app.add_option("--batch", s.batch, "clips a step")->capture_default_str();
  app.add_option("--lr", s.lr, "peak learning rate of the trained models")->capture_default_str();
  app.add_option("--fresh-lr", s.fresh_lr, "peak learning rate of the fresh model")->capture_default_str();
  const std::map<std::string, mg::Schedule::Kind> schedules{{"constant", mg::Schedule::Kind::constant},
                                                            {"cosine", mg::Schedule::Kind::cosine}};
  app.add_option("--schedule", s.schedule, "course of the learning rate after warm-up")
      ->transform(CLI::CheckedTransformer(schedules));
  app.add_option("--ema", s.ema_decay, "decay of the averaged weights")->capture_default_str();
  add_options(app, s.augmentation);
  app.add_option("--evaluations", s.evaluations, "points of a curve")->capture_default_str();
  app.add_flag("--smoke", smoke, "a few steps of each run, one seed, into out/study/smoke");
  CLI11_PARSE(app, argc, argv);
  if (smoke) {
    s.tflop = 0.1;
    s.seeds = {1};
    s.evaluations = 2;
    s.out = s.work / "smoke";
  }
  std::string command = "scripts/study";
  for (int i = 1; i < argc; ++i) command += " " + std::string(argv[i]);
  try {
    return run(s, command);
  } catch (const std::exception& e) {
    std::cerr << "growth_study: " << e.what() << std::endl;
    return 1;
  }
}
