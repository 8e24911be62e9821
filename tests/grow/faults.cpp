// SPDX-License-Identifier: MIT
// The calls that faults.hpp makes fail, in front of those of the C library.
#include "faults.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

using modelgrow::testing::Faults;

extern "C" ssize_t pwrite(int fd, const void* data, std::size_t n, off_t at) {
  if (Faults* faults = Faults::active(); faults && faults->write_fails()) {
    if (faults->code() != 0) {
      errno = faults->code();
      return -1;
    }
    n = (n + 1) / 2;
  }
  return ::syscall(SYS_pwrite64, fd, data, n, at);
}

extern "C" int madvise(void* data, std::size_t n, int advice) noexcept {
  if (Faults* faults = Faults::active(); faults && advice == MADV_POPULATE_READ && faults->read_fails()) {
    errno = EFAULT;
    return -1;
  }
  return int(::syscall(SYS_madvise, data, n, advice));
}
