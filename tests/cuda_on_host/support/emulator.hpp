// SPDX-License-Identifier: MIT
// Runs the kernel bodies of backend/cuda on the host: one block at a time, a fiber for each thread, barriers and
// shuffles as on a GPU.
//
// Threads take turns only at barriers and shuffles, and the first that can run does: in forward, reverse or shuffled
// order; asynchronous copies take place at once or at the last moment. A body that needs a barrier or a wait it does
// not have gives wrong results in at least one of these ways. Shared memory starts as NaN. A block in which no thread
// can go on, a warp whose lanes do different things together or with lanes that have left, misaligned copies and
// matrices, copies that nobody waits for, and stacks that are too small are reported. Not seen: races between blocks,
// the rounding of device instructions, speed.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <modelgrow/backend/cuda/kernel.hpp>

#include "tests/cuda_on_host/support/copy_queue.hpp"
#include "tests/cuda_on_host/support/fiber.hpp"
#include "tests/cuda_on_host/support/kernel_name.hpp"
#include "tests/cuda_on_host/support/lanes.hpp"
#include "tests/cuda_on_host/support/order.hpp"

namespace emulator {

using modelgrow::kernels::Index;

/// A kernel did what a GPU punishes by hanging or worse.
struct Misuse : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Barriers that a thread passes in one launch: of its block, of its warp.
struct Count {
  Index syncs = 0, warp_syncs = 0;
};

/// A defect to inject: in one launch, every thread passes the barrier of this number without waiting.
struct Defect {
  std::size_t launch = 0;
  Index sync = -1, warp_sync = -1;
};

struct Config {
  Order order = Order::forward;
  Copies copies = Copies::late;
  Index most_blocks = 3;  // few, so that kernels have to stride
  Defect defect = {};
};

class Machine;

/// The device layer of the host: one thread of the block that the machine runs.
class HostThread {
 public:
  explicit HostThread(Machine& machine) : machine_(&machine) {}
  unsigned thread() const;
  Index block() const;
  Index blocks() const;
  void sync() const;
  void sync_warp() const;
  template <class A>
  A shuffle_xor(A v, int mask) const;

  std::uint32_t transposed(std::uint32_t matrix) const;
  template <int K>
  void mma(FragmentC& c, const FragmentA<K>& a, const FragmentB<K>& b) const;
  template <int N>
  void load_matrix(std::uint32_t (&registers)[N], const bf16* row) const;
  template <int N>
  void load_matrix_transposed(std::uint32_t (&registers)[N], const bf16* row) const;
  void copy_async(void* to, const void* from, int bytes = AsyncCopy::copy_bytes) const;
  void commit_copies() const;
  template <int N>
  void wait_copies() const;

  template <std::floating_point A>
  A exp(A x) const {
    return std::exp(x);
  }
  template <std::floating_point A>
  A exp2(A x) const {
    return std::exp2(x);
  }
  template <std::floating_point A>
  A fma(A a, A b, A c) const {
    return std::fma(a, b, c);
  }
  template <std::floating_point A>
  A max(A a, A b) const {
    return std::fmax(a, b);
  }
  template <std::floating_point A>
  A log(A x) const {
    return std::log(x);
  }
  template <std::floating_point A>
  A tanh(A x) const {
    return std::tanh(x);
  }
  template <std::floating_point A>
  A sqrt(A x) const {
    return std::sqrt(x);
  }
  template <std::floating_point A>
  A cos(A x) const {
    return std::cos(x);
  }
  template <std::floating_point A>
  A sin(A x) const {
    return std::sin(x);
  }
  template <class T>
  modelgrow::Stat<T> widen(T v) const {
    return modelgrow::Stat<T>(v);
  }
  template <class T>
  T narrow(modelgrow::Stat<T> v) const {
    return T(v);
  }
  std::uint32_t pack(float low, float high) const {
    return std::uint32_t(bf16(low).bits) | std::uint32_t(bf16(high).bits) << 16;
  }
  float low(std::uint32_t two) const { return half(two, 0); }
  float high(std::uint32_t two) const { return half(two, 1); }
  template <class V>
  V load(const void* p) const {
    require_aligned(p, sizeof(V));
    V v;
    std::memcpy(&v, p, sizeof(V));
    return v;
  }
  template <class V>
  void store(void* p, const V& v) const {
    require_aligned(p, sizeof(V));
    std::memcpy(p, &v, sizeof(V));
  }
  template <class V>
  void store_at_once(void* p, const V& v) const {
    static_assert(sizeof(V) == 16);
    store(p, v);
  }

 private:
  void require_aligned(const void* p, std::size_t bytes = AsyncCopy::copy_bytes) const;
  Machine* machine_;
};

/// Runs kernels. Used by one thread.
class Machine {
 public:
  /// Sets the way to run; launches count from here.
  void configure(const Config& config) {
    config_ = config;
    launches_.clear();
  }
  /// The most barriers that a thread passed, for every launch since configure().
  const std::vector<Count>& launches() const { return launches_; }

