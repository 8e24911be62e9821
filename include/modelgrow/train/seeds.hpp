// SPDX-License-Identifier: MIT
// Seeds of streams that have nothing to do with each other, from the one seed of an experiment.
#pragma once
#include <cstdint>
#include <string_view>

#include <modelgrow/core/rng.hpp>

namespace modelgrow::inline v0 {

/// The seed of a named stream ("weights", "clips"); below 2^53, so that every JSON reader keeps it.
constexpr std::uint64_t stream_seed(std::uint64_t seed, std::string_view stream) {
  return Rng(seed, hash_name(stream)).bits(0) >> 11;
}

}  // namespace modelgrow::inline v0
