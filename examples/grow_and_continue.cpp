// SPDX-License-Identifier: MIT
// The main job: grow a pretrained text-to-video model without changing its function, go on training it, and compare
// with going on training the old one and with a fresh model of the new size, all for the same compute.
#include <chrono>
#include <iostream>

#include <modelgrow/media/contact_sheet.hpp>
#include <modelgrow/media/gif.hpp>
#include <modelgrow/media/png.hpp>

#include "support/growth.hpp"
#include "support/options.hpp"
#include "support/report.hpp"

namespace fs = std::filesystem;
using namespace example;

namespace {

struct Settings : GrowthOptions {
  double tflop = 6;
  std::int64_t batch = 8;
  double lr = 5e-4, fresh_lr = 2e-3, guidance = 3;
  double ema_decay = 0.999, fresh_ema_decay = 0.99;          // a fresh model has no averages from before
  mg::Augmentation augmentation{.mirror = 0.5, .shift = 1};  // against learning the few clips by heart
  std::int64_t sample_steps = 24, prompts = 8;
};

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

  Growth growth = grow_and_check(s);
  Model &base = growth.base, &grown = growth.grown;
  const ClipData& data = growth.data;
  const FlowTask task(data, 8, s.seed);

  std::cout << "5. training on, " << s.tflop << " TFLOP each\n";
  const auto begin = std::chrono::steady_clock::now();
  Tape tape(Tape::Mode::infer);
  std::vector<std::string> prompts;
  for (std::int64_t i = 0; i < s.prompts; ++i)
    prompts.push_back(data.validation.captions[std::size_t(i) * data.validation.count() / std::size_t(s.prompts)]);
  const auto before = task.sample(tape, base, prompts, s.guidance, s.sample_steps, s.seed);
  report.base_start = task.validation_loss(tape, base);
  report.grown_start = task.validation_loss(tape, grown);
  report.grown = continue_training(grown, data, s, "grown", s.grown());
  report.base = report.grown.stopped ? RunResult{} : continue_training(base, data, s, "base", s.base);
  Model fresh = fresh_model(model_of(s.grown()), s.seed);
  if (!report.base.stopped && !report.grown.stopped) report.scratch = continue_training(fresh, data, s, "scratch", {});
  if (Interrupt::requested()) {
    std::cerr << "interrupted; the logs so far are in " << s.out << std::endl;
    return Interrupt::exit_code;
  }
  report.seconds_train = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

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

  report.parameters_base = growth.written.parameters_before;
  report.parameters_grown = growth.written.parameters_after;
  report.preservation_abs = growth.check.output.max_abs;
  report.preservation_rel = growth.check.output.max_rel;
  report.file_residual = growth.written.max_residual;
  report.certificate = mg::to_string(growth.written.certificate);
  report.seconds_load = growth.seconds_load;
  report.seconds_plan = growth.seconds_plan;
  report.seconds_write = growth.seconds_write;
  report.flops_base = step_flops(base, s.batch);
  report.flops_grown = step_flops(grown, s.batch);
  report.peak_rss_mb = double(mg::peak_rss()) * 1e-6;
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
  add_options(app, static_cast<GrowthOptions&>(s));
  app.add_option("--tflop", s.tflop, "compute of each of the three runs")->capture_default_str();
  app.add_option("--batch", s.batch, "clips a step")->capture_default_str();
  app.add_option("--lr", s.lr, "peak learning rate of the trained models")->capture_default_str();
  app.add_option("--fresh-lr", s.fresh_lr, "peak learning rate of the fresh model")->capture_default_str();
  add_options(app, s.augmentation);
  app.add_option("--guidance", s.guidance, "classifier-free guidance of the samples")->capture_default_str();
  app.add_option("--sample-steps", s.sample_steps, "Euler steps of the samples")->capture_default_str();
  app.add_option("--prompts", s.prompts, "held-out captions to sample")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return run(s);
  } catch (const std::exception& e) {
    std::cerr << "grow_and_continue: " << e.what() << std::endl;
    return 1;
  }
}
