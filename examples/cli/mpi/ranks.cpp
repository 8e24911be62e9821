// SPDX-License-Identifier: MIT
// The ranks of MPI.
#include "../ranks.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <modelgrow/dist/gather_texts.hpp>
#include <modelgrow/dist/mpi.hpp>

namespace tool {

namespace {

/// Whether a launcher has set what it tells its processes: Open MPI, those that speak PMI or PMIx, MPICH and MVAPICH.
bool launched() {
  constexpr std::array said = {"OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK", "MPI_LOCALRANKID",
                               "MV2_COMM_WORLD_SIZE"};
  return std::ranges::any_of(said, [](const char* name) { return std::getenv(name) != nullptr; });
}

/// Calls `work` on the ranks of MPI; what it threw, and whether this is the rank that says so.
std::pair<std::exception_ptr, bool> ended_by(const std::function<void(mg::Ranks&)>& work) {
  mg::Mpi mpi;
  mg::Ranks ranks(mpi.rank(), mpi.size(), [&](const std::string& own) { return mg::gather_texts(mpi, own); });
  try {
    ranks.together([&] { work(ranks); });
  } catch (const mg::communication_error& e) {
    mpi.abort(e.what());  // the others may wait for this one
  } catch (...) {
    return {std::current_exception(), ranks.first()};
  }
  return {nullptr, ranks.first()};
}

}  // namespace

void with_ranks(const std::function<void(mg::Ranks&)>& work) {
  if (!launched()) {
    mg::Ranks alone;
    return work(alone);
  }
  const auto [thrown, says_so] = ended_by(work);
  if (!thrown) return;
  if (!says_so) throw SaidByAnother{};
  std::rethrow_exception(thrown);
}

}  // namespace tool
