// SPDX-License-Identifier: MIT
// One model trained by many ranks: micro-batches are shared, gradients are added up while they are computed, and every
// rank keeps its part of the optimizer's state, or all of it. The one line for a trainer is distribute(trainer, ranks).
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/dist/agree.hpp>
#include <modelgrow/dist/gather_texts.hpp>
#include <modelgrow/dist/watchdog.hpp>
#include <modelgrow/train/fingerprint.hpp>
#include <modelgrow/train/gather.hpp>
#include <modelgrow/train/gradient_exchange.hpp>
#include <modelgrow/train/sharded_state.hpp>
#include <modelgrow/train/shared_norm.hpp>
#include <modelgrow/train/team.hpp>
#include <modelgrow/train/trainer.hpp>

namespace modelgrow::inline v0 {

/// How ranks share a model's training.
struct DistributedOptions {
  /// whole: every rank keeps moments, master weights and averages of all parameters; sharded: those of its rows (ZeRO
  /// 1, Rajbhandari et al. 2020), which costs no more messages. Trainer::whole_optimizer() and whole_ema() then have
  /// all.
  enum class State { whole, sharded };
  State state = State::whole;
  Sums sums = Sums::fast;                        // ordered: a run has the same bits with any number of ranks
  std::int64_t bucket_bytes = 16'000'000;        // most that is sent at once
  std::optional<WatchdogOptions> watchdog = {};  // ends all ranks when one of them no longer goes on
};

/// A team of the ranks of a communicator, which outlives it.
template <class C, class M, class T, Device D>
requires Communicator<C, D>
class RankTeam final : public Team<M, T, D> {
 public:
  RankTeam(C& ranks, DistributedOptions options)
      : ranks_(ranks), options_(std::move(options)), exchange_(ranks, gradients_, options_.sums) {
    if (options_.watchdog)
      watchdog_.emplace(ranks.rank(), ranks.size(), *options_.watchdog,
                        [&ranks](const std::string& why) { ranks.abort(why); });
  }

  bool leads() const override { return ranks_.rank() == 0; }
  bool takes(std::int64_t i) const override { return i % ranks_.size() == ranks_.rank(); }

  void begin_step(M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema, std::int64_t begin, std::int64_t count) override;
  void watch(Tape<T, D>& tape) override {
    tape.finished = [this, &tape](const Stat<T>* gradient) {
      if (sends_) exchange_.finished(tape, gradient);
    };
  }
  void begin_pass(Tape<T, D>& tape, std::int64_t i) override;
  void end_pass(std::int64_t i, double loss) override;
  TeamReport meet() override;
  double step(M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema, double lr, double added) override;

