// SPDX-License-Identifier: MIT
// A file that is never on a disk, for tests that open thousands.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

namespace modelgrow::testing {

/// Holds these bytes; the path is valid as long as the object.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : descriptor_(::memfd_create("modelgrow-test", 0)) {
    if (descriptor_ < 0 || ::write(descriptor_, bytes.data(), bytes.size()) != ssize_t(bytes.size()))
      throw std::system_error(errno, std::generic_category(), "a file in memory");
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(MemoryFile&&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace modelgrow::testing
