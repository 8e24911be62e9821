// SPDX-License-Identifier: MIT
// The main job: grow a pretrained text-to-video model without changing its function, go on training it, and compare
// with going on training the old one for the same compute.
#include <chrono>
#include <iostream>

#include <modelgrow/media/gif.hpp>
#include <modelgrow/media/png.hpp>

#include "support/gallery.hpp"
#include "support/growth.hpp"
#include "support/options.hpp"
#include "support/report.hpp"
#include "support/shape_test.hpp"
#include "support/side_by_side.hpp"

namespace fs = std::filesystem;
using namespace example;

namespace {

/// How clips of a kind are trained on and sampled.
struct Habits {
  std::int64_t batch = 8;
  double lr = 5e-4, ema = 0.999, guidance = 3;
  std::int64_t sample_steps = 24;
  mg::Schedule::Kind schedule = mg::Schedule::Kind::cosine;
};
constexpr Habits usual, habits_of_shapes{.batch = 16,
                                         .lr = 3e-3,
                                         .ema = 0.99,
                                         .guidance = 1,
                                         .sample_steps = 16,
                                         .schedule = mg::Schedule::Kind::stable_decay};

struct Settings : GrowthOptions {
  double tflop = 6;
  std::optional<std::int64_t> batch, sample_steps;
  std::optional<double> lr, ema, guidance;
  mg::Augmentation augmentation{.mirror = 0.5,
                                .shift = 1};  // against learning the few clips by heart; endless ones stay as they are
  std::int64_t prompts = 8;
  std::size_t judged = 64;

