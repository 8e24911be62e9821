// SPDX-License-Identifier: MIT
// A small kernel of the kind that is easily got wrong, right or with one defect: a product of matrices in bf16 whose
// tiles are copied asynchronously into two stages, and whose result goes through shared memory.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <modelgrow/backend/cuda/fragments.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::testing {

enum class Planted {
  nothing,
  barrier_left_out,
  warp_barrier_left_out,
  wait_one_short,
  stage_released_early,
  tail_mask_missing,
  row_and_column_swapped,
  tile_count_off_by_one,
  stride_of_other_tensor,
  index_of_32_bits,
  one_past_the_end,
  two_blocks_on_one_output
};

/// y[row, 8] = x[first + row, inner] w[inner, 8] for `rows` rows of a longer x; a block of two warps for 32 of them.
template <Planted bug>
struct StagedProduct {
  using Index = kernels::Index;
  static constexpr int warps = 2, threads = warps * kernels::warp_size;
  static constexpr int warp_rows = 16, tile_rows = warps * warp_rows, depth = 16, columns = 8, stride = 24;
  struct Stage {
    alignas(16) bf16 x[tile_rows * stride], w[depth * columns];
  };
  struct Shared {
    Stage stages[2];
    float sums[warps][warp_rows * columns];
  };
  Index first, rows, inner, x_stride, y_stride;
  const bf16 *x, *w;
  float* y;

  MODELGROW_HOST_DEVICE Index tiles() const { return kernels::ceil_div(rows, tile_rows); }
  MODELGROW_HOST_DEVICE Index blocks() const { return tiles() * (bug == Planted::two_blocks_on_one_output ? 2 : 1); }
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks()) tile(dev, shared, work % tiles() * tile_rows);
  }

 private:
  template <class Dev>
  MODELGROW_DEVICE void tile(Dev dev, Shared& shared, Index row) const {
    const Index steps = bug == Planted::tile_count_off_by_one ? inner / depth : kernels::ceil_div(inner, depth);
    kernels::FragmentC sum{};
    fetch(dev, shared.stages[0], row, 0);
    dev.commit_copies();
    for (Index step = 0; step < steps; ++step) {
      if (step + 1 < steps) fetch(dev, shared.stages[(step + 1) % 2], row, (step + 1) * depth);
      dev.commit_copies();
      dev.template wait_copies<bug == Planted::wait_one_short ? 2 : 1>();
      if constexpr (bug != Planted::barrier_left_out) dev.sync();
      multiply(dev, shared.stages[step % 2], sum);
      if constexpr (bug != Planted::stage_released_early) dev.sync();
    }
    store(dev, shared.sums[kernels::warp(dev)], sum, row);
  }
  /// Starts copying columns [k, k + depth) of a tile of x, and those rows of w; zeros beyond the matrices.
  template <class Dev>
  MODELGROW_DEVICE void fetch(Dev dev, Stage& stage, Index row, Index k) const {
    constexpr int at_once = 8;  // values
    const auto bytes = [](bool inside) { return inside || bug == Planted::tail_mask_missing ? 16 : 0; };
    for (int i = int(dev.thread()); i < tile_rows * depth / at_once; i += threads) {
      const int r = i * at_once / depth, c = i * at_once % depth;
      const bool inside = row + r < rows && k + c < inner;
      dev.copy_async(stage.x + r * stride + c, x + offset(first + row + r, x_stride) + k + c, bytes(inside));
    }
    for (int r = int(dev.thread()); r < depth; r += threads)
      dev.copy_async(stage.w + r * columns, w + (k + r) * columns, bytes(k + r < inner));
  }
  template <class Dev>
  MODELGROW_DEVICE void multiply(Dev dev, const Stage& stage, kernels::FragmentC& sum) const {
    kernels::FragmentA<depth> left;
    kernels::FragmentB<depth> right;
    load_rows(dev, left, stage.x + kernels::warp(dev) * warp_rows * stride, stride);
    load_rows(dev, right, stage.w, columns);
    if constexpr (bug == Planted::row_and_column_swapped) {
      const std::uint32_t below = left.at[1];
      left.at[1] = left.at[2];
      left.at[2] = below;
    }
    dev.mma(sum, left, right);
  }
  template <class Dev>
  MODELGROW_DEVICE void store(Dev dev, float* own, const kernels::FragmentC& sum, Index row) const {
    const int lane = kernels::lane(dev);
    for (int r = 0; r < sum.registers; ++r) own[sum.row(lane, r) * columns + sum.column(lane, r)] = sum.at[r];
    if constexpr (bug != Planted::warp_barrier_left_out) dev.sync_warp();
    const Index end = rows + (bug == Planted::one_past_the_end ? 1 : 0);
    const Index stride_y = bug == Planted::stride_of_other_tensor ? x_stride : y_stride;
    for (int i = lane; i < warp_rows * columns; i += kernels::warp_size) {
      const Index r = row + kernels::warp(dev) * warp_rows + i / columns;
      if (r < end) y[offset(r, stride_y) + i % columns] = own[i];
    }
  }
  MODELGROW_DEVICE static Index offset(Index row, Index stride) {
    return bug == Planted::index_of_32_bits ? Index(std::int32_t(row * stride)) : row * stride;
  }
};

