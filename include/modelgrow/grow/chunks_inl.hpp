// SPDX-License-Identifier: MIT
// The definitions of chunks.hpp.
#pragma once
#include <algorithm>
#include <numeric>

#include <modelgrow/grow/chunks.hpp>
#include <modelgrow/grow/shares.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE std::vector<std::vector<Chunk>> chunks_of(const std::vector<std::uint64_t>& bytes, int ranks,
                                                           std::uint64_t least) {
  std::vector<std::vector<Chunk>> all(static_cast<std::size_t>(ranks));
  const auto rank_of = ranks_of(bytes, ranks);
  std::size_t at = 0;
  for (int r = 0; r < ranks; ++r) {
    const auto end = std::size_t(std::ranges::upper_bound(rank_of, r) - rank_of.begin());
    auto left =
        std::accumulate(bytes.begin() + std::ptrdiff_t(at), bytes.begin() + std::ptrdiff_t(end), std::uint64_t{0});
    auto& chunks = all[std::size_t(r)];
    while (at < end) {
      const auto wanted = ranks == 1 ? left : chunks.empty() ? least : std::max(left / 2, least);
      Chunk chunk{.first = at, .end = at};
      while (chunk.end < end && (chunk.end == at || chunk.bytes < wanted)) chunk.bytes += bytes[chunk.end++];
      if (chunk.bytes == left) chunk.end = end;  // nothing but tensors without bytes is behind it
      left -= chunk.bytes;
      at = chunk.end;
      chunks.push_back(chunk);
    }
  }
  return all;
}

MODELGROW_INLINE ChunkClaims::ChunkClaims(std::vector<std::vector<Chunk>> chunks, Ranks& ranks, std::string name)
    : chunks_(std::move(chunks)), ranks_(ranks), name_(std::move(name)) {
  for (int i = 1; i < ranks.size(); ++i) {
    const auto other = std::size_t((ranks.rank() + i) % ranks.size());
    others_.emplace_back(other, chunks_[other].size());
  }
}

MODELGROW_INLINE bool ChunkClaims::claim(std::size_t rank, std::size_t chunk) {
  return ranks_.claim(name_ + "-" + std::to_string(rank) + "-" + std::to_string(chunk));
}

MODELGROW_INLINE std::optional<Chunk> ChunkClaims::next() {
  const auto rank = std::size_t(ranks_.rank());
  while (own_ < chunks_[rank].size()) {
    const auto i = own_++;
    if (i == 0 || claim(rank, i)) return chunks_[rank][i];
  }
  while (!others_.empty()) {
    turn_ %= others_.size();
    auto& [other, left] = others_[turn_];
    if (left <= 1) {
      others_.erase(others_.begin() + std::ptrdiff_t(turn_));
    } else if (claim(other, --left)) {
      ++turn_;
      return chunks_[other][left];
    }
  }
  return {};
}

MODELGROW_INLINE std::uint64_t ChunkClaims::bytes_left() const {
  std::uint64_t left = 0;
  const auto& own = chunks_[std::size_t(ranks_.rank())];
  for (auto i = own_; i < own.size(); ++i) left += own[i].bytes;
  return left;
}

}  // namespace detail

}  // namespace modelgrow::inline v0
