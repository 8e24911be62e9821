// SPDX-License-Identifier: MIT
// Training or validation, decided by the key alone: the same on every machine, whatever else the data set holds.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/data/clip.hpp>

namespace modelgrow::inline v0 {

enum class Split { train, validation };

/// Side of a sample: validation for about `validation_fraction` of all keys. Throws shape_error for a fraction outside
/// [0, 1].
inline Split split_of(std::string_view key, double validation_fraction = 0.1, std::uint64_t seed = 0) {
  if (!(validation_fraction >= 0 && validation_fraction <= 1))
    throw shape_error("validation fraction " + std::to_string(validation_fraction) + ": pass a value from 0 to 1");
  return Rng(seed, hash_name("split")).uniform(hash_name(key)) < validation_fraction ? Split::validation : Split::train;
}

/// Indices of the samples on one side, in order.
inline std::vector<std::size_t> split_indices(std::span<const Sample> samples, Split side,
                                              double validation_fraction = 0.1, std::uint64_t seed = 0) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < samples.size(); ++i)
    if (split_of(samples[i].key, validation_fraction, seed) == side) indices.push_back(i);
  return indices;
}

}  // namespace modelgrow::inline v0
