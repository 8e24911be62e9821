// SPDX-License-Identifier: MIT
// Processes that write a growth or a run together, as one of them sees them: who they are, what they tell each other,
// and that an error of one of them is an error of all.
#pragma once
#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

/// Another rank was stopped, as by Ctrl-C or a scheduler: it threw what is no std::exception. It is no `error`, behind
/// which nothing would be kept to go on from.
struct interrupted_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A group of processes. What they tell each other goes through a function, of MPI or of whatever else started them:
///   Mpi mpi;
///   Ranks ranks(mpi.rank(), mpi.size(), [&](const std::string& own) { return gather_texts(mpi, own); });
///   ranks.together([&] { plan.write(in, "grown/", {.ranks = &ranks}); });
/// After an error a group is of no more use. check(), claim() and making() are for any thread, all else for the one
/// that made the group.
class Ranks {
 public:
  /// What every rank says, by rank. All call it together, and it ends when all have.
  using Gather = std::function<std::vector<std::string>(const std::string& own)>;
  /// What every rank has for this one, by rank, where `to` has what this one has for each. All call it together.
  using Swap = std::function<std::vector<std::string>(const std::vector<std::string>& to)>;
  /// Who watches over this rank hears that all have met, which may throw, and which tensor a thread makes, until what
  /// that returned goes.
  struct Watch {
    std::function<void()> met = {};
    std::function<std::shared_ptr<void>(const std::string& tensor)> making = {};
  };
  /// What has to be the same for all: its name, and a text.
  using Facts = std::vector<std::pair<std::string, std::string>>;

  /// This process alone.
  Ranks() = default;
  /// Only swap() needs the last of these.
  Ranks(int rank, int size, Gather gather, Swap swap = {})
      : rank_(rank), size_(size), gather_(std::move(gather)), swap_(std::move(swap)) {}
  Ranks(Ranks&&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Whether this is rank 0, which does what is to be done once.
  bool first() const { return rank_ == 0; }

  /// What every rank says, by rank, once all have come here. Throws what another rank failed with instead.
  std::vector<std::string> all(const std::string& own = {});
  /// What every rank has for this one, by rank; to[r] is for rank r. Throws as all() does.
  std::vector<std::string> swap(std::vector<std::string> to);

  /// Somebody watches over this rank from the next meet_in() on (dist/growth_watchdog.hpp).
  void watched_by(Watch watch) { watch_ = std::move(watch); }
  /// Kept by a thread while it makes a tensor, or a part of one.
  std::shared_ptr<void> making(const std::string& tensor) const {
    return watch_.making ? watch_.making(tensor) : nullptr;
  }

  /// Calls f; ends when f has ended on all ranks. Where it throws on any of them, all throw that, with the number of
  /// the first such rank unless all say the same.
  void together(const std::function<void()>& f);

  /// Throws plan_error, on all ranks, which names the first that came with other facts than rank 0.
  void agree(const Facts& facts);

  /// From now on all write into this folder, which rank 0 has made. Throws io_error, on all ranks, which names one that
  /// does not see what rank 0 writes there.
  void meet_in(const std::filesystem::path& folder);
  /// Whether this rank is the first that asks for something by this name since they met: one of them is told so. Throws
  /// io_error.
  bool claim(const std::string& name);
  /// Throws where another rank has failed since they met, so that nobody works on in vain. Costs nothing when called
  /// again within a tenth of a second.
  void check();
  /// They have met, and nothing of it stays in the folder. For rank 0, when all have written.
  void leave();

 private:
  static constexpr const char* meeting_file = ".modelgrow-ranks";
  static constexpr const char* claim_file = ".modelgrow-claim-";
  std::vector<std::string> exchange(const std::string& own);
  [[noreturn]] void fail(const std::exception_ptr& why);
  [[noreturn]] void throw_first(const std::vector<std::string>& said, const std::exception_ptr& own) const;

  int rank_ = 0, size_ = 1;
  Gather gather_;
  Swap swap_;
  Watch watch_;
  bool ended_ = false;             // an error was told to all
  std::filesystem::path meeting_;  // is empty once a rank has failed
  std::string mark_;               // of this meeting
  std::mutex mutex_;               // of what follows
  std::chrono::steady_clock::time_point looked_ = {};
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/ranks_inl.hpp>
#endif