/// Runs the kernel on rows that lie beyond 2^31 values of x. Returns where the result is wrong, or nothing.
template <class Exec, Planted bug>
std::string run_planted() {
  using D = typename Exec::Device;
  constexpr std::int64_t first = std::int64_t{1} << 27, rows = 45, inner = 40, columns = 8, x_stride = 48,
                         y_stride = 56;
  const auto number = [](std::int64_t i) { return float((i * 7919) % 13 - 6); };
  std::vector<bf16> x, w;
  for (std::int64_t i = 0; i < (rows - 1) * x_stride + inner; ++i) x.push_back(bf16(number(i)));
  for (std::int64_t i = 0; i < inner * columns; ++i) w.push_back(bf16(number(i + 5)));
  const auto on_device = [](const std::vector<bf16>& v) {
    return to_device<D>(Tensor<bf16, Cpu>::from({std::int64_t(v.size())}, v));
  };
  const auto device_x = on_device(x), device_w = on_device(w);
  const Tensor<float, D> device_y({(rows - 1) * y_stride + columns});
  // x is the end of a matrix that is not there.
  const auto whole_x =
      reinterpret_cast<std::uintptr_t>(device_x.data()) - std::uintptr_t(first * x_stride) * sizeof(bf16);
  Exec::launch(StagedProduct<bug>{.first = first,
                                  .rows = rows,
                                  .inner = inner,
                                  .x_stride = x_stride,
                                  .y_stride = y_stride,
                                  .x = reinterpret_cast<const bf16*>(whole_x),
                                  .w = device_w.data(),
                                  .y = device_y.data()});
  const auto y = to_cpu(device_y);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      float expected = 0;
      for (std::int64_t k = 0; k < inner; ++k)
        expected += float(x[std::size_t(r * x_stride + k)]) * float(w[std::size_t(k * columns + c)]);
      if (y.data()[r * y_stride + c] != expected)
        return "wrong in row " + std::to_string(r) + ", column " + std::to_string(c);
    }
  return {};
}

/// The same for every defect, in the order of Planted.
template <class Exec>
std::vector<std::string (*)()> planted_runs() {
  using enum Planted;
  return {run_planted<Exec, nothing>,
          run_planted<Exec, barrier_left_out>,
          run_planted<Exec, warp_barrier_left_out>,
          run_planted<Exec, wait_one_short>,
          run_planted<Exec, stage_released_early>,
          run_planted<Exec, tail_mask_missing>,
          run_planted<Exec, row_and_column_swapped>,
          run_planted<Exec, tile_count_off_by_one>,
          run_planted<Exec, stride_of_other_tensor>,
          run_planted<Exec, index_of_32_bits>,
          run_planted<Exec, one_past_the_end>,
          run_planted<Exec, two_blocks_on_one_output>};
}

}  // namespace modelgrow::testing
