// SPDX-License-Identifier: MIT
// The training loop: loss, backward pass, AdamW, average, hooks, saving. It owns no randomness: everything that a step
// draws must follow from its number, and then a resumed run repeats the losses of an uninterrupted one bit for bit.
#pragma once
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/core/denormals.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/recording.hpp>
#include <modelgrow/detail/hash64.hpp>
#include <modelgrow/train/checkpointing.hpp>
#include <modelgrow/train/schedule.hpp>
#include <modelgrow/train/team.hpp>

namespace modelgrow::inline v0 {

/// What a step did; given to hooks.
struct StepReport {
  std::int64_t step = 0;  // steps done, this one included
  double loss = 0.0, gradient_norm = 0.0, lr = 0.0;
  double seconds = 0.0;  // of this step, without hooks and saving
  double waited = 0.0;   // of these, for other ranks
  int slowest = 0;       // the rank that computed longest
};

/// Settings of a run.
struct TrainerOptions {
  std::int64_t steps = 0;          // the run ends when so many are done
  std::int64_t micro_batches = 1;  // losses averaged into one step
  Schedule schedule = {};
  AdamWOptions adamw = {};
  std::optional<EmaOptions> ema = {};
  std::uint64_t seed = 0;                // written to trainer.json; a resumed run must have the same
  std::filesystem::path directory = {};  // where the run is saved; empty: nowhere
  std::int64_t save_every = 0;           // steps; 0: only at the end, or when stopped
  std::function<bool()> stop = {};       // asked after every step; true saves and ends the run
  /// Gives a step to the device as one piece of work, on Cuda a graph (other devices do the same at once): passes,
  /// optimizer and average, for small models, where launches take longer than kernels. Losses and weights have the same
  /// bits. Steps that must make state first (the first one, and the first after growth) are given as without. The
  /// loss may copy to the device but not read from it, which throws device_error (mixtures of experts do). Not for
  /// several ranks.
  bool graph = false;
};

namespace detail {
/// The settings as JSON, for whoever reads trainer.json.
std::string text_of(const TrainerOptions& options);
}  // namespace detail

/// Trains a described model whose parameters are Parameter<T, D>.
template <class M, class T, Device D>
class Trainer {
 public:
  enum class Outcome { finished, stopped };
  using Hook = std::function<void(const StepReport&)>;

  /// Throws error for a schedule that is none.
  Trainer(M& model, TrainerOptions options);

  /// Calls the hook after every n-th step, or once after step n. Hooks run in the order they were added.
  void every(std::int64_t n, Hook hook) {
    add([n](std::int64_t step) { return step % n == 0; }, std::move(hook));
  }
  void at(std::int64_t n, Hook hook) {
    add([n](std::int64_t step) { return step == n; }, std::move(hook));
  }

  /// Continues the run saved in a directory, by whatever number of ranks; each reads what it is to hold. Throws
  /// io_error, format_error (also for a model of another configuration, and for files of different saves), and error
  /// when its seed is another.
  void resume(const std::filesystem::path& directory);
  /// Starts a new run at step 0 from the weights, averages and moments that a directory has.
  void start_from(const std::filesystem::path& directory);

  /// Trains together with other ranks from now on; train/distributed.hpp has the one line for it. Throws error for a
  /// trainer whose steps are graphs.
  void join(std::unique_ptr<Team<M, T, D>> team) {
    if (options_.graph)
      throw error(
          "TrainerOptions::graph is set for a trainer that joins other ranks, which wait for each other within a step: "
          "train by one rank, or without graphs");
    team_ = std::move(team);
    team_->watch(tape_);
  }
  /// Whether this process writes what is written once: the first of all ranks, or the only one.
  bool leads() const { return !team_ || team_->leads(); }

  /// Trains until options.steps are done or options.stop says so, and saves. loss(tape, i) -> scalar Var is called with
  /// i = 0, 1, .. over the whole run (micro_batches of them a step) and must depend on nothing but i and the
  /// parameters. Throws error when a loss or gradient is not finite; the run saved last stays as it is.
  template <class Loss>
  Outcome run(Loss&& loss) {
    bool saved = false;
    Outcome outcome = Outcome::finished;
    while (step_ < options_.steps) {
      const StepReport report = train_step(loss);
      for (auto& [due, hook] : hooks_)
        if (due(report.step)) hook(report);
      saved = options_.save_every > 0 && step_ % options_.save_every == 0;
      if (saved) save();
      if (options_.stop && agreed(options_.stop())) {
        outcome = step_ < options_.steps ? Outcome::stopped : Outcome::finished;
        break;
      }
    }
    if (!saved) save();
    return outcome;
  }

  /// Saves the run into options.directory, if there is one. Of several ranks each writes its part; what fails on one
  /// fails on all, with its number. Throws io_error; an older save then stays.
  void save() const;

