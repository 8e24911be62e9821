// SPDX-License-Identifier: MIT
// The device Emulated: the CUDA backend with the host in place of the GPU. Its memory can be touched only by kernels
// and by the functions of the device, so host code that reads a device pointer stops here as it would on a GPU.
#pragma once
#include <sys/mman.h>

#include <stdexcept>
#include <thread>

#include <modelgrow/backend/cuda/operations.hpp>

#include "tests/cuda_on_host/support/emulator.hpp"
#include "tests/cuda_on_host/support/product.hpp"

namespace emulator {

/// Address space that is inaccessible while nobody has it open. It belongs to the thread that asks for memory first: a
/// GPU has a queue for each host thread, and what one gives to its own is in no order with what others do.
class Arena {
 public:
  Arena() {
    memory_ = mmap(nullptr, capacity + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    base_ = reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(memory_) + page - 1) / page * page);
    madvise(base_, capacity, MADV_HUGEPAGE);  // each launch opens and closes all of it, page by page
  }
  ~Arena() { munmap(memory_, capacity + page); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Access for as long as it lives.
  class Open {
   public:
    explicit Open(Arena& arena) : arena_(arena) {
      arena_.require_owner();
      if (arena_.open_++ == 0) arena_.protect(PROT_READ | PROT_WRITE);
    }
    ~Open() {
      if (--arena_.open_ == 0) arena_.protect(PROT_NONE);
    }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

   private:
    Arena& arena_;
  };

  /// Memory full of NaN.
  void* allocate(std::size_t bytes) {
    require_owner();
    bytes = (bytes + alignment - 1) / alignment * alignment + alignment;
    void* p;
    if (auto& free = free_[bytes]; !free.empty()) {
      p = free.back();
      free.pop_back();
    } else {
      if (used_ + bytes > capacity) throw std::bad_alloc();
      p = base_ + used_;
      used_ += bytes;
    }
    size_[p] = bytes;
    const Open open(*this);
    std::memset(p, 0xff, bytes);
    return p;
  }
  void release(void* p) {
    require_owner();
    free_[size_.at(p)].push_back(p);
  }

 private:
  static constexpr std::size_t capacity = std::size_t{1} << 32, alignment = 256, page = std::size_t{2} << 20;
  void require_owner() const {
    if (std::this_thread::get_id() != owner_)
      throw std::logic_error(
          "a thread uses memory of the emulated GPU that another one works with; only that one has its queue");
  }
  void protect(int access) {
    if (mprotect(base_, (used_ + page - 1) / page * page, access) != 0) throw std::bad_alloc();
  }
  const std::thread::id owner_ = std::this_thread::get_id();
  void* memory_;
  char* base_;
  std::size_t used_ = 0;
  int open_ = 0;
  std::map<std::size_t, std::vector<void*>> free_;
  std::map<void*, std::size_t> size_;
};

}  // namespace emulator

namespace modelgrow::inline v0 {

struct Emulated {
  static emulator::Arena& arena() {
    static emulator::Arena arena;
    return arena;
  }
  static emulator::Machine& machine() {
    static emulator::Machine machine;
    return machine;
  }
  static void* allocate(std::size_t bytes) { return arena().allocate(bytes); }
  static void release(void* p) noexcept { arena().release(p); }
  static void zero(void* p, std::size_t bytes) {
    const emulator::Arena::Open open(arena());
    std::memset(p, 0, bytes);
  }
  static void copy(void* to, const void* from, std::size_t bytes) {
    const emulator::Arena::Open open(arena());
    std::memcpy(to, from, bytes);
  }
  static void from_host(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
  static void to_host(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
  static Pool<Emulated>& pool() {
    arena();  // made before the pool, so that it is there when the pool goes
    static Pool<Emulated> pool;
    return pool;
  }
};

namespace kernels {

struct HostExecutor {
  using Device = Emulated;
  template <class Kernel>
  static void launch(const Kernel& kernel) {
    const emulator::Arena::Open open(Emulated::arena());
    Emulated::machine().launch(kernel);
  }
  template <class T, class R>
  static void multiply(MatrixSize size, Transposed transposed, const T* a, const T* b, Write write, R* c) {
    const emulator::Arena::Open open(Emulated::arena());
    emulator::multiply(size, transposed, a, b, write, c);
  }
  template <class Epilogue, class T, class R>
  static bool multiply_with(const Epilogue& epilogue, MatrixSize size, Transposed transposed, const T* a, const T* b,
                            Write write, R* c) {
    const emulator::Arena::Open open(Emulated::arena());
    return emulator::multiply_with(epilogue, size, transposed, a, b, write, c);
  }
};

}  // namespace kernels

template <>
struct Backend<Emulated> : kernels::Operations<kernels::HostExecutor> {};

}  // namespace modelgrow::inline v0
