// SPDX-License-Identifier: MIT
// Ends all ranks when one of them no longer goes on: every rank leaves signs of life in a file of its own, and the
// first rank reads them.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// How long a rank may take.
struct WatchdogOptions {
  std::filesystem::path directory;                             // which all ranks see: rank r writes `rank-r` there
  std::chrono::milliseconds limit = std::chrono::minutes(10);  // for one step and its hooks, and for signs of life
  std::chrono::milliseconds apart{0};                          // at least, where a sign tells of something new
};

/// Watches over the ranks of a program from a thread of its own. The file of a rank says in which step it is and what
/// it does, also when all have ended.
class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;

  /// end(why) must end all ranks; it is called from the thread. Throws io_error when the directory cannot be written.
  Watchdog(int rank, int ranks, WatchdogOptions options, std::function<void(const std::string& why)> end)
      : rank_(rank), options_(std::move(options)), end_(std::move(end)) {
    std::error_code failed;
    std::filesystem::create_directories(options_.directory, failed);
    write();
    if (!std::filesystem::exists(file_of(rank_), failed))
      throw io_error("cannot write '" + file_of(rank_).string() + "', where rank " + std::to_string(rank_) +
                     " leaves signs of life: give the watchdog a directory that all ranks can write");
    if (rank_ == 0)
      for (int r = 1; r < ranks; ++r) others_.push_back({.rank = r});
    else
      others_.push_back({.rank = 0});
    thread_ = std::thread([this] { watch(); });
  }
  Watchdog(Watchdog&&) = delete;
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  /// What this rank does from now on: `computing` is limited, `waiting` for others as well but to twice the time, so
  /// that who computes too long is named first; what is `paused` may take as long as it takes.
  enum class Doing { computing, waiting, paused };
  void now(std::int64_t step, Doing doing) { now("step " + std::to_string(step), doing); }
  /// The same of what is no step, since a moment that may have passed.
  void now(std::string what, Doing doing, Clock::time_point since = Clock::now()) {
    const std::lock_guard lock(mutex_);
    const bool another = what != what_;
    what_ = std::move(what);
    doing_ = doing;
    since_ = since;
    if (const auto now = Clock::now(); another && now - told_ >= options_.apart) {
      told_ = now;
      write();
    }
  }

 private:
  struct Other {
    int rank = 0;
    std::string said = {};  // the content of its file
    Clock::time_point when = Clock::now();
  };

  std::filesystem::path file_of(int rank) const { return options_.directory / ("rank-" + std::to_string(rank)); }
  std::string doing() const {
    return what_ + ", " +
           (doing_ == Doing::computing ? "computing"
            : doing_ == Doing::waiting ? "waiting for other ranks"
                                       : "paused");
  }
  void write() { std::ofstream(file_of(rank_)) << doing() << "\nsign of life " << ++signs_ << "\n"; }
  static std::string seconds(Clock::duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count()) + " s";
  }

  void watch() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, options_.limit / 8, [this] { return ends_; })) {
      write();
      if (const std::string why = wrong(); !why.empty()) {
        write();
        lock.unlock();
        return end_(why);
      }
    }
    std::ofstream(file_of(rank_)) << "ended in " << doing() << "\n";
  }
  std::string wrong() {
    const auto now = Clock::now();
    const std::string most = "; the limit is " + seconds(options_.limit);
    for (Other& other : others_) {
      std::ifstream file(file_of(other.rank));
      std::string said(std::istreambuf_iterator<char>(file), {});
      if (!said.empty() && said != other.said) {
        other.said = std::move(said);
        other.when = now;
      }
      if (now - other.when > options_.limit && !other.said.starts_with("ended"))
        return "rank " + std::to_string(other.rank) + " has given no sign of life for " + seconds(now - other.when) +
               most + "; its last was: " + other.said.substr(0, other.said.find('\n'));
    }
    const auto time = now - since_;
    if (doing_ == Doing::computing && time > options_.limit) return doing() + " for " + seconds(time) + most;
    if (doing_ == Doing::waiting && time > 2 * options_.limit) return doing() + " for " + seconds(time) + most;
    return {};
  }

  int rank_;
  WatchdogOptions options_;
  std::function<void(const std::string&)> end_;
  std::vector<Other> others_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string what_ = "step 0";
  std::int64_t signs_ = 0;
  Doing doing_ = Doing::paused;
  Clock::time_point since_ = Clock::now(), told_ = {};
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace modelgrow::inline v0
