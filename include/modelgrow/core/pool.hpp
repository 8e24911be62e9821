// SPDX-License-Identifier: MIT
// Memory that is given back and used again: a training step allocates the same shapes each time, and fresh pages cost
// more than the arithmetic on them.
#pragma once
#include <bit>
#include <concepts>
#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include <modelgrow/core/device.hpp>
#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// A device whose work goes to queues: D::queue() names the one that work of this thread goes to now.
template <class D>
concept HasQueue = requires {
  { D::queue() } -> std::same_as<const void*>;
};

/// A free list per size class on device D. Blocks return when their last owner goes. Copies of the handle are the same
/// pool; used by one thread and one queue, since what a queue gives back it may still be reading.
template <class D>
class Pool {
 public:
  /// At least `bytes` of uninitialised memory that returns to the pool by itself. When the device has none left, blocks
  /// that nobody uses are given back to it first. Throws device_error for another queue than that of the first call.
  std::shared_ptr<void> allocate(std::size_t bytes) {
    require_queue();
    const std::size_t size = size_class(bytes);
    auto& free = state_->free[size];
    void* p;
    if (free.empty()) {
      p = from_device(size);
      state_->held += size;
    } else {
      p = free.back();
      free.pop_back();
    }
    return std::shared_ptr<void>(p, [state = state_, size](void* q) { state->free[size].push_back(q); });
  }
  /// Bytes taken from the device so far: the peak of what was in use, up to rounding.
  std::size_t held() const { return state_->held; }
  /// Gives unused blocks back to the device.
  void trim() { state_->release(); }

 private:
  struct State {
    std::map<std::size_t, std::vector<void*>> free;
    std::size_t held = 0;
    const void* queue = nullptr;
    void release() {
      for (auto& [size, blocks] : free) {
        for (void* p : blocks) D::release(p);
        held -= size * blocks.size();
        blocks.clear();
      }
    }
    ~State() { release(); }
  };
  void* from_device(std::size_t size) {
    try {
      return D::allocate(size);
    } catch (...) {
      const std::size_t before = held();
      trim();
      if (held() == before) throw;
    }
    return D::allocate(size);
  }
  void require_queue() {
    if constexpr (HasQueue<D>) {
      const void* now = D::queue();
      if (state_->queue == nullptr) state_->queue = now;
      if (state_->queue != now)
        throw device_error(
            "memory of one queue of the device is asked for while another is in use, which may still be reading it: "
            "give each thread and each CudaContext a tape of its own");
    }
  }
  // Eight classes per power of two: at most 12.5 % is wasted.
  static std::size_t size_class(std::size_t bytes) {
    if (bytes <= 512) return 512;
    const std::size_t step = std::bit_floor(bytes) / 8;
    return (bytes + step - 1) / step * step;
  }
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// The pool for work of this thread on D: that of the queue in use, where D has queues, else a new one.
template <class D>
Pool<D> pool_of() {
  if constexpr (requires { D::pool(); })
    return D::pool();
  else
    return {};
}

}  // namespace modelgrow::inline v0
