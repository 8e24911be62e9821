// SPDX-License-Identifier: MIT
// The size of a tensor: up to eight dimensions, row-major, without heap memory.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// Dimensions of a row-major tensor; rank 0 is a scalar.
class Shape {
 public:
  static constexpr int max_rank = 8;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span<const std::int64_t>(dims.begin(), dims.size())) {}
  /// Throws shape_error for more than eight or negative dimensions.
  explicit Shape(std::span<const std::int64_t> dims) {
    if (dims.size() > max_rank)
      throw shape_error("a shape has " + std::to_string(dims.size()) + " dimensions; at most 8 are supported");
    for (auto d : dims) push_back(d);
  }

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  std::int64_t operator[](int i) const { return dims_[static_cast<std::size_t>(i)]; }
  std::int64_t& operator[](int i) { return dims_[static_cast<std::size_t>(i)]; }
  std::int64_t back() const { return dims_[static_cast<std::size_t>(rank_ - 1)]; }
  const std::int64_t* begin() const { return dims_.data(); }
  const std::int64_t* end() const { return dims_.data() + rank_; }

  void push_back(std::int64_t d) {
    if (d < 0) throw shape_error("a dimension is " + std::to_string(d) + "; dimensions are 0 or more");
    if (rank_ == max_rank) throw shape_error("a shape has more than 8 dimensions");
    dims_[static_cast<std::size_t>(rank_++)] = d;
  }

  bool operator==(const Shape& other) const {
    return rank_ == other.rank_ && std::equal(begin(), end(), other.begin());
  }

 private:
  std::array<std::int64_t, max_rank> dims_{};
  int rank_ = 0;
};

/// Number of elements; throws shape_error when it does not fit in 63 bits.
inline std::int64_t numel(const Shape& shape) {
  std::int64_t n = 1;
  for (auto d : shape)
    if (__builtin_mul_overflow(n, d, &n)) throw shape_error("the number of elements of a shape overflows 63 bits");
  return n;
}

/// "[2, 3]", the way error messages and tables print a shape.
inline std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (int i = 0; i < shape.rank(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace modelgrow::inline v0
