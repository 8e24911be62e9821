// SPDX-License-Identifier: MIT
// Programs of tiles against the CPU backend, and what is left to other kernels.
#include "tests/support/attention_check.hpp"
#include "tests/support/temporal_conv_check.hpp"
#include "tests/tiles_on_host/support/tiles_on_host.hpp"

using namespace modelgrow;
using testing::WithTileKernels;

TEST_CASE("attention as programs of tiles, at the edges of tiles") {
  const WithTileKernels tiles;
  testing::check_attention_on_matrix_units<Emulated>(0, 1);
  testing::check_interleaved_attention_on_matrix_units<Emulated>();
  CHECK(tiles.launches() > 0);
}

TEST_CASE("attention as programs of tiles whose scores are very low") {
  const WithTileKernels tiles;
  testing::check_attention_with_low_scores<Emulated>();
  CHECK(tiles.launches() == 3);
}

TEST_CASE("attention as programs of tiles over many keys with the same scores") {
  const WithTileKernels tiles;
  testing::check_attention_with_equal_scores<Emulated>();
  CHECK(tiles.launches() == 1);
}

TEST_CASE("dense convolution as a program of tiles") {
  const WithTileKernels tiles;
  testing::check_dense_conv_on_matrix_units<Emulated>(0, 1);
  const int before = tiles.launches();
  CHECK(before > 0);
  testing::check_dense_conv_of_large_frames<Emulated>();
  CHECK(tiles.launches() == before + 4 * 10);
}

TEST_CASE("dense convolution with odd addresses as a program of tiles, where those are not of what it loads") {
  const WithTileKernels tiles;
  testing::check_temporal_conv_at_odd_addresses<Emulated, bf16>(64);
  CHECK(tiles.launches() == 2 * 3);  // in either order: forward but for x, b and y, backward but for dy and dx
}

TEST_CASE("blocks of programs of tiles take turns in any order") {
  const WithTileKernels tiles;
  testing::check_bits_of_attention<Emulated>(200, 270, 72);
  CHECK(tiles.launches() == 2 * (1 + 2));  // in either order: forward, dq, and dk with dv
  testing::check_bits_of_dense_conv_of_large_frames<Emulated>();
  CHECK(tiles.launches() == 2 * (1 + 2) + 2 * 2);
}

TEST_CASE("attention without queries as programs of tiles") {
  const WithTileKernels tiles;
  testing::check_attention_dx_without_queries<Emulated>();
  CHECK(tiles.launches() > 0);
}

TEST_CASE("what programs of tiles do not suit is left to other kernels") {
  const WithTileKernels tiles;
  testing::check_attention_at_odd_addresses<Emulated>();
  CHECK(tiles.launches() == 0);
  testing::check_temporal_conv_passes<Emulated, bf16>({1, 3, 45, 16, 16, 3, -1, TemporalConvSize::Kind::dense},
                                                      "of frames of less than half a tile");
  CHECK(tiles.launches() == 0);
  SECTION("gradients of few keys that many queries share") {
    constexpr std::int64_t queries = 771, keys = 70, d = 64;
    constexpr AttentionSize::Strides strides{0, 0, d};
    const auto q = Tensor<bf16, Emulated>::zeros({queries * d}), k = Tensor<bf16, Emulated>::zeros({keys * d});
    const Tensor<bf16, Emulated> out({queries * d}), dk({keys * d});
    const Tensor<float, Emulated> lse({queries});
    const AttentionSize size{1, 1, queries, keys, 1, d, strides, strides, strides};
    Backend<Emulated>::attention(size, nullptr, q.data(), k.data(), k.data(), out.data(), lse.data());
    CHECK(tiles.launches() == 1);
    Backend<Emulated>::attention_dx(size, nullptr, q.data(), k.data(), k.data(), out.data(), lse.data(), out.data(),
                                    q.data(), dk.data(), dk.data());
    CHECK(tiles.launches() == 1);
  }
  SECTION("more blocks than a grid has") {
    constexpr std::int64_t many = std::int64_t(1) << 34;
    const AttentionSize attention{many, 1, 64, 64, 1, 64, {0, 0, 64}, {0, 0, 64}, {0, 0, 64}};
    using Operations = kernels::TileOperations<testing::TileExecutorOnHost>;
    CHECK_FALSE(Operations::attention(attention, 1, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr));
    CHECK_FALSE(Operations::attention_dx(attention, 1, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                                         nullptr, nullptr, nullptr));
    CHECK_FALSE(Operations::convolve(kernels::ConvDirection::forward,
                                     {many, 1, 128, 8, 8, 3, -1, TemporalConvSize::Kind::dense}, nullptr, nullptr,
                                     nullptr, nullptr));
    CHECK(tiles.launches() == 0);
  }
}

TEST_CASE("without programs of tiles in use nothing runs on them") {
  { const WithTileKernels tiles; }
  testing::check_interleaved_attention_on_matrix_units<Emulated>();
  CHECK(testing::TileExecutorOnHost::launches == 0);
}