  template <class Kernel>
  void launch(const Kernel& kernel) {
    using Shared = typename Kernel::Shared;
    static_assert(Kernel::threads % warp_size == 0);
    static const std::string overflow = "a fiber of kernel " + modelgrow::kernels::name_of<Kernel>() +
                                        " overflowed its stack of " + std::to_string(Stack::bytes >> 10) + " KB\n";
    overflow_ = overflow.c_str();
    const FaultsSaid faults(&Machine::overflow_at);
    blocks_ = std::min(kernel.blocks(), config_.most_blocks);
    launches_.push_back({});
    // Exactly as large as asked for, so that AddressSanitizer sees the first byte beyond.
    std::vector<std::uint64_t> memory((sizeof(Shared) + 7) / 8);
    body_ = [&] { kernel(HostThread(*this), *reinterpret_cast<Shared*>(memory.data())); };
    for (block_ = 0; block_ < blocks_; ++block_) {
      std::memset(memory.data(), 0xff, memory.size() * 8);  // NaN as float, as double and as bf16
      run_block(Kernel::threads);
    }
  }

 private:
  friend class HostThread;
  enum class State { ready, waiting, done };
  struct Thread {
    unsigned number = 0;
    State state = State::ready;
    Index syncs = 0, warp_syncs = 0;
    CopyQueue copies;
  };
  struct Barrier {
    int arrived = 0;
    std::vector<int> waiting;  // positions in threads_
  };
  struct Warp {
    Barrier barrier;
    void (*action)(Warp&) = nullptr;  // what the lanes that have arrived are about to do
    std::array<void*, warp_size> parts;
  };

  void run_block(int n) {
    while (int(fibers_.size()) < n) fibers_.push_back(Fiber::with_stack());
    threads_.assign(std::size_t(n), Thread{});
    std::vector<unsigned> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0u);
    if (config_.order == Order::reverse) std::reverse(order.begin(), order.end());
    if (config_.order == Order::shuffled) std::shuffle(order.begin(), order.end(), random_);
    ready_.assign(std::size_t(n + 63) / 64, 0);
    for (int i = 0; i < n; ++i) {
      set_state(i, State::ready);
      threads_[std::size_t(i)].number = order[std::size_t(i)];
      fibers_[std::size_t(i)].restart(&Machine::enter);
    }
    barrier_ = Barrier{};
    warps_.assign(std::size_t(n / warp_size), Warp{});
    misuse_.clear();
    running_ = this;
    current_ = 0;
    left_ = &host_;
    host_.switch_to(fibers_[0]);
    if (!misuse_.empty()) throw Misuse(misuse_);
    for (const Thread& t : threads_) {
      launches_.back().syncs = std::max(launches_.back().syncs, t.syncs);
      launches_.back().warp_syncs = std::max(launches_.back().warp_syncs, t.warp_syncs);
    }
  }
  static void enter() {
    Machine& m = *running_;
    Fiber::entered(*m.left_);
    m.body_();
    if (m.self().copies.under_way()) m.stop("leaves copies behind that nobody waited for");
    m.set_state(m.current_, State::done);
    m.next();
    std::abort();  // a finished thread is never resumed
  }
  /// What to say of a fault at an address.
  static const char* overflow_at(const void* address) {
    const Machine& m = *running_;
    const auto left = [&](const Fiber& f) { return f.overflowed_at(address); };
    return std::any_of(m.fibers_.begin(), m.fibers_.end(), left) ? m.overflow_ : nullptr;
  }
  void set_state(int i, State state) {
    threads_[std::size_t(i)].state = state;
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    auto& word = ready_[std::size_t(i / 64)];
    word = state == State::ready ? word | bit : word & ~bit;
  }
  Thread& self() { return threads_[std::size_t(current_)]; }
  Warp& warp() { return warps_[self().number / unsigned(warp_size)]; }

