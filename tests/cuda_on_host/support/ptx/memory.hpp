// SPDX-License-Identifier: MIT
// Memory that knows who touched it last: device memory with exact bounds, and happens-before between two touches.
//
// Threads of a block are ordered by its barriers, lanes of a warp by barriers of the warp as well, blocks of a launch
// by nothing, launches one after another. Kept for every two bytes, the least that kernels store.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "tests/cuda_on_host/support/ptx/instruction.hpp"

namespace ptx {

/// That a thread did something: which one, and how many barriers it had passed. Blocks are numbered over all launches.
struct Touch {
  int thread = -1, block = 0, barriers = 0, warp_barriers = 0;
  int warp() const { return thread / 32; }
  bool nobody() const { return thread < 0; }
};

/// Whether a write changes what is stored.
enum class Value { changed, kept };

/// Two bytes: who wrote them last, and who has read them since.
class Granule {
 public:
  /// Whether `earlier` happens before `now` in a launch whose first block is `first_block`.
  static bool ordered(const Touch& earlier, const Touch& now, int first_block) {
    if (earlier.nobody() || earlier.block < first_block) return true;
    if (earlier.block != now.block) return false;
    if (earlier.thread == now.thread || earlier.barriers < now.barriers) return true;
    return earlier.warp() == now.warp() && earlier.warp_barriers < now.warp_barriers;
  }
  bool written() const { return !writer_.nobody(); }
  /// Notes a read. Returns the write that it races with, or null.
  const Touch* read(const Touch& now, int first_block) {
    if (!ordered(writer_, now, first_block)) return &writer_;
    // Two readers are enough: of other blocks or warps if there are such, else the last lanes of the warp.
    Touch &a = readers_[0], &b = readers_[1];
    const bool supersedes =
        a.nobody() || a.block < first_block || (a.block == now.block && a.barriers < now.barriers) ||
        (same_warp(a, now) && a.warp_barriers < now.warp_barriers && (b.nobody() || same_warp(a, b)));
    if (supersedes) {
      a = now;
      b = {};
    } else if (a.thread == now.thread && a.block == now.block) {
      a = now;
    } else if (b.nobody() || same_warp(a, b) || !same_warp(a, now)) {
      b = now;
    }
    return nullptr;
  }
  /// Notes a write. Returns the access that it races with, or null. Threads of a block may all write the same value.
  const Touch* write(const Touch& now, int first_block, Value value) {
    const bool repeats = value == Value::kept && writer_.block == now.block;
    if (!repeats && !ordered(writer_, now, first_block)) return &writer_;
    for (const Touch& reader : readers_)
      if (!ordered(reader, now, first_block)) return &reader;
    writer_ = now;
    readers_[0] = readers_[1] = {};
    return nullptr;
  }

 private:
  static bool same_warp(const Touch& a, const Touch& b) { return a.block == b.block && a.warp() == b.warp(); }
  Touch writer_, readers_[2];
};

/// The granules that `bytes` at `offset` are made of.
inline std::pair<std::size_t, std::size_t> granules(std::size_t offset, int bytes) {
  return {offset / 2, (offset + std::size_t(bytes) + 1) / 2};
}

/// Device memory: allocations with exact bounds, full of NaN.
class Memory {
 public:
  struct Allocation {
    std::uintptr_t begin;
    std::size_t bytes;
    std::vector<Granule> granules;
  };
  void* allocate(std::size_t bytes) {
    constexpr std::size_t alignment = 256;
    void* p = std::aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
    if (p == nullptr) throw std::bad_alloc();
    std::memset(p, 0xff, bytes);
    lend(p, bytes);
    return p;
  }
  /// Memory of the caller's that kernels may use, until it is taken back.
  void lend(void* p, std::size_t bytes) {
    const auto begin = reinterpret_cast<std::uintptr_t>(p);
    allocations_[begin] = {.begin = begin, .bytes = bytes, .granules = std::vector<Granule>((bytes + 1) / 2)};
  }
  void take_back(void* p) noexcept { allocations_.erase(reinterpret_cast<std::uintptr_t>(p)); }
  void release(void* p) noexcept {
    take_back(p);
    std::free(p);
  }
  /// The allocation that all of these bytes lie in, or null.
  Allocation* find(std::uintptr_t at, int bytes) {
    auto after = allocations_.upper_bound(at);
    if (after == allocations_.begin()) return nullptr;
    Allocation& a = std::prev(after)->second;
    return at + std::uintptr_t(bytes) <= a.begin + a.bytes ? &a : nullptr;
  }

 private:
  std::map<std::uintptr_t, Allocation> allocations_;
};

}  // namespace ptx
