// SPDX-License-Identifier: MIT
// The double of CUDA Tile C++ sees broken promises, and has the numbers of a plain product.
#include <cuda_bf16.h>
#include <cuda_tile.h>

#include <array>

#include "tests/support/catch.hpp"

namespace ct = cuda::tiles;
using namespace ct::literals;
template <class T, std::size_t... E>
using Tile = ct::tile<T, ct::shape<E...>>;

TEST_CASE("a program of tiles that assumes what is not so stops") {
  alignas(32) std::array<float, 16> values{};
  CHECK(ct::assume_aligned(values.data() + 4, 16_ic) == values.data() + 4);
  CHECK_THROWS_AS(ct::assume_aligned(values.data() + 1, 16_ic), std::logic_error);
  CHECK(ct::assume_divisible(24, 8_ic) == 24);
  CHECK_THROWS_AS(ct::assume_divisible(20, 8_ic), std::logic_error);
}

TEST_CASE("a tile of a view: zeros outside of it, which are not stored") {
  std::array<float, 12> values;
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(i);
  using Extents = ct::extents<int, ct::dynamic_extent, 3>;
  using Strides = ct::extents<int, ct::dynamic_extent, 1>;
  using Layout = ct::layout_strided<Strides>;
  const ct::tensor_span<float, Extents, Layout> span{values.data(), {Extents{3}, Strides{4}}};
  const ct::partition_view view{span, ct::shape<2, 2>{}};
  CHECK(view.load_masked(1, 0).at == std::vector<float>{8, 9, 0, 0});
  CHECK(view.load_masked(0, 1).at == std::vector<float>{2, 0, 6, 0});
  view.store_masked(ct::full<Tile<float, 2, 2>>(-1), 1, 1);
  CHECK(values == std::array<float, 12>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, 11});
  const ct::partition_view row{ct::tensor_span{values.data(), ct::extents<int, ct::dynamic_extent>{3}}, ct::shape<2>{}};
  CHECK(row.load_masked(1).at == std::vector<float>{2, 0});
  CHECK_THROWS_AS(row.load_masked(2), std::logic_error);
  CHECK_THROWS_AS(view.load_masked(2, 0), std::logic_error);
  CHECK_THROWS_AS(view.store_masked(ct::full<Tile<float, 2, 2>>(-1), 0, -1), std::logic_error);
}

TEST_CASE("a tile that nothing was assigned to holds NaN") {
  CHECK(std::isnan(Tile<float, 2, 2>{}.at[3]));
  CHECK(std::isnan(float(Tile<__nv_bfloat16, 2, 2>{}.at[0])));
}

TEST_CASE("axes of one are stretched, and products add up") {
  const auto sums = ct::transpose(ct::iota<Tile<int, 1, 4>>()) + ct::iota<Tile<int, 1, 2>>() * 10;
  CHECK(sums.at == std::vector<int>{0, 10, 1, 11, 2, 12, 3, 13});
  const auto few = sums < 4;
  CHECK(few.at == std::vector<bool>{true, false, true, false, true, false, true, false});
  const auto numbers = ct::element_cast<float>(ct::iota<Tile<int, 2, 16>>());
  const auto products =
      ct::mma(ct::element_cast<__nv_bfloat16>(numbers), ct::transpose(ct::element_cast<__nv_bfloat16>(numbers)),
              ct::full<Tile<float, 2, 2>>(1));
  CHECK(products.at == std::vector<float>{1241, 3161, 3161, 9177});
  CHECK(ct::sum<1>(numbers).at == std::vector<float>{120, 376});
  CHECK(ct::reduce_max<1>(numbers).at == std::vector<float>{15, 31});
}
