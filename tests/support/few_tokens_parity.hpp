// SPDX-License-Identifier: MIT
// Attention of few tokens on device D in type T against the CPU: every size that has kernels of its own in bf16
// (backend/cuda/temporal_attention.hpp), and those beside them.
#pragma once
#include <utility>

#include "tests/support/backend_parity.hpp"

namespace modelgrow::testing {

template <class D, class T>
void check_attention_of_few_tokens() {
  const auto along_time = [](std::int64_t tokens, std::int64_t groups, std::int64_t width) {
    return AttentionSize::Strides{tokens * groups * width, width, groups * width};
  };
  for (const std::int64_t d : {64, 72, 80, 96, 128})
    for (const std::int64_t frames : {1, 5, 15, 16, 17, 32}) {
      if (frames > 16 && d > 72) continue;
      const std::int64_t H = 3, S = frames == 16 ? 5 : 1, C = H * d;  // an odd number of problems, some or many
      const auto qkv = along_time(frames, S, 3 * C);
      check_attention_passes<D, T>({1, S, frames, frames, H, d, qkv, qkv, along_time(frames, S, C)}, {},
                                   std::to_string(frames) + " frames, " + std::to_string(d) + " channels",
                                   rounded_factor);
    }
  const std::int64_t H = 2, d = 72, C = H * d;
  const auto to_other = [&](std::int64_t queries, std::int64_t keys, const std::string& what) {
    check_attention_passes<D, T>(
        {3, 1, queries, keys, H, d, along_time(queries, 1, C), along_time(keys, 1, 2 * C), along_time(queries, 1, C)},
        {std::int32_t(keys), 0, 3}, what, rounded_factor);
  };
  to_other(13, 9, "to fewer keys of some length");
  to_other(9, 30, "to more keys of some length");
  const AttentionSize::Strides odd{7 * (d + 4), 0, d + 4};
  check_attention_passes<D, T>({1, 1, 7, 7, 1, d, odd, odd, odd}, {}, "misaligned tokens");
  for (const auto& [frames, width] : {std::pair<std::int64_t, std::int64_t>{33, 64}, {17, 80}, {4, 104}}) {
    const auto strides = along_time(frames, 1, width);
    check_attention_passes<D, T>({1, 1, frames, frames, 1, width, strides, strides, strides}, {},
                                 std::to_string(frames) + " frames, " + std::to_string(width) + " channels",
                                 rounded_factor);
  }
}

}  // namespace modelgrow::testing
