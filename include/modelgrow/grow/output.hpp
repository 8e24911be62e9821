// SPDX-License-Identifier: MIT
// One tensor that a plan makes, and the named tensors that it is made from.
#pragma once
#include <functional>
#include <map>
#include <span>
#include <unordered_map>

#include <modelgrow/checkpoint/mapped_tensors.hpp>
#include <modelgrow/grow/recipe.hpp>

namespace modelgrow::inline v0 {

/// One tensor to make; `source` belongs to the set it is made from.
struct Output {
  enum class Kind { recipe, copied, values, zeros };
  NamedShape target;
  Kind kind = Kind::copied;
  std::int64_t parameter = -1;  // in the plan's schema; -1: the schema does not know the tensor
  Of of = Of::weights;
  int mean_over = -1;  // the axis, of a mean over one
  const TensorView* source = nullptr;
  const TensorView* weight = nullptr;  // what a filled tensor is read by
  const TensorView* donor = nullptr;   // of some of its rows
  std::vector<std::byte> values;
};

/// Named tensors that a plan can be applied to; `where` begins error messages.
class TensorSet {
 public:
  /// Of mapped files: reads bytes before they are used, and lets the memory of bytes go that stay readable.
  struct Memory {
    std::function<void(std::span<const std::byte>)> prepare, release;
  };
  TensorSet(std::span<const TensorView> tensors, std::string where, Memory memory = {})
      : tensors_(tensors), where_(std::move(where)), memory_(std::move(memory)) {
    for (const auto& t : tensors_) {
      index_.emplace(t.name, &t);
      if (is_arithmetic_float(t.dtype)) ++floats_[t.dtype];
    }
  }
  /// Throws io_error where the bytes cannot be read.
  void prepare(std::span<const std::byte> part) const {
    if (memory_.prepare && !part.empty()) memory_.prepare(part);
  }
  void release(std::span<const std::byte> part) const {
    if (memory_.release && !part.empty()) memory_.release(part);
  }
  std::span<const TensorView> tensors() const { return tensors_; }
  const std::string& where() const { return where_; }
  const TensorView* find(std::string_view name) const {
    const auto it = index_.find(name);
    return it == index_.end() ? nullptr : it->second;
  }
  /// The most common float type; new tensors take it.
  DType float_type(DType otherwise) const {
    for (const auto& [type, n] : floats_)
      if (const auto best = floats_.find(otherwise); best == floats_.end() || n > best->second) otherwise = type;
    return otherwise;
  }

 private:
  std::span<const TensorView> tensors_;
  std::string where_;
  Memory memory_;
  std::unordered_map<std::string_view, const TensorView*> index_;
  std::map<DType, std::int64_t> floats_;  // how many tensors of each float type
};

}  // namespace modelgrow::inline v0
