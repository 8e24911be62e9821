// SPDX-License-Identifier: MIT
// What a warp does together: exchanges, matrix fragments. The layouts are those of the PTX manual, written here a
// second time on purpose: cuda/fragments.hpp, which kernels use, is tested against them.
#include <bit>
#include <cmath>

#include "tests/cuda_on_host/support/ptx/machine.hpp"

namespace ptx {

void Machine::run_warp(std::span<Thread> lanes) {
  const Instruction& i = launch_.entry->code[std::size_t(lanes[0].position)];
  for (const Thread& lane : lanes)
    if (lane.position != lanes[0].position)
      fail(lane, launch_.entry->code[std::size_t(lane.position)],
           "meets lanes of its warp that are in line " + std::to_string(i.line));
  switch (i.action) {
    case Action::shuffle:
      shuffle(lanes, i);
      break;
    case Action::load_matrix:
    case Action::load_matrix_transposed:
      load_matrices(lanes, i);
      break;
    case Action::transpose_matrix:
      transpose_matrix(lanes, i);
      break;
    case Action::multiply_16_8_16:
      multiply<16>(lanes, i);
      break;
    case Action::multiply_16_8_8:
      multiply<8>(lanes, i);
      break;
    default:  // a barrier of the warp
      for (Thread& lane : lanes) {
        if (std::uint32_t(lane.registers[std::size_t(i.from[0])]) != ~0u)
          fail(lane, i, "waits for a part of its warp, which is not known here");
        ++lane.warp_barriers;
      }
  }
  for (Thread& lane : lanes) {
    lane.state = State::ready;
    ++lane.position;
  }
}

void Machine::shuffle(std::span<Thread> lanes, const Instruction& i) const {
  std::array<std::uint64_t, warp_size> values;
  const auto operand = [&](const Thread& lane, int k) { return lane.registers[std::size_t(i.from[std::size_t(k)])]; };
  for (std::size_t n = 0; n < warp_size; ++n) values[n] = operand(lanes[n], 0);
  for (std::size_t n = 0; n < warp_size; ++n) {
    if (operand(lanes[n], 2) != warp_size - 1 || std::uint32_t(operand(lanes[n], 3)) != ~0u)
      fail(lanes[n], i, "exchanges within a part of its warp, which is not known here");
    lanes[n].registers[std::size_t(i.to[0])] = values[n ^ operand(lanes[n], 1)];
    lanes[n].registers[std::size_t(i.to[1])] = 1;
  }
}

/// Matrix m of 8 x 8 values of two bytes: lane 8 m + r has the address of row r, and lane l gets the values 2 (l % 4)
/// and the next of row l / 4, or of column l / 4.
void Machine::load_matrices(std::span<Thread> lanes, const Instruction& i) {
  constexpr int row_bytes = 16;
  for (int m = 0; m < i.results; ++m) {
    std::array<std::array<std::uint16_t, 8>, 8> matrix;
    std::array<Traffic::Access, 8> rows;
    for (std::size_t r = 0; r < 8; ++r) {
      Thread& lane = lanes[std::size_t(8 * m) + r];
      const Place row = locate(lane, i, 0, Space::shared, row_bytes, row_bytes);
      note_read(lane, i, row);
      std::memcpy(matrix[r].data(), row.bytes, row_bytes);
      rows[r] = {.lane = int(r), .at = std::uint64_t(row.bytes - shared_.data()), .bytes = row_bytes};
    }
    if (config_.traffic) traffic_.note_rows(rows);
    for (std::size_t l = 0; l < warp_size; ++l) {
      const std::size_t across = l / 4, along = 2 * (l % 4);
      const bool transposed = i.action == Action::load_matrix_transposed;
      const std::uint32_t low = transposed ? matrix[along][across] : matrix[across][along];
      const std::uint32_t high = transposed ? matrix[along + 1][across] : matrix[across][along + 1];
      lanes[l].registers[std::size_t(i.to[std::size_t(m)])] = low | high << 16;
    }
  }
}

/// A lane holds the values 2 (l % 4) and the next of row l / 4, and gets those of column l / 4.
void Machine::transpose_matrix(std::span<Thread> lanes, const Instruction& i) const {
  std::array<std::array<std::uint32_t, 8>, 8> matrix;
  for (std::size_t l = 0; l < warp_size; ++l) {
    const auto two = std::uint32_t(lanes[l].registers[std::size_t(i.from[0])]);
    matrix[l / 4][2 * (l % 4)] = two & 0xffff;
    matrix[l / 4][2 * (l % 4) + 1] = two >> 16;
  }
  for (std::size_t l = 0; l < warp_size; ++l)
    lanes[l].registers[std::size_t(i.to[0])] = matrix[2 * (l % 4)][l / 4] | matrix[2 * (l % 4) + 1][l / 4] << 16;
}

/// d = a b + c for a[16, K], b[K, 8] in bf16, two values a register, and c, d[16, 8] in float.
template <int K>
void Machine::multiply(std::span<Thread> lanes, const Instruction& i) const {
  constexpr int a_registers = K / 4, b_registers = K / 8;
  std::array<std::array<float, K>, 16> a;
  std::array<std::array<float, 8>, K> b;
  const auto value = [&](int lane, int operand) {
    return std::uint32_t(lanes[std::size_t(lane)].registers[std::size_t(i.from[std::size_t(operand)])]);
  };
  const auto half = [](std::uint32_t two, int which) { return std::bit_cast<float>(two >> (16 * which) << 16); };
  for (int l = 0; l < warp_size; ++l) {
    const int group = l / 4, inner = 2 * (l % 4);
    for (int h = 0; h < 2; ++h) {
      for (int r = 0; r < a_registers; ++r)
        a[std::size_t(group + 8 * (r % 2))][std::size_t(inner + h + 8 * (r / 2))] = half(value(l, r), h);
      for (int r = 0; r < b_registers; ++r)
        b[std::size_t(inner + h + 8 * r)][std::size_t(group)] = half(value(l, a_registers + r), h);
    }
  }
  for (int l = 0; l < warp_size; ++l)
    for (int r = 0; r < 4; ++r) {
      const auto row = std::size_t(l / 4 + 8 * (r / 2)), column = std::size_t(2 * (l % 4) + r % 2);
      double sum = std::bit_cast<float>(value(l, a_registers + b_registers + r));
      for (std::size_t k = 0; k < K; ++k) sum += double(a[row][k]) * b[k][column];
      lanes[std::size_t(l)].registers[std::size_t(i.to[std::size_t(r)])] = std::bit_cast<std::uint32_t>(float(sum));
    }
}

}  // namespace ptx
