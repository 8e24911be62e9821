// SPDX-License-Identifier: MIT
// How the gradients of depthwise convolution are shared out between blocks, dense convolution on emulated matrix units,
// and that no order of threads shows in either.
#include <modelgrow/backend/cuda/sliding_conv_dx.hpp>

#include "tests/cuda_on_host/support/modes.hpp"
#include "tests/support/temporal_conv_check.hpp"

using namespace modelgrow;
using kernels::ColumnSize;
using kernels::ConvParts;

TEST_CASE("dense convolution at the edges of tiles on emulated matrix units") {
  testing::check_dense_conv_on_matrix_units<Emulated>(0, 1);
}

TEST_CASE("temporal convolution leaves the same bits however threads and copies take turns") {
  testing::check_bits_of_temporal_conv<Emulated>();
}

namespace {

ColumnSize size_of(kernels::Index clips, kernels::Index space, int channels) {
  return {.clips = clips,
          .space = space,
          .frames = 1,
          .frame = int(space * channels),
          .channels = channels,
          .first_tap = 0};
}

}  // namespace

TEST_CASE("parts of positions are enough for a large GPU, and cover every position once") {
  for (const std::int64_t space : {1, 15, 16, 17, 1024, 3600, 100000})
    for (const int channels : {1, 8, 9, 144, 20000}) {
      const ConvParts parts = ConvParts::of(size_of(2, space, channels));
      CAPTURE(space, channels);
      CHECK(parts.tiles == (channels + 7) / 8);
      CHECK(parts.count() * parts.part_positions >= 2 * space);
      CHECK((parts.count() - 1) * parts.part_positions < 2 * space);
      const bool every_thread_has_one = parts.part_positions == ConvParts::rows;
      CHECK((every_thread_has_one || parts.tiles * parts.count() >= 1024));
    }
  CHECK(ConvParts::of(size_of(0, 7, 2)).count() == 0);
}

namespace {

/// dx, and the sums of the parts of dw and db, of whole numbers, whose sums are exact.
std::vector<float> gradients(std::int64_t part_positions) {
  constexpr std::int64_t width = 8, frames = 4, space = 50, values = 2 * frames * space * width, sums = 4 * width;
  const ColumnSize size{
      .clips = 2, .space = space, .frames = frames, .frame = int(space), .channels = 1, .first_tap = -2};
  const auto numbers = [](std::int64_t n, int stream) {
    std::vector<bf16> v;
    for (std::int64_t i = 0; i < n; ++i) v.push_back(bf16(float((i * 7919 + stream) % 7 - 3)));
    return to_device<Emulated>(Tensor<bf16, Cpu>::from({n}, v));
  };
  const auto dy = numbers(values, 1), x = numbers(values, 2), w = numbers(3 * width, 3), dx = numbers(values, 4);
  ConvParts parts = ConvParts::of(size);
  parts.part_positions = part_positions;
  const Tensor<float, Emulated> partial({parts.count() * sums});
  kernels::HostExecutor::launch(kernels::SlidingConvDx<bf16, 3>{.size = size,
                                                                .parts = parts,
                                                                .dy = dy.data(),
                                                                .x = x.data(),
                                                                .w = w.data(),
                                                                .dx = dx.data(),
                                                                .partial = partial.data()});
  std::vector<float> all(std::size_t(values + sums), 0.0f);
  const auto dx_there = to_cpu(dx);
  const auto partial_there = to_cpu(partial);
  for (std::int64_t i = 0; i < values; ++i) all[std::size_t(i)] = float(dx_there.data()[i]);
  for (std::int64_t i = 0; i < partial_there.size(); ++i)
    all[std::size_t(values + i / (parts.count() * width) * width + i % width)] += partial_there.data()[i];
  return all;
}

}  // namespace

TEST_CASE("gradients are the same in few parts as in many") {
  const auto many = gradients(16);
  for (const std::int64_t part_positions : {32, 80, 112}) CHECK(gradients(part_positions) == many);
}
