// SPDX-License-Identifier: MIT
// Runs a kernel in PTX on the host, every thread interpreted, one block after another. Reported, with block, thread and
// PTX line: access outside of an allocation or of shared memory, misalignment, shared memory read before it is written
// or while a copy into it is under way, races (by happens-before, so in any order of threads), lanes that exchange at
// different instructions, threads that wait for others that never come, loops without end.
//
// Not seen: what ptxas makes of the PTX, the rounding of approximate instructions, speed.
#pragma once
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/cuda_on_host/support/order.hpp"
#include "tests/cuda_on_host/support/ptx/instruction.hpp"
#include "tests/cuda_on_host/support/ptx/memory.hpp"
#include "tests/cuda_on_host/support/ptx/traffic.hpp"

namespace ptx {

using emulator::Copies;
using emulator::Order;

struct Config {
  Order order = Order::forward;
  Copies copies = Copies::late;
  std::int64_t most_blocks = 3;                    // few, so that kernels have to stride
  std::int64_t most_instructions = 1'000'000'000;  // of a launch: more are taken for a loop without end
  bool traffic = false;                            // whether to look at the accesses of a warp together
};

/// How a kernel is started.
struct Launch {
  const Entry* entry;
  std::span<const std::byte> parameters;
  int threads;
  std::size_t shared_bytes;
  std::int64_t blocks;  // asked for
};

class Machine {
 public:
  explicit Machine(Memory& memory) : memory_(memory) {}
  void configure(const Config& config) { config_ = config; }
  /// Runs a kernel to its end. Throws Fault.
  void launch(const Launch& launch);
  /// Instructions that the threads of the last launch ran.
  std::int64_t executed() const { return executed_; }
  /// Those of them that ptxas makes operands of others: moves between registers, arguments.
  std::int64_t folded() const { return folded_; }
  /// The share of accesses of 16 bytes in those to global memory in the last launch.
  double wide_share() const { return double(wide_) / double(accesses_); }
  /// Of the last launch, where the configuration asks for it.
  const Traffic& traffic() const { return traffic_; }

 private:
  static constexpr int warp_size = 32;
  enum class State : std::uint8_t { ready, at_barrier, at_warp, done };
  struct Copy {
    std::uint64_t to;
    const std::uint8_t* from;
    int bytes;
  };
  struct Thread {
    int number = 0;
    State state = State::ready;
    int position = 0, barriers = 0, warp_barriers = 0;
    std::vector<std::uint64_t> registers;
    std::vector<std::uint8_t> local;
    std::vector<int> times;  // by instruction: accesses so far, for the traffic
    std::vector<Copy> open_copies;
    std::vector<std::vector<Copy>> copy_groups;
  };
  /// Bytes that were asked for, once they are known to be there.
  struct Place {
    Space space;
    std::uint8_t* bytes;
    std::span<Granule> granules;
  };
  static constexpr int copy_bytes = 16;

  void run_block();
  bool run_ready();
  bool meet_at_barrier();
  bool meet_in_warps();
  void run(Thread& thread);
  void leave(const Thread& thread, const Instruction& i) const;

  Place locate(Thread& thread, const Instruction& i, int operand, Space space, int bytes, int alignment);
  void note_read(const Thread& thread, const Instruction& i, const Place& place);
  void note_write(const Thread& thread, const Instruction& i, const Place& place, Value value);
  void require_no_copy(const Thread& thread, const Instruction& i, const Place& place) const;
  void count(Thread& thread, const Instruction& i, const Place& place, int bytes);
  void note_traffic(Thread& thread, const Instruction& i, const Place& place, int bytes);
  void load(Thread& thread, const Instruction& i);
  void store(Thread& thread, const Instruction& i);

  void copy(Thread& thread, const Instruction& i);
  void finish_copies(Thread& thread, std::size_t groups_left);
  void perform(const Copy& copy);

  void run_warp(std::span<Thread> lanes);
  void shuffle(std::span<Thread> lanes, const Instruction& i) const;
  void load_matrices(std::span<Thread> lanes, const Instruction& i);
  void transpose_matrix(std::span<Thread> lanes, const Instruction& i) const;
  template <int K>
  void multiply(std::span<Thread> lanes, const Instruction& i) const;

  Touch now(const Thread& thread) const {
    return {
        .thread = thread.number, .block = block_, .barriers = thread.barriers, .warp_barriers = thread.warp_barriers};
  }
  [[noreturn]] void fail(const Thread& thread, const Instruction& i, const std::string& what) const;
  std::string text(const Touch& touch) const;

  Memory& memory_;
  Config config_;
  Launch launch_{};
  int first_block_ = 0, block_ = 0;  // numbered over all launches
  std::int64_t grid_ = 0, executed_ = 0, most_executed_ = 0, folded_ = 0, accesses_ = 0, wide_ = 0;
  std::vector<Thread> threads_;
  std::vector<int> order_;
  std::vector<std::uint8_t> shared_;
  std::vector<Granule> shared_granules_;
  std::vector<int> copied_by_;  // for every granule of shared memory the thread whose copy is under way, or -1
  Traffic traffic_;
  std::mt19937 random_{3};
};

}  // namespace ptx
