// SPDX-License-Identifier: MIT
// Gradients go to their ranks while the backward pass goes on: a bucket is sent as soon as the tape has finished all of
// its gradients and the buckets before it have gone; every rank so sends them in one order.
#pragma once
#include <deque>
#include <utility>
#include <vector>

#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/dist/communicator.hpp>
#include <modelgrow/dist/tree_sum.hpp>
#include <modelgrow/train/gradient_buckets.hpp>

namespace modelgrow::inline v0 {

/// Adds up the gradients of all ranks; every rank gets its parts of the sums.
///   fast     a rank adds up its micro-batches in the bucket and sends the sum with the last of them
///   ordered  every micro-batch is sent, in rounds of one for each rank, and becomes a leaf of one tree over all of
///   them:
///            the sum is the same to the last bit for any number of ranks
template <class C, class T, Device D>
requires Communicator<C, D>
class GradientExchange {
 public:
  using S = Stat<T>;
  /// A round of micro-batches: those of the ranks `first`, `first` + 1, .., around the end, so many.
  struct Round {
    int first = 0, senders = 0;
  };

  GradientExchange(C& ranks, GradientBuckets<T, D>& gradients, Sums sums)
      : ranks_(ranks), gradients_(gradients), sums_(sums) {}

  /// Before a backward pass whose gradients are sent; those that no recorded step adds to are ready.
  void begin(Tape<T, D>& tape, Round round) {
    round_ = round;
    next_ = 0;
    left_.assign(gradients_.buckets().size(), 0);
    for (std::size_t t = 0; t < gradients_.tensors(); ++t)
      if (tape.awaits(gradients_.gradient(t).data())) ++left_[gradients_.bucket_of(t)];
    send_ready(&tape);
  }
  /// What Tape::finished tells of inside of that pass.
  void finished(Tape<T, D>& tape, const S* gradient) {
    --left_[gradients_.bucket_of(gradients_.tensor_at(gradient))];
    send_ready(&tape);
    while (!flying_.empty() && flying_.front().test()) flying_.pop_front();
  }
  /// Behind that pass, or without one for a rank that has no micro-batch in the round: sends what is left.
  void end(Round round) {
    round_ = round;
    for (std::size_t& left : left_) left = 0;
    left_.resize(gradients_.buckets().size());
    send_ready(nullptr);
    next_ = 0;
  }
  /// Returns when all that was sent has arrived.
  void wait() {
    for (; !flying_.empty(); flying_.pop_front()) flying_.front().wait();
  }
  /// Behind the last round: one's own parts of the buckets are the sums.
  void finish() {
    wait();
    for (std::size_t b = 0; b < trees_.size(); ++b) {
      const Tensor<S, D> own = gradients_.buckets()[b].cuts.part(gradients_.memory(b), ranks_.rank());
      if (const Tensor<S, D> sum = trees_[b].take(); sum.defined()) D::copy(own.data(), sum.data(), own.bytes());
    }
  }

 private:
  void send_ready(Tape<T, D>* tape) {
    for (; next_ < left_.size() && left_[next_] == 0; ++next_) {
      if (tape) tape->add_contributions();
      flying_.push_back(sums_ == Sums::fast ? send_sum(next_) : send_leaf(next_));
    }
  }
  Pending send_sum(std::size_t b) {
    return ranks_.reduce_scatter(gradients_.memory(b), gradients_.buckets()[b].cuts, Sums::fast);
  }
  Pending send_leaf(std::size_t b) {
    const int n = ranks_.size();
    const Cuts& cuts = gradients_.buckets()[b].cuts;
    const std::int64_t own = cuts.size(ranks_.rank());
    std::vector<std::int64_t> from(std::size_t(n), 0);
    for (int s = 0; s < round_.senders; ++s) from[std::size_t((round_.first + s) % n)] = own;
    const bool sends = (ranks_.rank() - round_.first + n) % n < round_.senders;
    const Tensor<S, D>& all = gradients_.memory(b);
    const Cuts of = Cuts::of_sizes(from);
    const Tensor<S, D> leaves{Shape{of.total()}};
    trees_.resize(gradients_.buckets().size());
    return ranks_.all_to_all(sends ? all : all.view(0, Shape{0}), sends ? cuts : Cuts::even(0, n), leaves, of)
        .and_then([this, b, leaves, of, n, round = round_] {
          for (int s = 0; s < round.senders; ++s) {
            const Tensor<S, D> leaf = of.part(leaves, (round.first + s) % n);
            trees_[b].add(round.senders > 1 ? leaf.clone() : leaf);
          }
        });
  }

  C& ranks_;
  GradientBuckets<T, D>& gradients_;
  Sums sums_;
  Round round_;
  std::size_t next_ = 0;           // bucket to be sent
  std::vector<std::size_t> left_;  // gradients that are not finished, by bucket
  std::deque<Pending> flying_;
  std::vector<TreeSum<S, D>> trees_;
};

}  // namespace modelgrow::inline v0
