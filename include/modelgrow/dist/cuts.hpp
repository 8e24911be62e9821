// SPDX-License-Identifier: MIT
// Where a vector is cut into one part for each rank.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {

/// Parts of a vector by rank, in elements; a part may be empty.
class Cuts {
 public:
  Cuts() = default;
  /// Part r lies in [at[r], at[r + 1]). Throws shape_error unless these rise from 0.
  explicit Cuts(std::vector<std::int64_t> at) : at_(std::move(at)) {
    bool rise = at_.size() > 1 && at_.front() == 0;
    for (std::size_t r = 1; r < at_.size(); ++r) rise = rise && at_[r - 1] <= at_[r];
    if (!rise) throw shape_error("cuts must rise from 0, one part for each rank");
  }
  /// Parts of equal sizes, the first of them one element longer where that does not come out even.
  static Cuts even(std::int64_t size, int ranks) {
    Cuts cuts;
    for (std::int64_t r = 1; r <= ranks; ++r) cuts.at_.push_back(r * (size / ranks) + std::min(r, size % ranks));
    return cuts;
  }
  /// Parts of these sizes.
  static Cuts of_sizes(const std::vector<std::int64_t>& sizes) {
    std::vector<std::int64_t> at{0};
    for (const std::int64_t size : sizes) at.push_back(at.back() + size);
    return Cuts(std::move(at));
  }

  int ranks() const { return int(at_.size()) - 1; }
  std::int64_t begin(int rank) const { return at_[std::size_t(rank)]; }
  std::int64_t size(int rank) const { return at_[std::size_t(rank) + 1] - at_[std::size_t(rank)]; }
  std::int64_t total() const { return at_.back(); }
  bool operator==(const Cuts&) const = default;

  /// The part of a rank in a vector that is cut so: the same memory. Throws shape_error when that has another size.
  template <class T, Device D>
  Tensor<T, D> part(const Tensor<T, D>& values, int rank) const {
    require(values.size(), ranks());
    return values.reshape(Shape{values.size()}).view(begin(rank), Shape{size(rank)});
  }
  /// Throws shape_error unless these cut a vector of this size for so many ranks.
  void require(std::int64_t elements, int ranks) const {
    if (total() != elements || this->ranks() != ranks)
      throw shape_error("the cuts are those of " + std::to_string(total()) + " elements for " +
                        std::to_string(this->ranks()) + " ranks; the tensor has " + std::to_string(elements) +
                        ", and there are " + std::to_string(ranks) + " ranks");
  }

 private:
  std::vector<std::int64_t> at_{0};
};

}  // namespace modelgrow::inline v0
