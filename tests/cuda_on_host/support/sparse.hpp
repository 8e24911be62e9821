// SPDX-License-Identifier: MIT
// Arrays larger than memory, for index arithmetic at real sizes.
#pragma once
#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace emulator {

/// An array of zeros, of which only the pages that are touched take memory.
template <class T>
class Sparse {
 public:
  explicit Sparse(std::int64_t n) : bytes_(std::size_t(n) * sizeof(T)) {
    void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<T*>(p);
  }
  ~Sparse() { munmap(data_, bytes_); }
  Sparse(const Sparse&) = delete;
  Sparse& operator=(const Sparse&) = delete;
  T* data() const { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

}  // namespace emulator
