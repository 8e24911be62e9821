// SPDX-License-Identifier: MIT
// Makes any bytes of one tensor that a plan promises.
#pragma once
#include <functional>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0::detail {

/// Keeps references to the plan and the output. Thread-safe.
class Maker {
 public:
  /// Throws format_error for a tensor whose type cannot grow.
  Maker(const Plan& plan, const Output& output);

  std::uint64_t bytes() const { return bytes_; }
  /// Bytes [begin, begin + to.size()), which begin and end with an element; `to` is aligned for it.
  void make(std::uint64_t begin, std::span<std::byte> to) const { make_(begin, to); }
  /// The part of the source that these bytes are made from; empty: none of it, or nobody knows.
  std::span<const std::byte> source(std::uint64_t begin, std::uint64_t end) const;

 private:
  void prepare(const Plan& plan, const Output& output);
  template <Element T>
  void follow(Recipe recipe, const Output& output);

  std::uint64_t bytes_ = 0;
  std::span<const std::byte> source_;
  std::function<void(std::uint64_t begin, std::span<std::byte> to)> make_;
  std::function<Rows(std::uint64_t begin, std::uint64_t end)> reads_;  // bytes of the source
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/maker_inl.hpp>
#endif
