// SPDX-License-Identifier: MIT
// Without MPI every program is alone.
#include "../ranks.hpp"

void tool::with_ranks(const Watched&, const std::function<void(mg::Ranks&)>& work) {
  mg::Ranks alone;
  work(alone);
}
