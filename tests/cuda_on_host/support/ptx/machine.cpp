// SPDX-License-Identifier: MIT
// Threads, barriers and warps of a block.
#include "tests/cuda_on_host/support/ptx/machine.hpp"

#include <algorithm>
#include <numeric>

namespace ptx {

void Machine::launch(const Launch& launch) {
  if (launch.threads % warp_size != 0) throw Fault(launch.entry->name + ": only blocks of whole warps");
  launch_ = launch;
  grid_ = std::min(launch.blocks, config_.most_blocks);
  first_block_ = block_ + 1;
  executed_ = folded_ = accesses_ = wide_ = 0;
  traffic_ = {};
  shared_.resize(launch.shared_bytes);
  order_.resize(std::size_t(launch.threads));
  std::iota(order_.begin(), order_.end(), 0);
  if (config_.order == Order::reverse) std::reverse(order_.begin(), order_.end());
  for (std::int64_t i = 0; i < grid_; ++i) {
    ++block_;
    if (config_.order == Order::shuffled) std::shuffle(order_.begin(), order_.end(), random_);
    run_block();
  }
}

void Machine::run_block() {
  const Entry& entry = *launch_.entry;
  most_executed_ = executed_ + config_.most_instructions;
  std::fill(shared_.begin(), shared_.end(), std::uint8_t(0xff));
  shared_granules_.assign((shared_.size() + 1) / 2, Granule{});
  copied_by_.assign(shared_granules_.size(), -1);
  threads_.assign(std::size_t(launch_.threads), Thread{});
  for (int n = 0; n < launch_.threads; ++n) {
    Thread& thread = threads_[std::size_t(n)];
    thread.number = n;
    thread.registers = entry.registers;
    thread.registers[thread_index] = std::uint64_t(n);
    thread.registers[block_index] = std::uint64_t(block_ - first_block_);
    thread.registers[block_count] = std::uint64_t(grid_);
    thread.registers[block_threads] = std::uint64_t(launch_.threads);
    thread.local.assign(entry.local_bytes, 0xff);
  }
  // Every thread goes as far as it can; then warps meet, then the block.
  while (run_ready() || meet_in_warps() || meet_at_barrier()) {
  }
  for (const Thread& thread : threads_)
    if (thread.state != State::done)
      fail(thread, entry.code[std::size_t(thread.position)], "waits for threads that never come");
  traffic_.settle();
}

bool Machine::run_ready() {
  bool any = false;
  for (const int n : order_)
    if (Thread& thread = threads_[std::size_t(n)]; thread.state == State::ready) {
      try {
        run(thread);
      } catch (const std::domain_error& e) {
        fail(thread, launch_.entry->code[std::size_t(thread.position)], e.what());
      }
      any = true;
    }
  return any;
}

bool Machine::meet_at_barrier() {
  if (!std::all_of(threads_.begin(), threads_.end(), [](const Thread& t) { return t.state == State::at_barrier; }))
    return false;
  for (Thread& thread : threads_) {
    thread.state = State::ready;
    ++thread.position;
    ++thread.barriers;
  }
  return true;
}

bool Machine::meet_in_warps() {
  bool any = false;
  for (std::size_t first = 0; first < threads_.size(); first += warp_size) {
    const std::span<Thread> lanes = std::span(threads_).subspan(first, warp_size);
    if (!std::all_of(lanes.begin(), lanes.end(), [](const Thread& t) { return t.state == State::at_warp; })) continue;
    run_warp(lanes);
    any = true;
  }
  return any;
}

void Machine::run(Thread& thread) {
  const Instruction* const code = launch_.entry->code.data();
  std::uint64_t* const registers = thread.registers.data();
  for (;; ++thread.position) {
    const Instruction& i = code[thread.position];
    if (++executed_ > most_executed_) fail(thread, i, "is in a loop without end");
    folded_ += i.folded;
    if (i.guard >= 0 && (registers[i.guard] != 0) != i.guard_value) continue;
    switch (i.action) {
      case Action::nothing:
        break;
      case Action::compute:
        i.compute(registers, i);
        break;
      case Action::load:
        load(thread, i);
        break;
      case Action::store:
        store(thread, i);
        break;
      case Action::jump:
        thread.position = i.target - 1;
        break;
      case Action::leave:
        leave(thread, i);
        thread.state = State::done;
        return;
      case Action::sync:
        thread.state = State::at_barrier;
        return;
      case Action::copy_async:
        copy(thread, i);
        break;
      case Action::commit_copies:
        thread.copy_groups.push_back(std::exchange(thread.open_copies, {}));
        break;
      case Action::wait_copies:
        finish_copies(thread, registers[i.from[0]]);
        break;
      default:
        thread.state = State::at_warp;
        return;
    }
  }
}

void Machine::leave(const Thread& thread, const Instruction& i) const {
  const auto holds_copies = [](const auto& group) { return !group.empty(); };
  if (holds_copies(thread.open_copies) ||
      std::any_of(thread.copy_groups.begin(), thread.copy_groups.end(), holds_copies))
    fail(thread, i, "leaves copies behind that nobody waited for");
}

void Machine::fail(const Thread& thread, const Instruction& i, const std::string& what) const {
  throw Fault(launch_.entry->name + ", block " + std::to_string(block_ - first_block_) + ", thread " +
              std::to_string(thread.number) + ": " + what + "; PTX line " + std::to_string(i.line) + ": " + i.text);
}

std::string Machine::text(const Touch& touch) const {
  return "thread " + std::to_string(touch.thread) + " of block " + std::to_string(touch.block - first_block_);
}

}  // namespace ptx
