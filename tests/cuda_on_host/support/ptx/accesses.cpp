// SPDX-License-Identifier: MIT
// Reads and writes of memory, at once or as asynchronous copies, and what is checked of them.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "tests/cuda_on_host/support/ptx/machine.hpp"

namespace ptx {

/// Where operand `operand` of the instruction points to. All of `bytes` must be there.
Machine::Place Machine::locate(Thread& thread, const Instruction& i, int operand, Space space, int bytes,
                               int alignment) {
  std::uint64_t at =
      thread.registers[std::size_t(i.from[std::size_t(operand)])] + std::uint64_t(i.offset[std::size_t(operand)]);
  if (space == Space::generic) {
    space = Space::global;
    for (const Space candidate : {Space::parameter, Space::shared, Space::local})
      if (at >> 60 == window(candidate) >> 60) space = candidate;
    at -= window(space);
  }
  const auto size = std::uint64_t(bytes);
  if (at % std::uint64_t(alignment) != 0) fail(thread, i, "misaligned access of " + std::to_string(bytes) + " bytes");
  const auto within = [&](std::span<std::uint8_t> memory, const char* what) {
    if (at > memory.size() || size > memory.size() - at)
      fail(thread, i,
           std::string("byte ") + std::to_string(at) + " is outside of the " + std::to_string(memory.size()) + " of " +
               what);
    return memory.data() + at;
  };
  switch (space) {
    case Space::parameter: {
      auto* first = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(launch_.parameters.data()));
      return {space, within({first, launch_.parameters.size()}, "the parameters"), {}};
    }
    case Space::local:
      return {space, within(thread.local, "local memory"), {}};
    case Space::shared: {
      std::uint8_t* const first = within(shared_, "shared memory");
      const auto [begin, end] = granules(at, bytes);
      return {space, first, std::span(shared_granules_).subspan(begin, end - begin)};
    }
    default: {
      Memory::Allocation* const allocation = memory_.find(at, bytes);
      if (allocation == nullptr) fail(thread, i, "outside of every allocation");
      const auto [begin, end] = granules(at - allocation->begin, bytes);
      return {space, reinterpret_cast<std::uint8_t*>(at), std::span(allocation->granules).subspan(begin, end - begin)};
    }
  }
}

void Machine::note_read(const Thread& thread, const Instruction& i, const Place& place) {
  require_no_copy(thread, i, place);
  for (Granule& granule : place.granules) {
    if (place.space == Space::shared && !granule.written()) fail(thread, i, "reads shared memory that nobody wrote");
    if (const Touch* other = granule.read(now(thread), first_block_))
      fail(thread, i, "race: reads what " + text(*other) + " writes");
  }
}

void Machine::note_write(const Thread& thread, const Instruction& i, const Place& place, Value value) {
  require_no_copy(thread, i, place);
  for (Granule& granule : place.granules)
    if (const Touch* other = granule.write(now(thread), first_block_, value))
      fail(thread, i, "race: writes what " + text(*other) + " reads or writes");
}

void Machine::require_no_copy(const Thread& thread, const Instruction& i, const Place& place) const {
  if (place.space != Space::shared) return;
  const auto first = copied_by_.begin() + (place.granules.data() - shared_granules_.data());
  for (auto copier = first; copier != first + std::ptrdiff_t(place.granules.size()); ++copier)
    if (*copier >= 0)
      fail(thread, i, "touches shared memory into which a copy of thread " + std::to_string(*copier) + " is under way");
}

void Machine::count(Thread& thread, const Instruction& i, const Place& place, int bytes) {
  if (config_.traffic) note_traffic(thread, i, place, bytes);
  if (place.space != Space::global) return;
  ++accesses_;
  wide_ += bytes == 16;
}

