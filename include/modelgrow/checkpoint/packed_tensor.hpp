// SPDX-License-Identifier: MIT
// Tensors in codes of few bits, as optimizers keep their moments: read as numbers of 32 bits that are made when they
// are read, and made of such numbers when they are written.
#pragma once
#include <memory>
#include <optional>

#include <modelgrow/checkpoint/code_map.hpp>
#include <modelgrow/checkpoint/joined_tensor.hpp>

namespace modelgrow::inline v0 {

/// A tensor laid flat, in blocks of so many numbers, the last of which may be shorter unless blocks are to be whole.
struct PackedTensor {
  Shape shape;             ///< of the numbers
  std::int64_t block = 0;  ///< a multiple of 2
  bool whole_blocks = false;
  JoinedTensor codes;   ///< a byte each in this shape, or two in a byte of a row
  JoinedTensor scales;  ///< F32, one a block
  std::shared_ptr<const CodeMap> map;

  std::int64_t blocks() const { return (numel(shape) + block - 1) / block; }
  /// The numbers. Any bytes of it may be read, by any thread.
  JoinedTensor numbers(std::string name) const;
  /// Whether a tensor of this shape can be packed as this one is.
  bool can_pack(const Shape& other) const { return !whole_blocks || numel(other) % block == 0; }
};

/// Numbers of F32 packed as `like` is, which can_pack() them. A block that has the same numbers as the block at its
/// place in `like` keeps its bytes; all others get the scale of their largest number. `numbers` are read by one thread
/// at a time, from the begin of blocks on, and twice.
PackedTensor packed_like(const JoinedTensor& numbers, const PackedTensor& like);

/// The first block whose bytes differ, of two tensors of one shape with blocks of one size; nothing where none does.
std::optional<std::int64_t> first_difference(const PackedTensor& a, const PackedTensor& b);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/packed_tensor_inl.hpp>
#endif
