// SPDX-License-Identifier: MIT
// How ZeRO divides parameters among ranks: stages 1 and 2 lay those of a group in a row, padded to twice the number of
// ranks, and cut it into equal pieces; stage 3 cuts every parameter, padded to the number of ranks, and lays the pieces
// of a rank in a row, several rows where a group is large.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace modelgrow::inline v0::detail {

/// Elements of a parameter, and how many zeros lie behind them.
struct ZeroSlice {
  std::size_t parameter = 0;
  std::int64_t begin = 0, size = 0, zeros = 0;
};

/// One flat tensor of a rank.
struct ZeroFlat {
  std::size_t group = 0;
  std::vector<ZeroSlice> slices = {};
  std::int64_t size() const {
    std::int64_t n = 0;
    for (const auto& s : slices) n += s.size + s.zeros;
    return n;
  }
  /// Zeros at its end.
  std::int64_t padding() const {
    std::int64_t n = 0;
    for (auto s = slices.rbegin(); s != slices.rend(); ++s) {
      n += s->zeros;
      if (s->size > 0) break;
    }
    return n;
  }
};

/// What each rank gets of a parameter that stage 3 cuts.
inline std::int64_t zero_piece(std::int64_t elements, std::int64_t ranks) { return (elements + ranks - 1) / ranks; }

struct ZeroCut {
  int stage = 1;
  std::int64_t ranks = 1;
  std::int64_t row = 1'000'000'000;  ///< stage 3: elements after which another row begins (sub_group_size)

  /// The flat tensors of a rank, of the same groups for all. `groups` has the parameters, `elements` their sizes.
  std::vector<ZeroFlat> of(std::int64_t rank, const std::vector<std::vector<std::size_t>>& groups,
                           const std::vector<std::int64_t>& elements) const {
    std::vector<ZeroFlat> flats;
    for (std::size_t g = 0; g < groups.size(); ++g)
      stage == 3 ? cut_each(rank, g, groups[g], elements, flats) : cut_row(rank, g, groups[g], elements, flats);
    return flats;
  }

 private:
  void cut_row(std::int64_t rank, std::size_t group, const std::vector<std::size_t>& parameters,
               const std::vector<std::int64_t>& elements, std::vector<ZeroFlat>& flats) const {
    std::int64_t all = 0;
    for (const auto p : parameters) all += elements[p];
    const std::int64_t piece = zero_piece(all, 2 * ranks) * 2, from = rank * piece, to = from + piece;
    auto& flat = flats.emplace_back(ZeroFlat{.group = group});
    std::int64_t at = 0;
    for (const auto p : parameters) {
      const auto begin = std::max(from, at), end = std::min(to, at + elements[p]);
      if (begin < end) flat.slices.push_back({.parameter = p, .begin = begin - at, .size = end - begin});
      at += elements[p];
    }
    if (const auto rest = piece - flat.size(); rest > 0) flat.slices.push_back({.zeros = rest});
  }

  void cut_each(std::int64_t rank, std::size_t group, const std::vector<std::size_t>& parameters,
                const std::vector<std::int64_t>& elements, std::vector<ZeroFlat>& flats) const {
    std::int64_t filled = row;
    for (const auto p : parameters) {
      if (filled >= row) {
        flats.push_back(ZeroFlat{.group = group});
        filled = 0;
      }
      const std::int64_t piece = zero_piece(elements[p], ranks), begin = std::min(elements[p], rank * piece);
      const std::int64_t size = std::min(piece, elements[p] - begin);
      flats.back().slices.push_back({.parameter = p, .begin = begin, .size = size, .zeros = piece - size});
      filled += piece;
    }
  }
};

}  // namespace modelgrow::inline v0::detail