  /// Steps done.
  std::int64_t step() const { return step_; }
  AdamW<T, D>& optimizer() { return optimizer_; }
  /// The averages, or null when the run keeps none.
  Ema<T, D>* ema() { return ema_ ? &*ema_ : nullptr; }
  const TrainerOptions& options() const { return options_; }
  /// Gives every rank the state and the averages of the whole model, until the next step: a model grows with them.
  void gather() {
    if (!team_) return;
    optimizer_ = whole_optimizer();
    ema_ = whole_ema();
    team_->holds_whole();
  }
  /// Both for the whole model, where this rank may have the state of some rows. Called by all ranks.
  AdamW<T, D> whole_optimizer() const { return team_ ? team_->whole(optimizer_) : optimizer_; }
  std::optional<Ema<T, D>> whole_ema() const { return team_ && ema_ ? team_->whole(*ema_) : ema_; }

 private:
  using Clock = std::chrono::steady_clock;

  template <class Loss>
  StepReport train_step(Loss& loss);
  /// Fills in loss and norm: given to the device piece by piece, or as one.
  template <class Loss>
  void step_at_once(Loss& loss, StepReport& report, double added);
  template <class Loss>
  void step_as_one(Loss& loss, StepReport& report, double added);
  void set_loss(StepReport& report, std::span<const double> losses) const;
  /// The loss of a micro-batch, whose backward pass has been given to the device.
  template <class Loss>
  Var<T, D> pass_of(Loss& loss, std::int64_t i);
  /// Losses of the micro-batches of a step, whose gradients are added up.
  template <class Loss>
  std::vector<double> pass(Loss& loss, StepReport& report);
  bool agreed(bool here) const { return team_ ? team_->any(here) : here; }
  /// Calls load(rows) on all ranks: what fails on one of them fails on all.
  template <class F>
  void restore(F load);

  void add(std::function<bool(std::int64_t)> due, Hook hook) { hooks_.emplace_back(std::move(due), std::move(hook)); }

