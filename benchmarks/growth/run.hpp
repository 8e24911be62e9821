// SPDX-License-Identifier: MIT
// Trains one segment on a device, in this process, measures it, and leaves it in the cache. Killed at any moment, it
// goes on where it was saved last, and ends as if nothing had happened.
#pragma once
#include <chrono>
#include <fstream>
#include <functional>
#include <optional>

#include <modelgrow/grow/live.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/train/mask_anneal.hpp>
#include <modelgrow/train/metrics.hpp>
#include <modelgrow/train/trainer.hpp>

#include "cache.hpp"
#include "learning.hpp"

namespace growth {

enum class Outcome { finished, stopped };

/// Steps between saves, and between records of the training loss.
inline constexpr std::int64_t save_every = 200, record_every = 50;

/// Operations and seconds of training so far, and seconds of measuring.
struct Spent {
  double flops = 0, seconds = 0, measuring = 0;
};

/// What the log of a segment says that was spent until a step.
inline Spent spent_until(const std::filesystem::path& log, std::int64_t step) {
  Spent spent;
  std::ifstream in(log);
  for (std::string line; std::getline(in, line) && !in.eof();) {
    const Json record = Json::parse(line, nullptr, false);
    if (!record.is_object() || record.at("step") > step) break;
    spent = {.flops = record.at("flops"), .seconds = record.at("seconds"), .measuring = record.at("measuring_seconds")};
  }
  return spent;
}

template <mg::Device D>
class SegmentRun {
 public:
  using Trainer = mg::Trainer<ModelOn<D>, float, D>;
  using Tape = mg::Tape<float, D>;

  SegmentRun(const Cache& cache, const std::string& key)
      : cache_(cache),
        key_(key),
        segment_(cache.read(key)),
        resumed_(cache.saved_step(key) > 0),
        model_(begin()),
        world_(make_world(segment_.world, size_of(model_.transformer.config), mg::stream_seed(segment_.seed, "clips"))),
        second_(segment_.states.empty()
                    ? std::optional<SecondText>()
                    : std::make_optional<SecondText>(segment_.states_file, *world_, segment_.alone)),
        task_(*world_, segment_.training, segment_.seed, second_ ? &*second_ : nullptr),
        exams_(world_->exams(std::size_t(segment_.measuring.prompts))) {}

  /// `stop` is asked after every step. Throws error when the parent does not read what it must.
  Outcome train(const std::function<bool()>& stop) {
    const Segment& s = segment_;
    if (!resumed_) require_reader();
    bool stopping = false;
    Trainer trainer(model_, {.steps = s.to,
                             .schedule = s.training.rates(s.total, s.grown_after),
                             .adamw = {.beta2 = s.training.beta2,
                                       .eps = s.training.eps,
                                       .weight_decay = s.training.weight_decay,
                                       .clip_norm = s.training.clip_norm},
                             .ema = mg::EmaOptions{.decay = s.training.ema},
                             .seed = s.seed,
                             .directory = cache_.run(key_),
                             .save_every = save_every,
                             .stop = [&] { return stopping; }});
    load_state(trainer);
    Spent spent = resumed_ ? spent_until(cache_.log(key_), trainer.step()) : Spent{};
    if (!resumed_ && !grow(trainer, spent, stop)) return Outcome::stopped;
    const Sizes sizes{.transformer = model_.transformer.config, .text_encoder = model_.text_encoder->config};
    auto counted = model_of<mg::FlopCounter>(sizes, s.adapters);
    mg::MetricsLog log(cache_.log(key_), resumed_ ? trainer.step() + 1 : 0);
    if (!resumed_) log.write(measured(trainer, trainer.step(), spent));
    trainer.every(1, [&](const mg::StepReport& r) {
      spent.flops += task_.flops(counted, r.step - 1);
      spent.seconds += r.seconds;
      stopping = stop();
      const bool due = r.step == s.to || r.step % measure_every() == 0;
      if (due) log.write(measured(trainer, r.step, spent));
      if (!due && (stopping || r.step % save_every == 0 || r.step % record_every == 0))
        log.write(record(r.step, spent, {{"train_loss", r.loss}, {"gradient_norm", r.gradient_norm}, {"lr", r.lr}}));
    });
    const auto outcome = trainer.run([&](Tape& tape, std::int64_t step) {
      set_mask(step);
      return task_.loss(tape, model_, step);
    });
    if (outcome == Trainer::Outcome::stopped) return Outcome::stopped;
    cache_.finish(key_, {.step = s.to,
                         .parameters = mg::count_parameters(model_),
                         .flops = spent.flops,
                         .seconds = spent.seconds,
                         .measuring_seconds = spent.measuring,
                         .peak_mb = double(mg::peak_rss()) / 1048576});
    return Outcome::finished;
  }

