// SPDX-License-Identifier: MIT
// What a trainer asks of the ranks that it trains with; without them it asks nothing.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/train/adamw.hpp>
#include <modelgrow/train/ema.hpp>

namespace modelgrow::inline v0 {

/// What the ranks know together when the gradients of a step are there.
struct TeamReport {
  std::vector<double> losses;  // by micro-batch
  int slowest = 0;             // the rank that computed longest
};

/// The ranks that train a model together, as one of them sees it. Calls are made by all ranks in one order; they throw
/// communication_error.
template <class M, class T, Device D>
class Team {
 public:
  virtual ~Team() = default;
  /// Whether this rank writes what is written once: rank 0.
  virtual bool leads() const = 0;
  /// Whether this rank computes micro-batch i of the run.
  virtual bool takes(std::int64_t i) const = 0;

  /// Before a step of micro-batches begin, .., begin + count - 1.
  virtual void begin_step(M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema, std::int64_t begin, std::int64_t count) = 0;
  /// The tape of these passes; set up before the first is recorded.
  virtual void watch(Tape<T, D>& tape) = 0;
  /// Around the backward pass of a micro-batch of this rank.
  virtual void begin_pass(Tape<T, D>& tape, std::int64_t i) = 0;
  virtual void end_pass(std::int64_t i, double loss) = 0;
  /// Behind the last micro-batch of this rank: returns when the sums of all ranks are there.
  virtual TeamReport meet() = 0;
  /// One step of the whole model; what AdamW::step and Ema::step return and throw.
  virtual double step(M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema, double lr, double added) = 0;
  /// Seconds of this step that this rank has waited for others.
  virtual double waited() const = 0;

  /// What comes before the next step may take as long as it takes.
  virtual void pause() = 0;
  /// The ranks, for what they do together outside of steps: one group for each such thing.
  virtual std::unique_ptr<Ranks> ranks() = 0;
  /// The rows of which this rank has state and averages now.
  virtual RowsByPath held() const = 0;
  /// The rows of which it is to have them, when they are loaded for this model.
  virtual RowsByPath cut(M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema) = 0;
  /// State and averages of the whole model, or of the rows that cut() said, were put in the place of what this rank
  /// had.
  virtual void holds_whole() = 0;
  virtual void holds_rows() = 0;
  /// The state and the averages of the whole model, of which this rank may hold a part.
  virtual AdamW<T, D> whole(const AdamW<T, D>& optimizer) = 0;
  virtual Ema<T, D> whole(const Ema<T, D>& ema) = 0;
  /// Whether any rank says so.
  virtual bool any(bool here) = 0;
};

}  // namespace modelgrow::inline v0
