// SPDX-License-Identifier: MIT
// A kernel in PTX, decoded: what the parser makes of nvcc's text and the machine runs.
#pragma once
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace ptx {

/// The text is not understood, or a kernel did what a GPU punishes or leaves to chance. Says where.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Space : std::uint8_t { generic, parameter, global, shared, local };

/// Where the bytes of a space begin among generic addresses; global memory lies where the host has it.
constexpr std::uint64_t window(Space space) {
  return space == Space::generic || space == Space::global ? 0 : std::uint64_t(space) << 60;
}

/// What the machine does with an instruction. Those from `shuffle` on are done by a warp together.
enum class Action : std::uint8_t {
  nothing,
  compute,  // registers from registers of one thread
  load,
  store,
  jump,
  leave,
  sync,
  copy_async,
  commit_copies,
  wait_copies,
  shuffle,
  sync_warp,
  load_matrix,
  load_matrix_transposed,
  transpose_matrix,
  multiply_16_8_16,
  multiply_16_8_8
};

struct Instruction;
using Registers = std::uint64_t*;
using Computation = void (*)(Registers, const Instruction&);

/// Operands are registers of the thread; constants have registers too. A narrow value fills its register with zeros.
struct Instruction {
  std::string name, text;  // with every modifier, as in fma.rn.f32; the whole line
  int line = 0;
  Action action = Action::compute;
  Computation compute = nullptr;
  bool folded = false;  // ptxas makes an operand of it: a move, an argument
  int guard = -1;       // runs only where this register holds guard_value; -1: everywhere
  bool guard_value = true;
  int target = -1;  // of a jump
  std::array<int, 4> to{};
  std::array<int, 10> from{};
  int results = 0, operands = 0;
  // Of an access to memory: `count` neighbours of `bytes` at from[0] + offset[0] (and, for a copy, from[1] +
  // offset[1]).
  Space space = Space::generic;
  int bytes = 0, count = 1;
  bool is_signed = false;
  int extended_bytes = 4;  // of the register that a signed value is extended to
  std::array<std::int64_t, 2> offset{};
};

/// Registers that are set before the first instruction.
enum Special : int { thread_index, block_index, block_count, block_threads, specials };

/// A kernel.
struct Entry {
  std::string name;  // demangled
  std::vector<Instruction> code;
  std::vector<std::uint64_t> registers;  // what a thread starts with
  std::size_t local_bytes = 0;
};

}  // namespace ptx
