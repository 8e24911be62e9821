// SPDX-License-Identifier: MIT
// The main job: grow a pretrained text-to-video model without changing its function, go on training it, and compare
// with going on training the old one and with a fresh model of the new size, all for the same compute.
#include <chrono>
#include <iostream>

#include <modelgrow/expand.hpp>
#include <modelgrow/media/contact_sheet.hpp>
#include <modelgrow/media/gif.hpp>
#include <modelgrow/media/png.hpp>

#include "support/options.hpp"
#include "support/pipeline.hpp"
#include "support/report.hpp"

namespace fs = std::filesystem;
using namespace example;

namespace {

struct Settings {
  fs::path base = "examples/data/base", out = "out/demo";
  ClipSource clips;
  double tflop = 6;
  std::int64_t batch = 8, ffn = 0;
  double lr = 5e-4, fresh_lr = 2e-3, guidance = 3;
  double ema_decay = 0.999, fresh_ema_decay = 0.99;          // a fresh model has no averages from before
  mg::Augmentation augmentation{.mirror = 0.5, .shift = 1};  // against learning the few clips by heart
  std::int64_t sample_steps = 24, prompts = 8;
  std::uint64_t seed = 1;
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// What the plan does: about twice the parameters, and eyes for motion.
mg::Plan growth(const mg::Schema& base, const Settings& s) {
  const std::int64_t ffn = base.space("ffn").space.size;
  return mg::plan(base, mg::InsertBlocks{.every = 2},
                  mg::Net2Wider{.space = "ffn", .to = s.ffn ? s.ffn : ffn * 3 / 2, .noise_db = 20, .seed = s.seed},
                  mg::ZeroInitLayer{.layer = "conv_temp", .arguments = {{"kind", "dense"}, {"kernel", "3"}}});
}

RunResult continue_training(Model& model, const ClipData& data, const Settings& s, const std::string& name,
                            const fs::path& start_from) {  // a fresh model starts from nothing
  return train(model, data,
               spending(model, s.tflop, 5,
                        RunOptions{.name = name,
                                   .batch = s.batch,
                                   .lr = start_from.empty() ? s.fresh_lr : s.lr,
                                   .schedule = mg::Schedule::Kind::cosine,
                                   .ema_decay = start_from.empty() ? s.fresh_ema_decay : s.ema_decay,
                                   .augmentation = s.augmentation,
                                   .seed = s.seed + 100,
                                   .start_from = start_from,
                                   .log = s.out / (name + ".jsonl")}));
}

int run(const Settings& s) {
  const Interrupt interrupt;
  fs::create_directories(s.out);
  JobReport report;

  auto begin = std::chrono::steady_clock::now();
  const auto in = mg::Checkpoint::open(s.base / "transformer");
  const mg::Schema schema = mg::schema(in);  // refuses what is no video transformer before anything is loaded
  Model base = load_pipeline(s.base, Weights::averaged);
  const auto& video = base.transformer.config;
  const ClipData data = clips_for(video, s.clips);
  report.seconds_load = seconds_since(begin);
  std::cout << "1. loaded " << s.base.string() << ": " << mg::count_parameters(base.transformer)
            << " parameters, trained on " << data.train.count() << " captioned clips\n\n";

  begin = std::chrono::steady_clock::now();
  const mg::Plan plan = growth(schema, s);
  report.seconds_plan = seconds_since(begin);
  std::cout << "2. the plan (dry run)\n" << plan << "\n";

  begin = std::chrono::steady_clock::now();
  const fs::path grown_path = s.out / "grown";
  fs::remove_all(grown_path);
  fs::create_directories(grown_path);
  const mg::Report written = plan.write(in, grown_path / "transformer");
  copy_text_encoder(s.base, grown_path);
  report.seconds_write = seconds_since(begin);
  std::cout << "3. written to " << grown_path.string() << "\n" << written << "\n";

  Model grown = load_pipeline(grown_path, Weights::averaged);
  const FlowTask task(data, 8, s.seed);
  const mg::ForwardCheck check = task.compare(plan, base, grown);
  std::cout << "4. " << check << "\n\n";
  check.require();

  std::cout << "5. training on, " << s.tflop << " TFLOP each\n";
  begin = std::chrono::steady_clock::now();
  Tape tape(Tape::Mode::infer);
  std::vector<std::string> prompts;
  for (std::int64_t i = 0; i < s.prompts; ++i)
    prompts.push_back(data.validation.captions[std::size_t(i) * data.validation.count() / std::size_t(s.prompts)]);
  const auto before = task.sample(tape, base, prompts, s.guidance, s.sample_steps, s.seed);
  report.base_start = task.validation_loss(tape, base);
  report.grown_start = task.validation_loss(tape, grown);
  report.grown = continue_training(grown, data, s, "grown", grown_path);
  report.base = report.grown.stopped ? RunResult{} : continue_training(base, data, s, "base", s.base);
  Model fresh = fresh_model(model_of(grown_path), s.seed);
  if (!report.base.stopped && !report.grown.stopped) report.scratch = continue_training(fresh, data, s, "scratch", {});
  if (Interrupt::requested()) {
    std::cerr << "interrupted; the logs so far are in " << s.out << std::endl;
    return Interrupt::exit_code;
  }
  report.seconds_train = seconds_since(begin);

  const auto after = task.sample(tape, grown, prompts, s.guidance, s.sample_steps, s.seed);
  std::vector<mg::ContactRow> rows;
  std::vector<mg::Clip> all;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const mg::Clip old = clip_of(before, std::int64_t(i)), now = clip_of(after, std::int64_t(i));
    rows.push_back(
        {.caption = prompts[i], .strips = {{.label = "base", .clip = old}, {.label = "grown", .clip = now}}});
    all.insert(all.end(), {old, now});
  }
  mg::write_png(s.out / "samples.png", mg::contact_sheet(rows, {.title = "Captions never trained on, base and grown"}));
  mg::write_gif(s.out / "samples.gif", mg::clip_grid(all, 8), {.scale = 3});
  const std::vector<mg::Series> trained{series("grown", report.grown), series("base, trained on", report.base)};
  mg::write_png(s.out / "curves.png",
                loss_picture(trained, std::vector{series("fresh, size of the grown", report.scratch)}));

