// SPDX-License-Identifier: MIT
// Endless shuffled batches as a pure function of (seed, step): nothing to save, resumable from any step. Each epoch
// orders the data by a keyed permutation (Feistel network, cycle walking; Black and Rogaway 2002), never stored.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/core/rng.hpp>

namespace modelgrow::inline v0 {

/// Every sample once an epoch; a batch may span two epochs.
class Batches {
 public:
  /// Batches of `batch` out of `samples` samples. Throws shape_error when either is 0.
  Batches(std::uint64_t samples, std::uint64_t batch, std::uint64_t seed)
      : samples_(samples), batch_(batch), seed_(seed) {
    if (samples == 0 || batch == 0)
      throw shape_error("batches of " + std::to_string(batch) + " out of " + std::to_string(samples) +
                        " samples: both must be positive; is the split empty?");
    while ((std::uint64_t(1) << (2 * half_bits_)) < samples) ++half_bits_;
  }

  /// Indices of the samples of one step.
  std::vector<std::size_t> at(std::uint64_t step) const {
    std::vector<std::size_t> indices(batch_);
    for (std::uint64_t i = 0; i < batch_; ++i) indices[i] = sample(step * batch_ + i);
    return indices;
  }
  /// Index of the sample at one position of the endless sequence.
  std::size_t sample(std::uint64_t position) const {
    const Rng keys(seed_, hash_name("batches") ^ (position / samples_));
    std::uint64_t place = position % samples_;
    do place = permute(place, keys);
    while (place >= samples_);
    return place;
  }
  std::uint64_t samples() const { return samples_; }
  std::uint64_t batch() const { return batch_; }
  /// Epochs finished before this step, with fraction.
  double epoch(std::uint64_t step) const { return double(step) * double(batch_) / double(samples_); }

 private:
  std::uint64_t permute(std::uint64_t place, const Rng& keys) const {
    const std::uint64_t mask = (std::uint64_t(1) << half_bits_) - 1;
    std::uint64_t left = place >> half_bits_, right = place & mask;
    for (std::uint64_t round = 0; round < 6; ++round) {
      const std::uint64_t mixed = (left ^ keys.bits(round << 32 | right)) & mask;
      left = right;
      right = mixed;
    }
    return left << half_bits_ | right;
  }

  std::uint64_t samples_, batch_, seed_;
  int half_bits_ = 1;
};

}  // namespace modelgrow::inline v0
