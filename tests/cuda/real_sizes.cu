// SPDX-License-Identifier: MIT
// What only large problems show on a GPU: products that cuBLAS splits along the inner axis, softmax over a thousand
// keys, and more blocks than one launch gets. Tagged [large]: compute-sanitizer takes minutes over each.
#include <modelgrow/cuda.cuh>

#include "tests/support/backend_parity.hpp"
#include "tests/support/gpu.cuh"

using namespace modelgrow;

TEMPLATE_TEST_CASE("weight and bias gradients over thousands of rows are summed in float on the GPU", "[large]", float,
                   bf16) {
  if (!testing::gpu_present()) return;
  for (const LinearSize s : {LinearSize{16384, 72, 96}, LinearSize{65536, 16, 32}})
    testing::check_parity<Cuda, TestType>("linear_dw, " + std::to_string(s.rows) + " rows", [&](auto& side) {
      auto *dy = side.values(s.rows * s.out, 1), *x = side.values(s.rows * s.in, 2);
      side.backend.linear_dw(s, dy, x, side.statistics(s.out * s.in, 3), side.statistics(s.out, 4));
    });
}

TEMPLATE_TEST_CASE("attention over the tokens of a frame of 512 pixels a side on the GPU", "[large]", float, bf16) {
  if (!testing::gpu_present()) return;
  const std::int64_t tokens = 1024, heads = 2, d = 72, width = heads * d;
  const AttentionSize::Strides packed{tokens * 3 * width, 0, 3 * width}, plain{tokens * width, 0, width};
  testing::check_attention_passes<Cuda, TestType>({1, 1, tokens, tokens, heads, d, packed, packed, plain}, {},
                                                  "1024 tokens", testing::rounded_factor);
}

TEMPLATE_TEST_CASE("attention of more problems than a launch has blocks on the GPU", "[large]", float, bf16) {
  if (!testing::gpu_present()) return;
  const std::int64_t frames = 3, space = (std::int64_t{1} << 16) + 100, d = 4;
  const AttentionSize::Strides across{frames * space * d, d, space * d};
  testing::check_attention<Cuda, TestType>({1, space, frames, frames, 1, d, across, across, across}, {},
                                           "65,636 positions");
}
