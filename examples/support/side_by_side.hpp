// SPDX-License-Identifier: MIT
// Work on several models at once: for models as small as those of the examples a second core does more on another model
// than on the same one. Results do not depend on the number of threads (core/parallel.hpp).
#pragma once
#include <omp.h>

#include <algorithm>
#include <array>
#include <exception>
#include <thread>

#include <modelgrow/grow/ranks.hpp>

namespace example {
namespace mg = modelgrow;

/// Calls all functions at once, each in a thread of its own with its share of the cores, and returns when all are
/// through; throws the exception of the first of them that threw one.
template <class... F>
void side_by_side(F&&... f) {
  const int threads = std::max(1, omp_get_max_threads() / int(sizeof...(f)));
  std::array<std::exception_ptr, sizeof...(f)> failures;
  {
    const auto begin = [threads](auto& call, std::exception_ptr& failure) {
      return std::jthread([&call, &failure, threads] {
        omp_set_num_threads(threads);
        try {
          call();
        } catch (...) {
          failure = std::current_exception();
        }
      });
    };
    std::size_t i = 0;
    const std::array<std::jthread, sizeof...(f)> running{begin(f, failures[i++])...};
  }
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
}
/// The same for work that the ranks do together: where there are several, one after the other.
template <class... F>
void in_turn_or_side_by_side(const mg::Ranks& ranks, F&&... f) {
  if (ranks.size() == 1)
    side_by_side(f...);
  else
    (f(), ...);
}

}  // namespace example