  double waited() const override { return waited_; }
  void pause() override { now(Watchdog::Doing::paused); }
  std::unique_ptr<Ranks> ranks() override {
    return std::make_unique<Ranks>(
        ranks_.rank(), ranks_.size(), [this](const std::string& own) { return gather_texts<D>(ranks_, own); },
        [this](const std::vector<std::string>& to) { return swap_texts<D>(ranks_, to); });
  }
  RowsByPath held() const override { return has_rows_ ? gradients_.rows_of(ranks_.rank()) : RowsByPath(); }
  RowsByPath cut(M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema) override {
    if (!gradients_.hold(model)) pack(model, optimizer, ema);
    agreed_ = false;  // they will be other weights
    return sharded() ? gradients_.rows_of(ranks_.rank()) : RowsByPath();
  }
  void holds_whole() override { has_rows_ = false; }
  void holds_rows() override { has_rows_ = sharded(); }
  AdamW<T, D> whole(const AdamW<T, D>& optimizer) override {
    return has_rows_ ? gather_rows(ranks_, gradients_, optimizer) : optimizer;
  }
  Ema<T, D> whole(const Ema<T, D>& ema) override { return has_rows_ ? gather_rows(ranks_, gradients_, ema) : ema; }
  bool any(bool here) override {
    std::vector<double> votes{here ? 1.0 : 0.0};
    sum_over<D>(ranks_, votes);
    return votes[0] > 0.0;
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Round = typename GradientExchange<C, T, D>::Round;

  bool sharded() const { return options_.state == DistributedOptions::State::sharded; }
  bool ordered() const { return options_.sums == Sums::ordered; }
  /// Of micro-batch i, or of all of the step where only sums are sent.
  Round round_of(std::int64_t i) const {
    const std::int64_t n = ranks_.size(), before = ordered() ? (i - begin_) / n * n : 0;
    return {.first = int(begin_ % n), .senders = int(std::min(n, count_ - before))};
  }
  void now(Watchdog::Doing doing) {
    if (watchdog_) watchdog_->now(begin_ / count_ + 1, doing);
  }
  template <class F>
  void waiting(F f) {
    const auto begin = Clock::now();
    now(Watchdog::Doing::waiting);
    f();
    now(Watchdog::Doing::computing);
    waited_ += std::chrono::duration<double>(Clock::now() - begin).count();
  }
  void pack(M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema);
  void require_same_work(M& model);
  /// What this rank steps.
  Parts<T, D> parts_of(M& model) const;

  C& ranks_;
  DistributedOptions options_;
  GradientBuckets<T, D> gradients_;
  GradientExchange<C, T, D> exchange_;
  bool has_rows_ = false;  // state and averages are those of this rank's rows
  bool agreed_ = false;    // all came with the same weights and options
  bool sends_ = false;     // the pass that goes on is one whose gradients are sent
  // Of the step that goes on:
  std::int64_t begin_ = 0, count_ = 1;
  std::vector<double> losses_;
  std::vector<char> used_here_;  // by tensor
  double waited_ = 0.0;
  Clock::time_point start_ = {};
  std::int64_t oldest_ = 0;
  std::optional<Watchdog> watchdog_;  // ends before all else
};

/// From the next step on the trainer computes micro-batch i of its run on rank i % ranks.size(), and steps by the
/// gradient of all of them. Losses, norms and weights are those of one rank. The communicator must outlive the trainer.
/// Steps then also throw communication_error.
template <class M, class T, Device D, class C>
requires Communicator<C, D>
void distribute(Trainer<M, T, D>& trainer, C& ranks, DistributedOptions options = {}) {
  trainer.join(std::make_unique<RankTeam<C, M, T, D>>(ranks, std::move(options)));
}

template <class C, class M, class T, Device D>
requires Communicator<C, D>
void RankTeam<C, M, T, D>::begin_step(M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema, std::int64_t begin,
                                      std::int64_t count) {
  start_ = Clock::now();
  waited_ = 0.0;
  begin_ = begin;
  count_ = count;
  now(Watchdog::Doing::computing);
  losses_.assign(std::size_t(count), 0.0);
  if (!gradients_.hold(model)) pack(model, optimizer, ema);
  if (!agreed_) require_same_work(model);
  agreed_ = true;
  if (sharded() && !has_rows_) {
    keep_rows(gradients_.rows_of(ranks_.rank()), optimizer, ema);
    has_rows_ = true;
  }
  oldest_ = 0;
  for (const auto& [path, state] : optimizer.states()) oldest_ = std::max(oldest_, state.step);
  used_here_.assign(gradients_.tensors(), 0);
}

template <class C, class M, class T, Device D>
requires Communicator<C, D>
void RankTeam<C, M, T, D>::pack(M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema) {
  require_agreement<D>(ranks_, "the names, shapes or order of the parameters", fingerprint_of_shapes(model));
  agreed_ = false;
  if (has_rows_) {  // of tensors that are cut otherwise from now on
    optimizer = whole(optimizer);
    if (ema) *ema = whole(*ema);
    has_rows_ = false;
  }
  gradients_.pack(model, options_.bucket_bytes, ranks_.size());
}

template <class C, class M, class T, Device D>
requires Communicator<C, D>
void RankTeam<C, M, T, D>::require_same_work(M& model) {
  require_agreement<D>(ranks_, "the weights", fingerprint_of_values(model));
  const std::uint64_t run[] = {std::uint64_t(begin_), std::uint64_t(count_), std::uint64_t(options_.state),
                               std::uint64_t(options_.sums), std::uint64_t(options_.bucket_bytes)};
  require_agreement<D>(ranks_, "the step, the micro-batches or how training is shared",
                       detail::hash64(std::as_bytes(std::span(run))));
}

template <class C, class M, class T, Device D>
requires Communicator<C, D>
void RankTeam<C, M, T, D>::begin_pass(Tape<T, D>& tape, std::int64_t i) {
  for (std::size_t t = 0; t < gradients_.tensors(); ++t)
    if (tape.awaits(gradients_.gradient(t).data())) used_here_[t] = 1;
  sends_ = ordered() || i + ranks_.size() >= begin_ + count_;
  if (!sends_) return;
  if (ordered() && i - begin_ >= ranks_.size()) {
    waiting([&] { exchange_.wait(); });
    gradients_.zero();
  }
  exchange_.begin(tape, round_of(i));
}

template <class C, class M, class T, Device D>
requires Communicator<C, D>
void RankTeam<C, M, T, D>::end_pass(std::int64_t i, double loss) {
  losses_[std::size_t(i - begin_)] = loss;
  if (sends_) exchange_.end(round_of(i));
  sends_ = false;
}

template <class C, class M, class T, Device D>
requires Communicator<C, D> TeamReport RankTeam<C, M, T, D>::meet() {
  const std::int64_t n = ranks_.size(), last = begin_ + count_ - 1;
  const Round round = round_of(last);
  const bool sent = (ranks_.rank() - round.first + n) % n < round.senders;
  if (!sent) {  // this rank has no micro-batch in the last round
    waiting([&] { exchange_.wait(); });
    exchange_.end(round);
  }
  // Losses and what is known of one rank only, each in a place of its own, and which tensors a loss has used.
  std::vector<double> facts = losses_;
  facts.resize(losses_.size() + 2 * std::size_t(n));
  double* const seconds = facts.data() + losses_.size();
  double* const oldest = seconds + n;
  seconds[ranks_.rank()] = std::chrono::duration<double>(Clock::now() - start_).count() - waited_;
  oldest[ranks_.rank()] = double(oldest_);
  const std::size_t known = facts.size();
  std::vector<std::size_t> unused;
  for (std::size_t t = 0; t < gradients_.tensors(); ++t)
    if (!gradients_.used(t)) {
      unused.push_back(t);
      facts.push_back(double(used_here_[t]));
    }
  waiting([&] {
    sum_over<D>(ranks_, facts);
    exchange_.finish();
  });
  for (std::size_t k = 0; k < unused.size(); ++k)
    if (facts[known + k] > 0.0) gradients_.set_used(unused[k]);
  const double* const all = facts.data() + losses_.size();
  oldest_ = std::int64_t(*std::max_element(all + n, all + 2 * n));
  return {.losses = {facts.begin(), facts.begin() + std::ptrdiff_t(losses_.size())},
          .slowest = int(std::max_element(all, all + n) - all)};
}

template <class C, class M, class T, Device D>
requires Communicator<C, D>
double RankTeam<C, M, T, D>::step(M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema, double lr, double added) {
  const WholeModel<D> whole{
      .sum_squares = [&](const Tensor<double, D>& sum) { sum_squares(ranks_, gradients_, options_.sums, sum); },
      .oldest = oldest_};
  if (!sharded()) waiting([&] { gather_gradients(ranks_, gradients_); });
  Parts<T, D> parts = parts_of(model);
  const double norm = ema ? ema->step(parts, optimizer, lr, added, whole) : optimizer.step(parts, lr, added, {}, whole);
  if (sharded()) {  // else the step has set all of them to zero
    waiting([&] { gather_weights(ranks_, gradients_, model); });
    gradients_.zero();
  }
  return norm;
}

template <class C, class M, class T, Device D>
requires Communicator<C, D> Parts<T, D> RankTeam<C, M, T, D>::parts_of(M& model)
const {
  Parts<T, D> parts;
  std::size_t t = 0;
  for_each_parameter(model, [&](const std::string& path, Parameter<T, D>& p) {
    if (!gradients_.packed(p)) return parts.add(path, p);
    const auto gradient = gradients_.used(t) ? gradients_.gradient(t) : Tensor<Stat<T>, D>();
    const RowRange rows = sharded() ? gradients_.rows_of(t, ranks_.rank())
                                    : RowRange{.first = 0, .last = matrix_size(p.value.shape()).rows};
    if (rows.size() > 0) parts.add(path, p, rows, gradient);
    ++t;
  });
  return parts;
}

}  // namespace modelgrow::inline v0