  Habits habits() const {
    const Habits h = clips.shapes > 0 ? habits_of_shapes : usual;
    return {.batch = batch.value_or(h.batch),
            .lr = lr.value_or(h.lr),
            .ema = ema.value_or(h.ema),
            .guidance = guidance.value_or(h.guidance),
            .sample_steps = sample_steps.value_or(h.sample_steps),
            .schedule = h.schedule};
  }
};

RunResult continue_training(Model& model, const ClipData& data, const Settings& s, const std::string& name,
                            const fs::path& start_from, RunOptions::OnTerminal on_terminal, Together& together) {
  const Habits how = s.habits();
  return train(model, data,
               spending(model, s.tflop, 10,
                        RunOptions{.name = name,
                                   .batch = how.batch,
                                   .lr = how.lr,
                                   .schedule = how.schedule,
                                   .ema_decay = how.ema,
                                   .augmentation = data.train.endless ? mg::Augmentation{} : s.augmentation,
                                   .seed = s.seed + 100,
                                   .start_from = start_from,
                                   .log = s.out / (name + ".jsonl"),
                                   .together = &together,
                                   .on_terminal = on_terminal}));
}

/// Of moving shapes: what a model makes of prompts of one object, of two, of three.
std::vector<mg::ShapeScore> judge(const FlowTask& task, Model& model, const Settings& s) {
  std::vector<mg::ShapeScore> scores;
  for (int objects = 1; objects <= s.clips.shapes; ++objects)
    scores.push_back(ShapeTest(s.clips, model.transformer.config, objects, s.judged)(task, model, s.habits().guidance,
                                                                                     s.habits().sample_steps));
  return scores;
}

int run(const Settings& s, Together& together) {
  const Interrupt interrupt;
  fs::create_directories(s.out);
  JobReport report;

  Growth growth = grow_and_check(s, together.ranks());
  Model &base = growth.base, &grown = growth.grown;
  const FlowTask task(growth.data, 8, s.seed);

  std::cout << "5. training on, " << s.tflop << " TFLOP each" << std::endl;
  Tape tape(Tape::Mode::infer);
  const Habits how = s.habits();
  Gallery gallery(task, s.clips,
                  {.prompts = s.prompts, .sample_steps = how.sample_steps, .guidance = how.guidance, .seed = s.seed});
  gallery.add("base", base);
  report.base_start = task.validation_loss(tape, base);
  report.grown_start = task.validation_loss(tape, grown);
  report.judged_start = judge(task, base, s);
  const auto begin = std::chrono::steady_clock::now();
  using enum RunOptions::OnTerminal;
  const auto train_base = [&] {
    report.base = continue_training(base, growth.data, s, "base", s.base, nothing, together);
  };
  const auto train_grown = [&] {
    report.grown = continue_training(grown, growth.data, s, "grown", s.grown(), progress, together);
  };
  in_turn_or_side_by_side(together.ranks(), train_base, train_grown);
  if (!together.ranks().first()) return Interrupt::requested() ? Interrupt::exit_code : 0;
  if (Interrupt::requested()) {
    std::cerr << "interrupted; the logs so far are in " << s.out << std::endl;
    return Interrupt::exit_code;
  }
  report.seconds_train = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  side_by_side([&] { report.judged_base = judge(task, base, s); },
               [&] { report.judged_grown = judge(task, grown, s); });

  gallery.add("trained on", base);
  gallery.add("grown", grown);
  mg::write_png(
      s.out / "samples.png",
      mg::contact_sheet(gallery.rows(), {.title = "Captions never trained on: the base, and after equal compute"}));
  mg::write_gif(s.out / "samples.gif", gallery.grid(), {.scale = 3});
  mg::write_png(s.out / "curves.png",
                loss_picture(std::vector{series("grown", report.grown), series("base, trained on", report.base)}));

  report.parameters_base = growth.written.parameters_before;
  report.parameters_grown = growth.written.parameters_after;
  report.preservation_abs = growth.check.output.max_abs;
  report.preservation_rel = growth.check.output.max_rel;
  report.file_residual = growth.written.max_residual;
  report.certificate = mg::to_string(growth.written.certificate);
  report.seconds_load = growth.seconds_load;
  report.seconds_plan = growth.seconds_plan;
  report.seconds_write = growth.seconds_write;
  report.flops_base = step_flops(base, how.batch);
  report.flops_grown = step_flops(grown, how.batch);
  report.peak_rss_mb = double(mg::peak_rss()) * 1e-6;
  report.captions = gallery.captions();
  mg::detail::write_file(s.out / "report.json", report.json().dump(2) + "\n");
  mg::detail::write_file(s.out / "report.md", report.markdown());
  std::cout << "\n" << report.markdown() << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Together together;
  CLI::App app{"Grows a pretrained text-to-video model, proves that nothing changed, and goes on training it."};
  Settings s;
  add_options(app, static_cast<GrowthOptions&>(s));
  app.add_option("--tflop", s.tflop, "compute of each of the two runs")->capture_default_str();
  const auto of_kind = [](const char* what, auto shapes, auto others) {
    return std::string(what) + " (default: " + mg::detail::to_word(shapes) + " for moving shapes, " +
           mg::detail::to_word(others) + " for other clips)";
  };
  app.add_option("--batch", s.batch, of_kind("clips a step", habits_of_shapes.batch, usual.batch));
  app.add_option("--lr", s.lr, of_kind("peak learning rate", habits_of_shapes.lr, usual.lr));
  app.add_option("--ema", s.ema, of_kind("decay of the averaged weights", habits_of_shapes.ema, usual.ema));
  add_options(app, s.augmentation);
  app.add_option(
      "--guidance", s.guidance,
      of_kind("classifier-free guidance of the samples, 1: none", habits_of_shapes.guidance, usual.guidance));
  app.add_option("--sample-steps", s.sample_steps,
                 of_kind("Euler steps of the samples", habits_of_shapes.sample_steps, usual.sample_steps));
  app.add_option("--prompts", s.prompts, "held-out captions to sample")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--judge", s.judged, "moving shapes: prompts of one object, of two, of three to sample and judge")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return run(s, together);
  } catch (const std::exception& e) {
    return together.fail("grow_and_continue", e);
  }
}
