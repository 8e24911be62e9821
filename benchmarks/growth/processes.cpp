// SPDX-License-Identifier: MIT
// Processes, and what they say.
#include "processes.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/posix.hpp>
#include <modelgrow/train/checkpointing.hpp>
#include <modelgrow/train/progress_line.hpp>

#include "stop_signal.hpp"

namespace growth {

namespace {

using Clock = std::chrono::steady_clock;

/// Starts a program whose output goes to a file. It gets SIGTERM, and saves, when this process dies.
pid_t start(const std::vector<std::string>& command, const std::filesystem::path& output, int threads) {
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const std::string count = std::to_string(threads);
  const pid_t child = fork();
  if (child < 0) mg::detail::throw_io("start a process for", output, errno);
  if (child > 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int file = open(output.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (file >= 0) dup2(file, 1), dup2(file, 2);
  setenv("OMP_NUM_THREADS", count.c_str(), 1);
  setenv("OMP_WAIT_POLICY", "passive", 0);
  execv(words[0], words.data());
  _exit(127);
}

std::string end_of(const std::filesystem::path& output) {
  constexpr std::size_t most = 2000;
  const std::string text = mg::detail::read_file(output);
  return text.size() > most ? ".. " + text.substr(text.size() - most) : text;
}

class Jobs {
 public:
  Jobs(const std::vector<Job>& jobs, Processes processes, const Cache& cache, const CommandOf& command)
      : processes_(processes), cache_(cache), command_(command) {
    for (const Job& job : jobs) {
      if (cache.done(job.key)) continue;
      waiting_.push_back(job);
      left_ += job.flops;
    }
    total_ = waiting_.size();
  }

  JobsReport run() {
    while (!running_.empty() || !waiting_.empty()) {
      if (StopSignal::requested()) {
        if (!report_.interrupted)
          for (const auto& [child, job] : running_) kill(child, SIGTERM);
        report_.interrupted = true;
        if (running_.empty()) break;
      } else if (!start_those_ready() && running_.empty()) {
        break;  // the rest needs what failed
      }
      int status = 0;
      if (const pid_t child = waitpid(-1, &status, WNOHANG); child > 0)
        ended(child, status);
      else
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    report_.left = waiting_.size();
    return report_;
  }

 private:
  struct Running {
    Job job;
    Clock::time_point since;
  };

  bool start_those_ready() {
    bool any = false;
    for (auto it = waiting_.begin(); it != waiting_.end() && int(running_.size()) < processes_.count;) {
      if (!it->after.empty() && !cache_.done(it->after)) {
        ++it;
        continue;
      }
      const pid_t child = start(command_(it->key), cache_.folder(it->key) / "output.txt", processes_.threads);
      running_.emplace(child, Running{*it, Clock::now()});
      it = waiting_.erase(it);
      any = true;
    }
    return any;
  }

  void ended(pid_t child, int status) {
    const auto it = running_.find(child);
    if (it == running_.end()) return;
    const Running run = it->second;
    running_.erase(it);
    const double seconds = std::chrono::duration<double>(Clock::now() - run.since).count();
    if (WIFEXITED(status) && WEXITSTATUS(status) == StopSignal::exit_code) {
      report_.interrupted = true;
      ++report_.left;
      return;
    }
    const auto done = cache_.done(run.job.key);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || !done) {
      ++report_.failed;
      std::cout << run.job.label << " FAILED (" << cache_.folder(run.job.key).string() << "):\n"
                << end_of(cache_.folder(run.job.key) / "output.txt") << std::endl;
      return;
    }
    ++report_.finished;
    left_ -= run.job.flops;
    spent_flops_ += run.job.flops;
    spent_seconds_ += seconds;
    char line[256];
    std::snprintf(line, sizeof line, "[%zu/%zu] %s: %.3g TFLOP in %s; about %s left", report_.finished, total_,
                  run.job.label.c_str(), done->flops * 1e-12, mg::clock_time(seconds).c_str(),
                  mg::clock_time(seconds_left()).c_str());
    std::cout << line << std::endl;
  }

  /// At the rate so far.
  double seconds_left() const {
    return spent_flops_ > 0 ? left_ / spent_flops_ * spent_seconds_ / processes_.count : 0;
  }

  Processes processes_;
  const Cache& cache_;
  const CommandOf& command_;
  std::vector<Job> waiting_;
  std::map<pid_t, Running> running_;
  std::size_t total_ = 0;
  double left_ = 0, spent_flops_ = 0, spent_seconds_ = 0;
  JobsReport report_;
};

}  // namespace

JobsReport run_jobs(const std::vector<Job>& jobs, Processes processes, const Cache& cache, const CommandOf& command) {
  return Jobs(jobs, processes, cache, command).run();
}

SegmentLock::SegmentLock(const Cache& cache, const std::string& key) {
  const auto path = cache.folder(key) / "lock";
  file_ = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (file_ < 0) mg::detail::throw_io("open", path, errno);
  while (flock(file_, LOCK_EX) != 0)
    if (errno != EINTR || StopSignal::requested()) {
      const int why = errno;
      close(file_);
      mg::detail::throw_io("lock", path, why);
    }
}
SegmentLock::~SegmentLock() { close(file_); }

}  // namespace growth
