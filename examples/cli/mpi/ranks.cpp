// SPDX-License-Identifier: MIT
// The ranks of MPI.
#include "../ranks.hpp"

#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/dist/gather_texts.hpp>
#include <modelgrow/dist/growth_watchdog.hpp>
#include <modelgrow/dist/mpi.hpp>

namespace tool {

namespace {

/// Calls `work` on the ranks of MPI; what it threw, and whether this is the rank that says so.
std::pair<std::exception_ptr, bool> ended_by(const Watched& how, const std::function<void(mg::Ranks&)>& work) {
  mg::Mpi mpi;
  mg::Ranks ranks(mpi.rank(), mpi.size(), [&](const std::string& own) { return mg::gather_texts(mpi, own); });
  mg::GrowthWatchdog watchdog(mpi,
                              {.directory = mg::detail::folder_named(how.out).string() + ".ranks", .limit = how.limit});
  watchdog.watch(ranks);
  std::exception_ptr thrown;
  try {
    ranks.together([&] { work(ranks); });
  } catch (const mg::communication_error& e) {
    mpi.abort(e.what());  // the others may wait for this one
  } catch (...) {
    thrown = std::current_exception();
  }
  watchdog.end();
  return {thrown, ranks.first()};
}

}  // namespace

void with_ranks(const Watched& how, const std::function<void(mg::Ranks&)>& work) {
  if (!mg::launched_by_mpi()) {
    mg::Ranks alone;
    return work(alone);
  }
  const auto [thrown, says_so] = ended_by(how, work);
  if (!thrown) return;
  if (!says_so) throw SaidByAnother{};
  std::rethrow_exception(thrown);
}

}  // namespace tool
