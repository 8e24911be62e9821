// SPDX-License-Identifier: MIT
// The element types of GGML, which stores rows in blocks of 1, 32 or 256 elements (ggml-org/ggml: ggml.h,
// ggml-common.h).
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace modelgrow::inline v0 {

/// Types that this library can turn into floats; the numbers are those of the file format.
enum class GgmlType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

/// One type: a row is a sequence of blocks of `elements` numbers in `bytes` bytes; 0 where there is no decoder.
struct GgmlTypeInfo {
  std::uint32_t id = 0;
  std::string_view name;
  std::int64_t elements = 0, bytes = 0;
};

/// Every type that a file may name, so that those without a decoder are refused by name.
inline constexpr std::array<GgmlTypeInfo, 36> ggml_types{{
    {0, "F32", 1, 4},    {1, "F16", 1, 2},     {2, "Q4_0", 32, 18},    {3, "Q4_1", 32, 20},    {6, "Q5_0", 32, 22},
    {7, "Q5_1", 32, 24}, {8, "Q8_0", 32, 34},  {12, "Q4_K", 256, 144}, {13, "Q5_K", 256, 176}, {14, "Q6_K", 256, 210},
    {30, "BF16", 1, 2},  {4, "Q4_2", 0, 0},    {5, "Q4_3", 0, 0},      {9, "Q8_1", 0, 0},      {10, "Q2_K", 0, 0},
    {11, "Q3_K", 0, 0},  {15, "Q8_K", 0, 0},   {16, "IQ2_XXS", 0, 0},  {17, "IQ2_XS", 0, 0},   {18, "IQ3_XXS", 0, 0},
    {19, "IQ1_S", 0, 0}, {20, "IQ4_NL", 0, 0}, {21, "IQ3_S", 0, 0},    {22, "IQ2_S", 0, 0},    {23, "IQ4_XS", 0, 0},
    {24, "I8", 0, 0},    {25, "I16", 0, 0},    {26, "I32", 0, 0},      {27, "I64", 0, 0},      {28, "F64", 0, 0},
    {29, "IQ1_M", 0, 0}, {34, "TQ1_0", 0, 0},  {35, "TQ2_0", 0, 0},    {39, "MXFP4", 0, 0},    {40, "NVFP4", 0, 0},
    {41, "Q1_0", 0, 0},
}};

/// The entry of a number from a file; nullptr when no release of GGML has such a type.
constexpr const GgmlTypeInfo* find_ggml_type(std::uint32_t id) {
  for (const auto& t : ggml_types)
    if (t.id == id) return &t;
  return nullptr;
}

/// Name and block of a type.
constexpr const GgmlTypeInfo& info(GgmlType type) { return *find_ggml_type(static_cast<std::uint32_t>(type)); }

}  // namespace modelgrow::inline v0
