// SPDX-License-Identifier: MIT
// No file of this process may grow beyond some bytes: what a full disk looks like to a writer.
#pragma once
#include <sys/resource.h>

#include <csignal>

namespace modelgrow::testing {

/// From now on, for as long as this lives. Writers are told by an error.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit small = old_;
    small.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  SmallFiles(SmallFiles&&) = delete;
  ~SmallFiles() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit old_{};
};

}  // namespace modelgrow::testing
