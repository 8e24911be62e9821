// SPDX-License-Identifier: MIT
// Ends all ranks of a growth when one of them no longer goes on, and says which tensor it was at. The signs of life lie
// in a folder of their own, since that of the growth gets another name in the end.
#pragma once
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <modelgrow/core/error.hpp>
#include <modelgrow/dist/communicator.hpp>
#include <modelgrow/dist/watchdog.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Removes what ranks have left in a folder of signs of life, and the folder if nothing else is in it. Where ranks are
/// about to be ended, one may leave another sign meanwhile.
inline void remove_signs(const std::filesystem::path& folder) {
  std::error_code failed;
  for (int attempt = 0; attempt < 3 && std::filesystem::is_directory(folder, failed); ++attempt) {
    for (const auto& entry : std::filesystem::directory_iterator(folder, failed))
      if (entry.path().filename().string().starts_with("rank-")) std::filesystem::remove(entry.path(), failed);
    std::filesystem::remove(folder, failed);  // if it is empty
  }
}

}  // namespace detail

/// Watches over the ranks of a growth from the moment they have met. What is limited is the time for one window of the
/// files, by the tensor in it; ranks that wait, and rank 0 where it works alone, only have to give signs of life.
///   GrowthWatchdog watchdog(mpi, {.directory = "grown.ranks"});  // which all ranks see
///   watchdog.watch(ranks);
///   ranks.together([&] { plan.write(in, "grown/", {.ranks = &ranks}); });
///   watchdog.end();  // also after an exception, but a communication_error
template <Communicator C>
class GrowthWatchdog {
 public:
  /// Signs of life that tell of another tensor are a tenth of a second apart, unless the options say more.
  GrowthWatchdog(C& group, WatchdogOptions options) : group_(group), options_(std::move(options)) {
    options_.apart = std::max<std::chrono::milliseconds>(options_.apart, std::chrono::milliseconds(100));
  }
  GrowthWatchdog(GrowthWatchdog&&) = delete;

  /// Begins when these ranks meet (grow/ranks.hpp), which then throws io_error where rank 0 cannot make the folder
  /// beside others or a rank cannot write into it.
  template <class Ranks>
  void watch(Ranks& ranks) {
    if (group_.size() == 1) return;
    ranks.watched_by({.met =
                          [this, &ranks] {
                            if (ranks.first()) make_folder();
                            ranks.all();  // find it
                            begin();
                          },
                      .making = [this](const std::string& tensor) { return making(tensor); }});
  }
  /// Nobody watches any more, and nothing of it stays. Called by all ranks.
  void end() {
    watchdog_.reset();
    group_.barrier().wait();  // nobody writes there any more
    detail::remove_signs(options_.directory);
  }

 private:
  struct Piece {
    std::string tensor;
    Watchdog::Clock::time_point since;
  };

  void make_folder() const {
    detail::remove_signs(options_.directory);  // that ranks which were killed have left
    std::error_code failed;
    std::filesystem::create_directory(options_.directory, failed);
    if (failed)
      throw io_error("cannot make '" + options_.directory.string() +
                     "', where ranks leave signs of life: " + failed.message());
  }
  void begin() {
    watchdog_.emplace(group_.rank(), group_.size(), options_, [this](const std::string& why) {
      detail::remove_signs(options_.directory);
      group_.abort(why + "; what was written is kept, and the same command goes on from there");
    });
    watchdog_->now("before the first tensor", Watchdog::Doing::paused);
  }
  /// What one of the threads makes, until what this returns goes.
  std::shared_ptr<void> making(const std::string& tensor) {
    const std::lock_guard lock(mutex_);
    const auto piece = pieces_.insert(pieces_.end(), Piece{.tensor = tensor, .since = Watchdog::Clock::now()});
    tell();
    return std::shared_ptr<void>(this, [this, piece](void*) {
      const std::lock_guard again(mutex_);
      last_ = std::move(piece->tensor);
      pieces_.erase(piece);
      tell();
    });
  }
  /// Of the pieces that this rank makes, the one that it has begun first.
  void tell() {
    if (pieces_.empty())
      watchdog_->now("after tensor '" + last_ + "'", Watchdog::Doing::paused);
    else
      watchdog_->now("tensor '" + pieces_.front().tensor + "'", Watchdog::Doing::computing, pieces_.front().since);
  }

  C& group_;
  WatchdogOptions options_;
  std::mutex mutex_;
  std::list<Piece> pieces_;
  std::string last_;
  std::optional<Watchdog> watchdog_;
};

}  // namespace modelgrow::inline v0