  report.parameters_base = written.parameters_before;
  report.parameters_grown = written.parameters_after;
  report.preservation_abs = check.output.max_abs;
  report.preservation_rel = check.output.max_rel;
  report.file_residual = written.max_residual;
  report.flops_base = step_flops(base, s.batch);
  report.flops_grown = step_flops(grown, s.batch);
  report.peak_rss_mb = double(mg::peak_rss()) * 1e-6;
  report.certificate = mg::to_string(written.certificate);
  report.captions = prompts;
  mg::detail::write_file(s.out / "report.json", report.json().dump(2) + "\n");
  mg::detail::write_file(s.out / "report.md", report.markdown());
  std::cout << "\n" << report.markdown() << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Grows a pretrained text-to-video model, proves that nothing changed, and goes on training it."};
  Settings s;
  app.add_option("--base", s.base, "pipeline folder of the pretrained model")->capture_default_str();
  app.add_option("--clips", s.clips.archives, "WebDataset archives of captioned clips")->capture_default_str();
  app.add_option("--out", s.out, "where the grown model, report and pictures go")->capture_default_str();
  app.add_option("--tflop", s.tflop, "compute of each of the three runs")->capture_default_str();
  app.add_option("--batch", s.batch, "clips a step")->capture_default_str();
  app.add_option("--lr", s.lr, "peak learning rate of the trained models")->capture_default_str();
  app.add_option("--fresh-lr", s.fresh_lr, "peak learning rate of the fresh model")->capture_default_str();
  app.add_option("--ffn", s.ffn, "width of the grown MLPs (default: half as wide again)");
  add_options(app, s.augmentation);
  app.add_option("--guidance", s.guidance, "classifier-free guidance of the samples")->capture_default_str();
  app.add_option("--sample-steps", s.sample_steps, "Euler steps of the samples")->capture_default_str();
  app.add_option("--prompts", s.prompts, "held-out captions to sample")->capture_default_str();
  app.add_option("--seed", s.seed, "seed of everything random")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return run(s);
  } catch (const std::exception& e) {
    std::cerr << "grow_and_continue: " << e.what() << std::endl;
    return 1;
  }
}
