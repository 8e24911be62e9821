// SPDX-License-Identifier: MIT
// What every rank of a group says, as text of any length.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <modelgrow/dist/communicator.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// Leaves the processor to others, as long as they may need it.
inline void wait_idly(Pending pending) {
  while (!pending.test()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}
}  // namespace detail

/// The texts of all ranks, by rank, on every one of them; up to 2 GB together. Waits without using the processor.
/// Throws communication_error.
template <Communicator C>
std::vector<std::string> gather_texts(C& ranks, std::string_view own) {
  const auto n = ranks.size();
  const auto all_sizes = Tensor<std::int64_t, Cpu>::zeros(Shape{n});
  all_sizes.data()[ranks.rank()] = std::int64_t(own.size());
  detail::wait_idly(ranks.all_gather(all_sizes, Cuts::even(n, n)));
  const auto cuts = Cuts::of_sizes({all_sizes.data(), all_sizes.data() + n});
  const Tensor<std::uint8_t, Cpu> all(Shape{cuts.total()});
  std::memcpy(all.data() + cuts.begin(ranks.rank()), own.data(), own.size());
  detail::wait_idly(ranks.all_gather(all, cuts));
  std::vector<std::string> texts;
  for (int r = 0; r < n; ++r)
    texts.emplace_back(reinterpret_cast<const char*>(all.data()) + cuts.begin(r), std::size_t(cuts.size(r)));
  return texts;
}

}  // namespace modelgrow::inline v0
