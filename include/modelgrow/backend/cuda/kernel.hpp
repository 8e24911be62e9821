// SPDX-License-Identifier: MIT
// What a kernel is: an aggregate of pointers and sizes whose call operator is the body, written against a device layer.
//
// A kernel K has `threads` (a block), `Shared` (what the threads of a block share, at most 99 KiB) and
//     template <class Dev> void operator()(Dev dev, Shared& shared) const;
// and may have `resident_blocks`, as many as a multiprocessor must have registers for.
// Every kernel strides over its work items by blocks, so it is right for any number of blocks, and no result depends on
// how many there are. Dev is cuda/launch.cuh on a GPU; the tests run the same bodies on the host. It offers
//     thread() block() blocks()                  indices
//     sync() sync_warp() shuffle_xor(v, mask)    all threads of a block; the 32 threads of a warp
//     exp log sqrt cos sin max                   in float; sqrt in double too (tests: all)
//     exp2                                       the same, on a GPU to two units of the last place, tiny results 0
//     fma(a, b, c)                               a b + c rounded once, where bits must not depend on the compiler
//     widen(T) -> Stat<T>, narrow<T>(Stat<T>)    between storage and arithmetic
//     pack(low, high)                            two floats to the two bf16 of a register
//     low(two) high(two)                         and back
//     load<V>(p) store(p, v)                     a V as a whole, from and to memory of values that has its alignment
//     store_at_once(p, v)                        16 bytes by one instruction, where nvcc might make several
// and to a warp of 32 threads together, for matrices in bf16 (fragments.hpp)
//     mma(c, a, b)                               c += a b
//     load_matrix(registers, row)                N matrices of 8 x 8 from shared memory: lane 8 m + r says where row r
//     load_matrix_transposed(registers, row)     of matrix m is; lane l gets values 2 (l % 4) and next of row (or
//                                                column) l / 4
//     transposed(register)                       of such a matrix in a register of each lane
// and copies from global to shared memory that go on beside the arithmetic, of 16 bytes on both sides aligned to 16:
//     copy_async(to, from, bytes = 16)           reads only `bytes` of them (0: none), the rest becomes zero
//     commit_copies()                            closes a group of copies of this thread
//     wait_copies<N>()                           until at most the last N groups of this thread are under way; what
//                                                they copied is there for other threads after a barrier more
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/host_device.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

using Index = std::int64_t;

inline constexpr int warp_size = 32;
inline constexpr int block_threads = 256;
inline constexpr std::size_t most_argument_bytes = 32764;  // the size of a kernel

/// What a thread loads or stores at once; at most 16 bytes, which are eight bf16 or four floats.
template <class T, int N = 16 / sizeof(T)>
struct alignas(N * sizeof(T)) Chunk {
  static constexpr int values = N;
  T at[values];
};

/// For kernels whose threads share nothing.
struct NoShared {};

MODELGROW_HOST_DEVICE constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

template <class A>
MODELGROW_HOST_DEVICE A least(A a, A b) {
  return b < a ? b : a;
}
template <class A>
MODELGROW_HOST_DEVICE A greatest(A a, A b) {
  return a < b ? b : a;
}

/// How many tokens of entry b count: lengths[b] (none: all), but at least one and at most all.
MODELGROW_DEVICE Index valid_tokens(const std::int32_t* lengths /*?*/, Index b, Index tokens) {
  return lengths ? least(tokens, greatest(Index(1), Index(lengths[b]))) : tokens;
}

template <class Dev>
MODELGROW_DEVICE int lane(Dev dev) {
  return int(dev.thread()) % warp_size;
}
template <class Dev>
MODELGROW_DEVICE int warp(Dev dev) {
  return int(dev.thread()) / warp_size;
}

/// The sum over a warp, the same bits in every lane.
template <class Dev, class A>
MODELGROW_DEVICE A warp_sum(Dev dev, A v) {
  for (int mask = warp_size / 2; mask > 0; mask /= 2) v += dev.shuffle_xor(v, mask);
  return v;
}
template <class Dev, class A>
MODELGROW_DEVICE A warp_max(Dev dev, A v) {
  for (int mask = warp_size / 2; mask > 0; mask /= 2) v = greatest(v, dev.shuffle_xor(v, mask));
  return v;
}

/// Stores, or adds to what is stored.
template <class Dev, class T>
MODELGROW_DEVICE void put(Dev dev, T* at, Stat<T> v, Write write) {
  if (write == Write::add) v += dev.widen(*at);
  *at = dev.template narrow<T>(v);
}

/// A thread for each index: element(dev, i).
template <class Element>
struct ForEach {
  static constexpr int threads = block_threads;
  using Shared = NoShared;
  Index n;
  Element element;
  Index blocks() const { return ceil_div(n, threads); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared&) const {
    for (Index i = dev.block() * threads + dev.thread(); i < n; i += dev.blocks() * threads) element(dev, i);
  }
};

/// A warp for each row: row(dev, i), all 32 lanes together.
template <class Row, int Threads = block_threads>
struct ForEachRow {
  static constexpr int threads = Threads;
  static constexpr int warps = threads / warp_size;
  using Shared = NoShared;
  Index n;
  Row row;
  Index blocks() const { return ceil_div(n, warps); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared&) const {
    for (Index i = dev.block() * warps + warp(dev); i < n; i += dev.blocks() * warps) row(dev, i);
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
