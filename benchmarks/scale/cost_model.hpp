// SPDX-License-Identifier: MIT
// What a training step of many ranks sends and holds, by the schedule that the trainer itself follows (pack_buckets,
// Traffic), and how long that takes on links and cards of given speeds: a model, not a measurement.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <modelgrow/dist/traffic.hpp>
#include <modelgrow/train/buckets.hpp>

namespace scale {

/// How a model is trained. Defaults are those of DistributedOptions, in bf16.
struct Training {
  int ranks = 1;
  std::int64_t micro_batches = 1;  // a step, of all ranks
  bool sharded = false, ordered = false, averages = true;
  std::int64_t bucket_bytes = 16'000'000;
  std::int64_t weight_bytes = 2;  // 4: in float, without master weights
};
inline constexpr std::int64_t sum_bytes = 4;  // of gradients, moments, master weights and averages

inline std::vector<modelgrow::Bucket> buckets_of(std::span<const modelgrow::MatrixSize> tensors, const Training& t) {
  return modelgrow::pack_buckets(tensors, modelgrow::bucket_elements(tensors, t.bucket_bytes, sum_bytes), t.ranks);
}

/// What one rank sends in a step whose first micro-batch is that of rank `first`.
struct StepTraffic {
  modelgrow::Traffic sums;    // gradients, while they are computed
  modelgrow::Traffic gather;  // behind them: sums of gradients, or weights that were stepped
  modelgrow::Traffic rest;    // losses, times and the norm
  modelgrow::Traffic all() const {
    modelgrow::Traffic t = sums;
    t += gather;
    t += rest;
    return t;
  }
};
inline StepTraffic step_traffic(std::span<const modelgrow::Bucket> buckets, const Training& t, int rank,
                                int first = 0) {
  using modelgrow::Traffic;
  StepTraffic step;
  std::int64_t units = 0;
  const std::int64_t n = t.ranks, place = (rank - first + n) % n;  // of this rank in a round of micro-batches
  for (const modelgrow::Bucket& b : buckets) {
    units += std::int64_t(modelgrow::unit_ends(b).size()) - 1;
    step.gather += Traffic::of_all_gather(b.cuts, rank, t.sharded ? t.weight_bytes : sum_bytes);
    if (!t.ordered) {
      step.sums += Traffic::of_reduce_scatter(b.cuts, rank, sum_bytes);
      continue;
    }
    for (std::int64_t begin = 0; begin < t.micro_batches; begin += n) {
      const bool sends = begin + place < t.micro_batches;
      step.sums += Traffic::of_all_to_all(sends ? b.cuts : modelgrow::Cuts::even(0, t.ranks), rank, sum_bytes);
    }
  }
  step.rest += Traffic::of_all_reduce(t.micro_batches + 2 * n, t.ranks, rank, sizeof(double));
  step.rest += Traffic::of_all_reduce(t.ordered ? units : 1, t.ranks, rank, sizeof(double));
  return step;
}

/// Bytes of what one rank keeps between steps, and of its gradients.
struct Memory {
  std::int64_t weights, gradients, state;  // state: moments, master weights, averages
  std::int64_t all() const { return weights + gradients + state; }
};
inline std::int64_t elements_of(std::span<const modelgrow::Bucket> buckets, int rank) {
  std::int64_t n = 0;
  for (const modelgrow::Bucket& b : buckets)
    for (const modelgrow::BucketSlot& s : b.slots)
      n += (s.row_at(b.cuts.begin(rank) + b.cuts.size(rank)) - s.row_at(b.cuts.begin(rank))) * s.columns;
  return n;
}
inline Memory memory(std::span<const modelgrow::Bucket> buckets, const Training& t, int rank) {
  std::int64_t elements = 0, padded = 0;
  for (const modelgrow::Bucket& b : buckets) {
    padded += b.size;
    for (const modelgrow::BucketSlot& s : b.slots) elements += s.rows * s.columns;
  }
  const std::int64_t each = sum_bytes * (2 + (t.weight_bytes == 2) + t.averages);
  return {.weights = t.weight_bytes * elements,
          .gradients = sum_bytes * padded,
          .state = each * (t.sharded ? elements_of(buckets, rank) : elements)};
}
/// The rank that holds and sends most.
inline int largest_rank(std::span<const modelgrow::Bucket> buckets, int ranks) {
  std::vector<std::int64_t> own(std::size_t(ranks), 0);
  for (const modelgrow::Bucket& b : buckets)
    for (int r = 0; r < ranks; ++r) own[std::size_t(r)] += b.cuts.size(r);
  return int(std::ranges::max_element(own) - own.begin());
}

/// A card, and its link to the others.
struct Hardware {
  double flops, bytes_a_second, seconds_a_message;
  double seconds(const modelgrow::Traffic& t) const {
    return double(t.bytes) / bytes_a_second + double(t.messages) * seconds_a_message;
  }
};
/// What a micro-batch computes.
struct Work {
  double forward, backward;  // operations
};

/// Seconds of a step of a rank.
struct StepTime {
  double computing, sending, exposed;
  double total() const { return computing + exposed; }
};
/// The last backward pass finishes the gradients of the buckets one after the other, in times that follow from their
/// elements; the link sends one bucket behind the other, and the gather behind the last of them. Ordered sums of
/// earlier micro-batches are sent under the passes behind them in the same way.
inline StepTime step_time(std::span<const modelgrow::Bucket> buckets, const Training& t, int rank, const Work& work,
                          const Hardware& hardware) {
  double elements = 0;
  for (const modelgrow::Bucket& b : buckets) elements += double(b.size);
  const std::int64_t passes = (t.micro_batches + t.ranks - 1) / t.ranks;
  double now = 0, link = 0, sending = 0, waited = 0;
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    if (t.ordered && pass > 0) {  // the memory of the buckets must be free
      waited += std::max(0.0, link - now);
      now = std::max(now, link);
    }
    now += work.forward / hardware.flops;
    const bool sends = t.ordered || pass + 1 == passes;
    for (const modelgrow::Bucket& b : buckets) {
      now += work.backward / hardware.flops * double(b.size) / elements;
      if (!sends) continue;
      const double seconds = hardware.seconds(modelgrow::Traffic::of_reduce_scatter(b.cuts, rank, sum_bytes));
      link = std::max(link, now) + seconds;
      sending += seconds;
    }
  }
  const double computing = double(passes) * (work.forward + work.backward) / hardware.flops;
  const StepTraffic step = step_traffic(buckets, t, rank);
  const double behind = hardware.seconds(step.gather) + hardware.seconds(step.rest);
  return {.computing = computing, .sending = sending + behind, .exposed = waited + std::max(0.0, link - now) + behind};
}

}  // namespace scale
