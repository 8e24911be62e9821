// SPDX-License-Identifier: MIT
// The definitions of packed_entry.hpp.
#pragma once
#include <cstring>

#include <modelgrow/checkpoint/packed_entry.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0::detail {

/// Throws format_error unless a part has this type.
inline void must_be(const PackedParts::Part& part, DType type) {
  if (part.tensor.dtype() != type)
    throw format_error(part.where + " is of type " + std::string(name(part.tensor.dtype())) + "; expected " +
                       std::string(name(type)) + ": the file is altered, or of another version of its package");
}

inline std::shared_ptr<const CodeMap> code_map(const PackedParts::Part& part) {
  must_be(part, DType::f32);
  constexpr std::uint64_t most = 256;  // numbers; CodeMap refuses more
  std::vector<float> values(std::size_t(std::min<std::uint64_t>(part.tensor.bytes() / sizeof(float), most + 1)));
  part.tensor.read(0, std::as_writable_bytes(std::span(values)));
  return std::make_shared<const CodeMap>(values, part.where);
}

MODELGROW_INLINE PackedTensor packed_moment(const PackedParts& parts) {
  must_be(parts.codes, DType::u8);
  must_be(parts.scales, DType::f32);
  PackedTensor packed{.shape = parts.codes.tensor.shape(),
                      .block = wrapped_block,
                      .codes = parts.codes.tensor,
                      .scales = parts.scales.tensor,
                      .map = code_map(parts.map)};
  if (packed.map->bits() != 8)
    throw format_error(parts.map.where + " has 16 numbers, and its codes are of 8 bits: the file is altered");
  if (const Shape expected{packed.blocks()}; packed.scales.shape() != expected)
    throw format_error(parts.scales.where + " has shape " + to_string(packed.scales.shape()) + "; expected " +
                       to_string(expected) + ", one for each block of " + std::to_string(wrapped_block) +
                       " of its numbers: blocks have another size, or the file is altered");
  return packed;
}

MODELGROW_INLINE JoinedTensor map_tensor(const PackedTensor& packed) {
  return {NamedShape{.name = "map", .dtype = DType::f32, .shape = {std::int64_t(packed.map->values().size())}},
          [map = packed.map](std::uint64_t begin, std::span<std::byte> out) {
            std::memcpy(out.data(), std::as_bytes(map->values()).data() + begin, out.size());
          }};
}

}  // namespace modelgrow::inline v0::detail