void Machine::note_traffic(Thread& thread, const Instruction& i, const Place& place, int bytes) {
  if (place.space != Space::global && place.space != Space::shared) return;
  const bool shared = place.space == Space::shared;
  const auto at = shared ? std::uint64_t(place.bytes - shared_.data()) : reinterpret_cast<std::uint64_t>(place.bytes);
  const auto& code = launch_.entry->code;
  thread.times.resize(2 * code.size());  // a copy is an access to either memory
  const int instruction = int(&i - code.data());
  traffic_.note({.warp = thread.number / warp_size,
                 .instruction = instruction,
                 .time = thread.times[std::size_t(2 * instruction + shared)]++,
                 .shared = shared},
                {.lane = thread.number % warp_size, .at = at, .bytes = bytes});
}

void Machine::load(Thread& thread, const Instruction& i) {
  const Place place = locate(thread, i, 0, i.space, i.bytes * i.count, i.bytes * i.count);
  count(thread, i, place, i.bytes * i.count);
  note_read(thread, i, place);
  for (int k = 0; k < i.count; ++k) {
    std::uint64_t value = 0;
    std::memcpy(&value, place.bytes + k * i.bytes, std::size_t(i.bytes));
    if (i.is_signed && i.bytes < i.extended_bytes) {
      const int unused = 64 - 8 * i.bytes;
      value =
          std::uint64_t(std::int64_t(value << unused) >> unused) & (~std::uint64_t{0} >> (64 - 8 * i.extended_bytes));
    }
    thread.registers[std::size_t(i.to[std::size_t(k)])] = value;
  }
}

void Machine::store(Thread& thread, const Instruction& i) {
  const Place place = locate(thread, i, 0, i.space, i.bytes * i.count, i.bytes * i.count);
  std::array<std::uint8_t, 16> values;
  for (int k = 0; k < i.count; ++k)
    std::memcpy(values.data() + k * i.bytes, &thread.registers[std::size_t(i.from[std::size_t(1 + k)])],
                std::size_t(i.bytes));
  const auto all = std::size_t(i.count * i.bytes);
  count(thread, i, place, i.count * i.bytes);
  note_write(thread, i, place, std::memcmp(place.bytes, values.data(), all) == 0 ? Value::kept : Value::changed);
  std::memcpy(place.bytes, values.data(), all);
}

/// Its target is written from now on, until its thread has waited; other threads may read it after a barrier more.
void Machine::copy(Thread& thread, const Instruction& i) {
  const Place to = locate(thread, i, 0, Space::shared, copy_bytes, copy_bytes);
  note_write(thread, i, to, Value::changed);
  if (config_.traffic) note_traffic(thread, i, to, copy_bytes);
  const int bytes = int(thread.registers[std::size_t(i.from[3])]);
  const std::uint8_t* from = nullptr;
  if (bytes > 0) {  // the rest becomes zero, without being read
    const Place source = locate(thread, i, 1, Space::global, bytes, copy_bytes);
    note_read(thread, i, source);
    if (config_.traffic) note_traffic(thread, i, source, bytes);
    from = source.bytes;
  }
  const auto first = std::size_t(to.granules.data() - shared_granules_.data());
  std::fill_n(copied_by_.begin() + std::ptrdiff_t(first), to.granules.size(), thread.number);
  thread.open_copies.push_back({.to = std::uint64_t(to.bytes - shared_.data()), .from = from, .bytes = bytes});
  if (config_.copies == Copies::eager) perform(thread.open_copies.back());
}

void Machine::perform(const Copy& copy) {
  std::fill_n(shared_.begin() + std::ptrdiff_t(copy.to), copy_bytes, std::uint8_t(0));
  std::copy_n(copy.from, copy.bytes, shared_.begin() + std::ptrdiff_t(copy.to));
}

/// Waits until only the last `groups_left` groups of copies of this thread are under way.
void Machine::finish_copies(Thread& thread, std::size_t groups_left) {
  while (thread.copy_groups.size() > groups_left) {
    for (const Copy& copy : thread.copy_groups.front()) {
      if (config_.copies == Copies::late) perform(copy);
      const auto [begin, end] = granules(copy.to, copy_bytes);
      for (std::size_t g = begin; g < end; ++g) {
        copied_by_[g] = -1;
        shared_granules_[g].write(now(thread), first_block_, Value::changed);
      }
    }
    thread.copy_groups.erase(thread.copy_groups.begin());
  }
}

}  // namespace ptx