 private:
  /// Where the weights come from; empty for fresh ones.
  std::filesystem::path source() const {
    if (resumed_) return cache_.run(key_);
    switch (segment_.begin) {
      case Segment::Begin::fresh:
        return {};
      case Segment::Begin::folder:
        return segment_.folder;
      default:
        return cache_.run(segment_.parent);
    }
  }
  bool continues() const { return resumed_ || segment_.begin == Segment::Begin::go_on; }

  ModelOn<D> begin() const {
    const auto from = source();
    const Sizes s = from.empty() ? sizes_from(segment_.model, key_) : sizes_of_folder(from);
    const std::uint64_t adapter_seed = mg::stream_seed(segment_.seed, "adapters");
    if (continues()) return model_of<D>(s, segment_.adapters, adapter_seed);
    ModelOn<D> model = model_of<D>(s);
    if (from.empty()) mg::initialise(model, mg::stream_seed(segment_.seed, "weights"));
    if (!from.empty() && segment_.adapters.rank > 0)
      mg::for_each_component(
          model, [&](const std::string& name, auto& part) { mg::load(part, mg::Checkpoint::open(from / name)); });
    adapt(model, segment_.adapters, adapter_seed);
    return model;
  }

  /// The sizes before the growth of this segment.
  Sizes sizes_before() const {
    if (segment_.begin == Segment::Begin::fresh) return sizes_from(segment_.model, key_);
    return sizes_of_folder(segment_.begin == Segment::Begin::folder ? std::filesystem::path(segment_.folder)
                                                                    : cache_.run(segment_.parent));
  }
  mg::Plan plan() const { return plan_of(sizes_before(), segment_.recipe, key_); }

  void load_state(Trainer& trainer) {
    const auto from = source();
    if (continues())
      trainer.resume(from);
    else if (!from.empty() && segment_.adapters.rank == 0)
      trainer.start_from(from);
    if (segment_.mask_steps > 0) masked_ = mg::new_blocks(plan(), "blocks");
    if (resumed_) return set_mask(trainer.step());
    if (trainer.step() != segment_.from)
      throw mg::error("segment " + key_ + " begins at step " + std::to_string(segment_.from) + "; the run in " +
                      from.string() + " has " + std::to_string(trainer.step()) + " steps: remove both folders");
  }

  /// Grows as the recipe says. False when it was stopped while it learned how: then nothing is kept.
  bool grow(Trainer& trainer, Spent& spent, const std::function<bool()>& stop) {
    if (segment_.recipe.empty()) return true;
    const mg::Plan p = plan();
    const auto small = model_.transformer;  // growth makes new weights and averages, and leaves these
    const auto averages = trainer.ema()->averages();
    mg::grow(p, model_.transformer, mg::GrowOptions{.prefix = "transformer."}, trainer.optimizer(), *trainer.ema());
    set_mask(trainer.step());
    if (segment_.learning.steps == 0) return true;
    LearnedGrowthOn<D> growth(p, small, model_.transformer);
    CountedLearning counted(sizes_before(), {model_.transformer.config, model_.text_encoder->config}, p);
    const auto start = std::chrono::steady_clock::now();
    if (!learn(growth, counted, spent, stop)) return false;
    for (auto& [path, average] : growth.made_of([&](const auto& path) { return averages.at("transformer." + path); }))
      trainer.ema()->averages().at("transformer." + path) = average;
    spent.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return true;
  }
  bool learn(LearnedGrowthOn<D>& growth, CountedLearning& counted, Spent& spent, const std::function<bool()>& stop) {
    for (std::int64_t step = segment_.from; step < segment_.from + segment_.learning.steps; ++step) {
      growth.step([&](Tape& tape) { return task_.loss(tape, model_, step); }, segment_.learning.rate);
      mg::for_each_parameter(*model_.text_encoder, [](const std::string&, auto& p) {  // what it would learn
        if (p.gradient.defined()) p.gradient.zero();
      });
      spent.flops += counted.flops(task_, step);
      if (stop()) return false;
    }
    return true;
  }

  /// How much the new blocks of a masked growth count at a step.
  void set_mask(std::int64_t step) {
    if (masked_.empty()) return;
    model_.transformer.mask = {.blocks = masked_,
                               .weight = mg::MaskAnneal{.steps = segment_.mask_steps}(step - segment_.from)};
  }

