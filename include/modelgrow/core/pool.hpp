// SPDX-License-Identifier: MIT
// Memory that is given back and used again: a training step allocates the same shapes each time, and fresh pages cost
// more than the arithmetic on them.
#pragma once
#include <bit>
#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include <modelgrow/core/device.hpp>

namespace modelgrow::inline v0 {

/// A free list per size class on device D. Blocks return when their last owner goes; used by one thread.
template <class D>
class Pool {
 public:
  /// At least `bytes` of uninitialised memory that returns to the pool by itself.
  std::shared_ptr<void> allocate(std::size_t bytes) {
    const std::size_t size = size_class(bytes);
    auto& free = state_->free[size];
    void* p;
    if (free.empty()) {
      p = D::allocate(size);
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
    void release() {
      for (auto& [size, blocks] : free) {
        for (void* p : blocks) D::release(p);
        held -= size * blocks.size();
        blocks.clear();
      }
    }
    ~State() { release(); }
  };
  // Eight classes per power of two: at most 12.5 % is wasted.
  static std::size_t size_class(std::size_t bytes) {
    if (bytes <= 512) return 512;
    const std::size_t step = std::bit_floor(bytes) / 8;
    return (bytes + step - 1) / step * step;
  }
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace modelgrow::inline v0