  M& model_;
  TrainerOptions options_;
  AdamW<T, D> optimizer_;
  std::optional<Ema<T, D>> ema_;
  Tape<T, D> tape_;
  Recording<D> recording_;
  std::unique_ptr<Team<M, T, D>> team_;  // none: this process trains alone
  std::vector<std::pair<std::function<bool(std::int64_t)>, Hook>> hooks_;
  std::int64_t step_ = 0;
  std::uint64_t history_ = 0;  // a checksum of all losses and norms
};

template <class M, class T, Device D>
Trainer<M, T, D>::Trainer(M& model, TrainerOptions options)
    : model_(model), options_(std::move(options)), optimizer_(model, options_.adamw) {
  options_.schedule.check();
  if (options_.ema) ema_.emplace(model, optimizer_, *options_.ema);
}

template <class M, class T, Device D>
void Trainer<M, T, D>::resume(const std::filesystem::path& directory) {
  restore([&](const RowsByPath& rows) {
    const RunState saved = read_run_state(directory);
    if (saved.seed != options_.seed)
      throw error("the run in '" + directory.string() + "' has seed " + std::to_string(saved.seed) + ", this one " +
                  std::to_string(options_.seed) + ": resume with the same seed, or start a new run");
    load_run(directory, model_, optimizer_, ema(), rows);
    step_ = saved.step;
    history_ = saved.history;
  });
}

template <class M, class T, Device D>
void Trainer<M, T, D>::start_from(const std::filesystem::path& directory) {
  restore([&](const RowsByPath& rows) {
    load_models(directory, model_, optimizer_, ema(), rows);
    history_ = history_in(directory);
  });
}

template <class M, class T, Device D>
template <class F>
void Trainer<M, T, D>::restore(F load) {
  if (!team_) return load(RowsByPath());
  team_->pause();
  const RowsByPath rows = team_->cut(model_, optimizer_, ema());
  team_->ranks()->together([&] { load(rows); });
  team_->holds_rows();
}

template <class M, class T, Device D>
template <class Loss>
StepReport Trainer<M, T, D>::train_step(Loss& loss) {
  if (ema_) ema_->require_at_rest("train");
  const FlushDenormals flush;
  const auto begin = Clock::now();
  StepReport report{.step = step_ + 1, .lr = options_.schedule(step_)};
  const double added = options_.schedule.of_added(step_);
  if (options_.graph && optimizer_.ready(model_))
    step_as_one(loss, report, added);
  else
    step_at_once(loss, report, added);
  if (team_) report.waited = team_->waited();
  ++step_;
  const std::uint64_t history[] = {history_, std::bit_cast<std::uint64_t>(report.loss),
                                   std::bit_cast<std::uint64_t>(report.gradient_norm)};
  history_ = detail::hash64(std::as_bytes(std::span(history)));
  report.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return report;
}

template <class M, class T, Device D>
void Trainer<M, T, D>::set_loss(StepReport& report, std::span<const double> losses) const {
  for (const double l : losses) report.loss += l * (1.0 / double(options_.micro_batches));
  if (!std::isfinite(report.loss))
    throw error("the loss of step " + std::to_string(report.step) + " is " + std::to_string(report.loss) +
                ": lower the learning rate or look at the data; the run saved last is intact");
}

template <class M, class T, Device D>
template <class Loss>
void Trainer<M, T, D>::step_at_once(Loss& loss, StepReport& report, double added) {
  set_loss(report, pass(loss, report));
  report.gradient_norm = team_  ? team_->step(model_, optimizer_, ema(), report.lr, added)
                         : ema_ ? ema_->step(model_, optimizer_, report.lr, added)
                                : optimizer_.step(model_, report.lr, added);
}

template <class M, class T, Device D>
template <class Loss>
void Trainer<M, T, D>::step_as_one(Loss& loss, StepReport& report, double added) {
  const std::int64_t count = options_.micro_batches;
  const Tensor<T, D> losses = tape_.allocate(Shape{count}), zeros = tape_.allocate(Shape{count});
  // No step where a loss is not finite, as when the host reads it before.
  const WholeModel<D> whole{.guard = [&](const Tensor<double, D>& sum) {
    using S = Stat<T>;
    D::zero(zeros.data(), zeros.bytes());
    Backend<D>::axpy(count, 0.0, losses.data(), zeros.data());
    Tensor<S, D> wide = tape_.template allocate<S>(Shape{count});
    wide.zero();
    Backend<D>::collect(count, zeros.data(), wide.data());
    const std::span<const S> values(wide.data(), std::size_t(count));
    Backend<D>::template sum_of_squares<T>({&values, 1}, sum.data());
  }};
  const auto begin_step = [&] {
    return ema_ ? ema_->begin_step(model_, optimizer_, report.lr, added, whole)
                : optimizer_.begin_step(model_, report.lr, added, {}, whole);
  };
  std::optional<typename AdamW<T, D>::Begun> begun;
  try {
    recording_.run([&] {
      for (std::int64_t i = 0; i < count; ++i) {
        const Var<T, D> l = pass_of(loss, step_ * count + i);
        D::copy(losses.data() + i, l.data(), sizeof(T));
      }
      if (optimizer_.ready(model_)) begun = begin_step();
    });
  } catch (...) {
    for_each_parameter(model_, [&](const std::string& path, Parameter<T, D>& p) {
      if (p.trained() && !optimizer_.states().contains(path)) p.gradient = {};  // nobody has set it to zero
    });
    throw;
  }
  if (!begun) begun = begin_step();  // a parameter was used for the first time
  std::vector<double> read;
  const Tensor<T, Cpu> host = to_cpu(losses);
  for (const T l : host.span()) read.push_back(double(Stat<T>(l)));
  set_loss(report, read);
  report.gradient_norm =
      ema_ ? ema_->end_step(model_, optimizer_, std::move(*begun)) : optimizer_.end_step(model_, std::move(*begun));
}

template <class M, class T, Device D>
template <class Loss>
Var<T, D> Trainer<M, T, D>::pass_of(Loss& loss, std::int64_t i) {
  const Var<T, D> l = loss(tape_, i);
  Tensor<T, D> seed = tape_.allocate(l.shape());
  Backend<D>::fill(seed.size(), T(Stat<T>(1.0 / double(options_.micro_batches))), seed.data());
  if (team_) team_->begin_pass(tape_, i);
  tape_.backward(l, std::move(seed));
  return l;
}

template <class M, class T, Device D>
template <class Loss>
std::vector<double> Trainer<M, T, D>::pass(Loss& loss, StepReport& report) {
  const std::int64_t count = options_.micro_batches, begin = step_ * count;
  if (team_) team_->begin_step(model_, optimizer_, ema(), begin, count);
  std::vector<double> losses;
  for (std::int64_t i = begin; i < begin + count; ++i) {
    if (team_ && !team_->takes(i)) continue;
    const Var<T, D> l = pass_of(loss, i);
    losses.push_back(double(Stat<T>(to_cpu(l.value()).data()[0])));  // waits: nothing is left to be given out
    if (team_) team_->end_pass(i, losses.back());
  }
  if (!team_) return losses;
  TeamReport together = team_->meet();
  report.slowest = together.slowest;
  return together.losses;
}

template <class M, class T, Device D>
void Trainer<M, T, D>::save() const {
  if (options_.directory.empty()) return;
  std::unique_ptr<Ranks> ranks;
  Saving saving;
  if (team_) {
    team_->pause();
    ranks = team_->ranks();
    saving = {.ranks = ranks.get(), .rows = team_->held()};
  }
  save_run(options_.directory, model_, optimizer_, ema_ ? &*ema_ : nullptr,
           RunState{.step = step_, .seed = options_.seed, .history = history_, .options = detail::text_of(options_)},
           std::move(saving));
}

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/train/trainer_inl.hpp>
#endif