  /// The gate before growth: a class of words that the base does not read cannot show what growth is worth.
  void require_reader() const {
    if (segment_.must_read <= 0) return;
    std::ifstream in(cache_.log(segment_.parent));
    Json swap = Json::object();
    for (std::string line; std::getline(in, line);)
      if (const Json record = Json::parse(line, nullptr, false); record.is_object() && record.contains("swap"))
        swap = record.at("swap");
    std::string unread;
    for (const auto& [words, rise] : swap.items())
      if (rise.template get<double>() < segment_.must_read) unread += " " + words + " (" + rise.dump() + ")";
    if (swap.empty() || !unread.empty())
      throw mg::error("the base does not read its captions: exchanged words must raise its loss by " +
                      std::to_string(segment_.must_read) + " of it, which does not hold of" +
                      (swap.empty() ? " this world, which has no words to exchange" : unread) +
                      "; train the base longer, or change what it reads with");
  }

  std::int64_t measure_every() const {
    const auto every = segment_.measuring.every;
    return every > 0 ? every : std::max<std::int64_t>(1, (segment_.to - segment_.from + 19) / 20);
  }
  bool judges(std::int64_t step) const {
    const auto& m = segment_.measuring;
    return m.prompts > 0 && !exams_.empty() &&
           (step == segment_.to || (m.judge_every > 0 && step % m.judge_every == 0));
  }

  static Json record(std::int64_t step, const Spent& spent, const Json& values) {
    Json j{{"step", step}, {"flops", spent.flops}, {"seconds", spent.seconds}, {"measuring_seconds", spent.measuring}};
    j.update(values);
    return j;
  }

  /// Loss and judgement of the averaged weights.
  Json measured(Trainer& trainer, std::int64_t step, Spent& spent) {
    const auto start = std::chrono::steady_clock::now();
    const auto averaged = trainer.ema()->use_in(model_);
    const double loss = task_.validation_loss(tape_, model_, segment_.measuring.rounds);
    Json values{{"loss", loss}};
    if (judges(step)) values.update(judged());
    if (step == segment_.to)
      for (const auto& [words, captions] : world_->swapped_words())
        values["swap"][words] = task_.validation_loss(tape_, model_, segment_.measuring.rounds, captions) / loss - 1;
    if (const auto captions = world_->reworded(); step == segment_.to && !captions.empty())
      values["loss_reworded"] = task_.validation_loss(tape_, model_, segment_.measuring.rounds, captions);
    spent.measuring += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return record(step, spent, values);
  }

  /// The mean mark of each exam, and the seconds that a sample takes.
  Json judged() {
    constexpr std::size_t chunk = 16;
    const mg::ClipSize size = size_of(model_.transformer.config);
    Json marks = Json::object();
    std::size_t sampled = 0;
    double seconds = 0;
    for (std::size_t e = 0; e < exams_.size(); ++e) {
      const auto& prompts = exams_[e].prompts;
      Marks sums;
      for (std::size_t from = 0; from < prompts.size(); from += chunk) {
        const std::size_t n = std::min(chunk, prompts.size() - from);
        const std::vector<std::string> part(prompts.begin() + std::ptrdiff_t(from),
                                            prompts.begin() + std::ptrdiff_t(from + n));
        const auto begin = std::chrono::steady_clock::now();
        const auto clips = task_.sample(tape_, model_, part, segment_.measuring, from);
        seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        sampled += n;
        const auto values = std::size_t(clips.size() / clips.dim(0));
        for (std::size_t i = 0; i < n; ++i)
          for (const auto& [name, mark] :
               world_->marks(e, from + i,
                             mg::from_float(clips.span().subspan(i * values, values), size.frames, size.height,
                                            size.width, int(clips.dim(1)))))
            sums[name] += mark;
      }
      for (const auto& [name, sum] : sums) marks[exams_[e].name + name] = sum / double(prompts.size());
    }
    return {{"judged", marks}, {"sampling_seconds", seconds / double(sampled)}};
  }

  const Cache& cache_;
  std::string key_;
  Segment segment_;
  bool resumed_;
  ModelOn<D> model_;
  std::unique_ptr<World> world_;
  std::optional<SecondText> second_;
  Task<D> task_;
  std::vector<Exam> exams_;
  Tape tape_{Tape::Mode::infer};
  std::vector<std::int64_t> masked_;
};

/// The work of one process: trains the segment of this key, unless that has been done.
using TrainSegment = std::function<Outcome(const Cache&, const std::string& key, const std::function<bool()>& stop)>;

template <mg::Device D>
Outcome train_segment(const Cache& cache, const std::string& key, const std::function<bool()>& stop) {
  if (cache.done(key)) return Outcome::finished;
  return SegmentRun<D>(cache, key).train(stop);
}

/// train_segment<Cpu>, compiled once.
Outcome train_on_cpu(const Cache& cache, const std::string& key, const std::function<bool()>& stop);

}  // namespace growth
