// SPDX-License-Identifier: MIT
// How ranks share the tensors of some files: each has a part of its own, as many bytes as any other, in chunks that it
// makes from the first on; who has made its own takes those of others from the last on, but for the first. A rank that
// is slow, or whose disk is, keeps nobody waiting.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/ranks.hpp>

namespace modelgrow::inline v0::detail {

/// Tensors from `first` up to `end`, which one rank makes and proves.
struct Chunk {
  std::size_t first = 0, end = 0;
  std::uint64_t bytes = 0;
};

/// The chunks of each rank, from the bytes of all tensors: the first has `least` bytes, and each further half of what
/// is left of the part, but as many at least, so that there are few of them, and small ones where the work ends. One
/// rank has all in one chunk.
std::vector<std::vector<Chunk>> chunks_of(const std::vector<std::uint64_t>& bytes, int ranks, std::uint64_t least);

/// What one of the ranks makes, chunk by chunk.
class ChunkClaims {
 public:
  /// Keeps a reference. `name` is that of these files, other than all others since the ranks met.
  ChunkClaims(std::vector<std::vector<Chunk>> chunks, Ranks& ranks, std::string name);

  /// The next chunk for this rank; none where all are taken. Throws io_error.
  std::optional<Chunk> next();
  /// Bytes of what this rank still has of its own, which others may take from it.
  std::uint64_t bytes_left() const;

 private:
  bool claim(std::size_t rank, std::size_t chunk);

  std::vector<std::vector<Chunk>> chunks_;  // by rank
  Ranks& ranks_;
  std::string name_;
  std::size_t own_ = 0;
  std::vector<std::pair<std::size_t, std::size_t>> others_;  // rank, and how many of its chunks may be left
  std::size_t turn_ = 0;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/chunks_inl.hpp>
#endif
