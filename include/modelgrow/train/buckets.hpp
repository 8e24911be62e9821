// SPDX-License-Identifier: MIT
// How gradients are packed and cut for ranks: buckets of whole tensors, filled from the last tensor to the first as a
// backward pass finishes them, each cut into one run of rows for every rank. Sizes alone decide, not values: cost
// models cut with the same function.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <modelgrow/dist/cuts.hpp>
#include <modelgrow/train/row_range.hpp>

namespace modelgrow::inline v0 {

/// A tensor in a bucket.
struct BucketSlot {
  std::size_t tensor = 0;                          // its number
  std::int64_t offset = 0, rows = 0, columns = 0;  // where its elements lie, and how many there are
  std::int64_t unit = 1;                           // ranks share it in so many rows at a time
  std::int64_t end() const { return offset + rows * columns; }
  /// The first row at or behind a place in the bucket.
  std::int64_t row_at(std::int64_t place) const {
    return std::clamp<std::int64_t>((place - offset + columns - 1) / columns, 0, rows);
  }
};

/// Tensors that are sent together.
struct Bucket {
  std::vector<BucketSlot> slots;
  std::int64_t size = 0;  // elements, with those between the slots
  Cuts cuts;              // by rank, between units
};

/// Where units begin, and where the last ends: sums over a unit do not depend on how many ranks there are.
inline std::vector<std::int64_t> unit_ends(const Bucket& bucket) {
  std::vector<std::int64_t> at{0};
  for (std::size_t s = 0; s < bucket.slots.size(); ++s) {
    const BucketSlot& slot = bucket.slots[s];
    for (std::int64_t row = slot.unit; row < slot.rows; row += slot.unit)
      at.push_back(slot.offset + row * slot.columns);
    at.push_back(s + 1 < bucket.slots.size() ? bucket.slots[s + 1].offset : bucket.size);
  }
  return at;
}

/// How large buckets are made, in elements of so many bytes: at most `most_bytes`, and at least eight of them, so that
/// some can be sent while others are computed.
inline std::int64_t bucket_elements(std::span<const MatrixSize> tensors, std::int64_t most_bytes,
                                    std::int64_t element) {
  std::int64_t total = 0;
  for (const auto& [rows, columns] : tensors) total += rows * columns;
  return std::min(most_bytes / element, std::max<std::int64_t>(total / 8, 1));
}

/// Packs tensors into buckets of at most `most` elements; a larger tensor has one of its own. Over all buckets together
/// every rank gets the same number of elements but for one unit, which is a 64th of a bucket or a row. Tensors without
/// elements are in no bucket.
inline std::vector<Bucket> pack_buckets(std::span<const MatrixSize> tensors, std::int64_t most, int ranks) {
  constexpr std::int64_t alignment = 16;  // elements: as if each tensor had memory of its own
  const std::int64_t grain = std::max<std::int64_t>(1, most / 64);
  std::vector<Bucket> buckets;
  for (std::size_t t = tensors.size(); t-- > 0;) {
    const auto [rows, columns] = tensors[t];
    const std::int64_t padded = (rows * columns + alignment - 1) / alignment * alignment;
    if (padded == 0) continue;
    if (buckets.empty() || buckets.back().size + padded > most) buckets.emplace_back();
    Bucket& b = buckets.back();
    b.slots.push_back({.tensor = t,
                       .offset = b.size,
                       .rows = rows,
                       .columns = columns,
                       .unit = std::clamp<std::int64_t>((grain + columns - 1) / columns, 1, rows)});
    b.size += padded;
  }
  std::int64_t packed = 0;
  std::vector<std::int64_t> before(std::size_t(ranks) + 1);  // what ranks below r have of the buckets so far
  for (Bucket& b : buckets) {
    packed += b.size;
    const auto places = unit_ends(b);
    std::vector<std::int64_t> cuts{0};
    for (int r = 1; r < ranks; ++r) {
      const std::int64_t wanted = packed * r / ranks - before[std::size_t(r)];
      const auto above = std::ranges::lower_bound(places, std::clamp(wanted, cuts.back(), b.size));
      const bool below =
          above != places.begin() && *(above - 1) >= cuts.back() && wanted - *(above - 1) < *above - wanted;
      cuts.push_back(below ? *(above - 1) : *above);
    }
    cuts.push_back(b.size);
    for (std::size_t r = 0; r < before.size(); ++r) before[r] += cuts[r];
    b.cuts = Cuts(std::move(cuts));
  }
  return buckets;
}

}  // namespace modelgrow::inline v0
