// SPDX-License-Identifier: MIT
// The training loop of the examples.
#include "run.hpp"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <sstream>

#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/ops/mse.hpp>
#include <modelgrow/train/flops.hpp>
#include <modelgrow/train/metrics.hpp>
#include <modelgrow/train/progress_line.hpp>
#include <modelgrow/train/trainer.hpp>

#include "interrupt.hpp"

namespace example {

double step_flops(const Model& trained, std::int64_t batch) {
  using Counter = mg::FlopCounter;
  using Counted = mg::TextToVideo<float, Counter>;
  const auto& video = trained.transformer.config;
  const bool words = trained.text_encoder && !trained.text_encoder->config.words.empty();
  Counted model = trained.text_encoder ? Counted(video, trained.text_encoder->config) : Counted(video);
  return mg::training_flops<float>([&](mg::Tape<float, Counter>& tape) {
    const auto& s = video.input_size;
    const mg::Tensor<float, Counter> clips({batch, video.in_channels, s[0], s[1], s[2]}), time({batch});
    std::string caption;
    for (int i = 0; i < 24; ++i) caption += words ? "x " : "x";
    const std::vector<std::string> captions(std::size_t(batch), caption);
    const auto of_width = [&](std::int64_t width) -> mg::TextStates<float, Counter> {
      return {tape.constant(mg::Tensor<float, Counter>({batch, 8, width})), {}, {}};
    };
    const auto states =
        model.text_encoder ? model.text_encoder->encode(tape, captions) : of_width(video.caption_channels);
    mg::TextStates<float, Counter> second;
    if (const auto read = mg::second_text(video.grafts)) second = of_width(read->width);
    return mg::mse(tape, model.transformer.forward(tape, tape.constant(clips), time, states, second), clips);
  });
}

RunOptions spending(const Model& model, double tflop, std::int64_t evaluations, RunOptions o) {
  const double flops = step_flops(model, o.batch);
  o.steps = std::max<std::int64_t>(1, std::int64_t(tflop * 1e12 / flops));
  o.warmup = std::min<std::int64_t>(50, o.steps / 10);
  o.evaluate_every = (o.steps + evaluations - 1) / evaluations;
  return o;
}

RunResult train(Model& model, const ClipData& data, const RunOptions& o) {
  const std::int64_t parts = o.together ? o.together->ranks().size() : 1;  // of a batch: the same clips for any number
  if (o.batch % parts != 0)
    throw mg::option_error("a batch of " + std::to_string(o.batch) + " clips cannot be shared by " +
                           std::to_string(parts) + " ranks; give a multiple of them");
  FlowTask task(data, std::uint64_t(o.batch / parts), o.seed, o.augmentation, o.noise_shift);
  task.first_text = o.first_text;
  task.second_text = o.second_text;
  task.first_text_dropout = o.first_text_dropout;
  mg::TrainerOptions options{.steps = o.steps,
                             .micro_batches = parts,
                             .schedule = {.kind = o.schedule,
                                          .peak = o.lr,
                                          .warmup = o.warmup,
                                          .total = o.steps,
                                          .decay_share = o.decay_share},
                             .adamw = {.beta2 = 0.99, .eps = 1e-10, .weight_decay = o.weight_decay, .clip_norm = 1.0},
                             .ema = mg::EmaOptions{.decay = o.ema_decay},
                             .seed = o.seed,
                             .directory = o.directory,
                             .save_every = o.save_every,
                             .stop = &Interrupt::requested};
  mg::Trainer<Model, float, Device> trainer(model, options);
  if (o.together) o.together->share(trainer);
  if (o.begin == RunOptions::Begin::resume)
    trainer.resume(o.directory);
  else if (!o.start_from.empty())
    trainer.start_from(o.start_from);

  std::optional<mg::MetricsLog> log;
  if (!o.log.empty() && trainer.leads()) log.emplace(o.log, trainer.step() + 1);
  std::optional<mg::ProgressLine> line;
  const bool terminal = isatty(STDOUT_FILENO);
  if (terminal && o.on_terminal == RunOptions::OnTerminal::progress) line.emplace(std::cout, o.steps, o.batch);
  const double tflop = step_flops(model, o.batch) * 1e-12;
  RunResult result;
  Tape tape(Tape::Mode::infer);
  const auto measure = [&](std::int64_t step) {
    const auto averaged = trainer.ema()->use_in(model);
    using Captions = FlowTask::Captions;
    CurvePoint p{step, double(step) * tflop, task.validation_loss(tape, model),
                 task.validation_loss(tape, model, Captions::others)};
    if (o.measure_keywords) p.keywords = task.validation_loss(tape, model, Captions::keywords);
    result.curve.push_back(p);
    mg::detail::json entry{{"run", o.name},
                           {"step", p.step},
                           {"tflop", p.tflop},
                           {"validation_loss", p.validation_loss},
                           {"validation_loss_other_captions", p.other_captions}};
    if (o.measure_keywords) entry["validation_loss_keywords"] = p.keywords;
    if (log) log->write(entry);
    if (!terminal) {
      std::ostringstream text;  // printed at once, since other runs print too
      text << o.name << ": step " << p.step << ", validation loss " << p.validation_loss
           << ", with captions of other clips " << p.other_captions
           << (o.measure_keywords ? ", with keywords " + std::to_string(p.keywords) : "") << "\n";
      std::cout << text.str() << std::flush;
    }
  };
  measure(trainer.step());
  trainer.every(1, [&](const mg::StepReport& r) {
    result.seconds += r.seconds;
    if (line) line->update(r.step, r.loss, r.seconds);
    const bool last = r.step == o.steps;
    if (log && (r.step % 50 == 0 || last))
      log->write({{"run", o.name},
                  {"step", r.step},
                  {"loss", r.loss},
                  {"gradient_norm", r.gradient_norm},
                  {"lr", r.lr},
                  {"clips_per_second", double(o.batch) / r.seconds}});
    if (last || (o.evaluate_every > 0 && r.step % o.evaluate_every == 0)) measure(r.step);
  });
  const auto outcome = trainer.run([&](Tape& t, std::int64_t part) {
    if (o.anneal) mg::set_text_bias(model.transformer, (*o.anneal)(part / parts));
    return task.loss(t, model, std::uint64_t(part));
  });
  result.stopped = outcome == mg::Trainer<Model, float, Device>::Outcome::stopped;
  mg::for_each_parameter(model, [&](const std::string& path, mg::Parameter<float, Device>& p) {
    p.value = trainer.ema()->averages().find(path)->second;
  });
  return result;
}

}  // namespace example