  /// Goes on with the first thread that can run, so that warps drift apart as far as barriers let them; to the host
  /// when all threads are done or none can run.
  void next() {
    Fiber& from = fibers_[std::size_t(current_)];
    left_ = &from;
    for (std::size_t word = 0; word < ready_.size(); ++word) {
      if (ready_[word] == 0) continue;
      const int candidate = int(word * 64) + std::countr_zero(ready_[word]);
      if (candidate == current_) return;
      current_ = candidate;
      from.switch_to(fibers_[std::size_t(candidate)]);
      return;
    }
    const auto waiting =
        std::count_if(threads_.begin(), threads_.end(), [](const Thread& t) { return t.state == State::waiting; });
    if (waiting > 0)
      misuse_ = "block " + std::to_string(block_) + ": " + std::to_string(waiting) +
                " threads wait for others that never come; thread " + std::to_string(self().number) + " was the last";
    from.switch_to(host_);
  }
  /// Ends the run of the block, reporting what the current thread did.
  void stop(const char* what) {  // the thread never returns from here: it may own nothing
    misuse_ = "block " + std::to_string(block_) + ": thread " + std::to_string(self().number) + " " + what;
    fibers_[std::size_t(current_)].switch_to(host_);
  }
  /// Does all(parts) once every lane of the warp has come here with its part, which lanes keep until then.
  template <class Part, void (*all)(const std::array<Part*, warp_size>&)>
  void together(Part& part) {
    Warp& w = warp();
    const auto action = [](Warp& w) {
      std::array<Part*, warp_size> parts;
      for (std::size_t l = 0; l < warp_size; ++l) parts[l] = static_cast<Part*>(w.parts[l]);
      all(parts);
    };
    if (w.barrier.arrived == 0) w.action = action;
    if (w.action != +action) stop("meets lanes of its warp that do something else");
    w.parts[self().number % unsigned(warp_size)] = &part;
    if (w.barrier.arrived == warp_size - 1) w.action(w);
    wait(w.barrier, warp_size);
  }
  void wait(Barrier& barrier, int threads) {
    if (++barrier.arrived < threads) {
      set_state(current_, State::waiting);
      barrier.waiting.push_back(current_);
      next();
      return;
    }
    barrier.arrived = 0;
    for (int i : barrier.waiting) set_state(i, State::ready);
    barrier.waiting.clear();
  }

  bool skips(Index Defect::*kind, Index number) const {
    return config_.defect.*kind == number && config_.defect.launch + 1 == launches_.size();
  }

  Config config_;
  std::vector<Count> launches_;
  std::vector<Fiber> fibers_;
  Fiber host_;
  Fiber* left_ = nullptr;  // the fiber that the running one took over from
  std::vector<Thread> threads_;
  std::vector<std::uint64_t> ready_;  // a bit for each thread, in order of priority
  std::vector<Warp> warps_;
  Barrier barrier_;
  int current_ = 0;
  Index block_ = 0, blocks_ = 0;
  std::function<void()> body_;
  std::string misuse_;
  const char* overflow_ = nullptr;  // what to say when a fiber needs more than its stack
  std::mt19937 random_{3};
  static inline thread_local Machine* running_ = nullptr;
};

inline unsigned HostThread::thread() const { return machine_->self().number; }
inline Index HostThread::block() const { return machine_->block_; }
inline Index HostThread::blocks() const { return machine_->blocks_; }
inline void HostThread::sync() const {
  Machine& m = *machine_;
  if (!m.skips(&Defect::sync, m.self().syncs++)) m.wait(m.barrier_, int(m.threads_.size()));
}
inline void HostThread::sync_warp() const {
  Machine& m = *machine_;
  if (m.skips(&Defect::warp_sync, m.self().warp_syncs++)) return;
  LaneBarrier part;
  m.together<LaneBarrier, pass>(part);
}
template <class A>
A HostThread::shuffle_xor(A v, int mask) const {
  LaneExchange<A> part{.value = v, .mask = mask, .result = {}};
  machine_->together<LaneExchange<A>, exchange<A>>(part);
  return part.result;
}
inline std::uint32_t HostThread::transposed(std::uint32_t matrix) const {
  LaneMatrix part{.matrix = matrix, .result = 0};
  machine_->together<LaneMatrix, transpose_matrix>(part);
  return part.result;
}
template <int K>
void HostThread::mma(FragmentC& c, const FragmentA<K>& a, const FragmentB<K>& b) const {
  LaneProduct<K> part{.c = &c, .a = &a, .b = &b};
  machine_->together<LaneProduct<K>, multiply_fragments<K>>(part);
}
template <int N>
void HostThread::load_matrix(std::uint32_t (&registers)[N], const bf16* row) const {
  require_aligned(row);
  LaneLoad part{.registers = registers, .row = row};
  machine_->together<LaneLoad, load_matrices<N, false>>(part);
}
template <int N>
void HostThread::load_matrix_transposed(std::uint32_t (&registers)[N], const bf16* row) const {
  require_aligned(row);
  LaneLoad part{.registers = registers, .row = row};
  machine_->together<LaneLoad, load_matrices<N, true>>(part);
}
inline void HostThread::copy_async(void* to, const void* from, int bytes) const {
  require_aligned(to);
  require_aligned(from);
  machine_->self().copies.add({.to = static_cast<char*>(to), .from = static_cast<const char*>(from), .bytes = bytes},
                              machine_->config_.copies);
}
inline void HostThread::commit_copies() const { machine_->self().copies.commit(); }
template <int N>
void HostThread::wait_copies() const {
  machine_->self().copies.wait(N, machine_->config_.copies);
}
inline void HostThread::require_aligned(const void* p, std::size_t bytes) const {
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0)
    machine_->stop(bytes == 16  ? "has an address that is not a multiple of 16"
                   : bytes == 8 ? "has an address that is not a multiple of 8"
                                : "has an address that is not a multiple of 4");
}

}  // namespace emulator
