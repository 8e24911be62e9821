// SPDX-License-Identifier: MIT
// A sum whose order is fixed by how many terms there are, whoever computes them: the balanced tree over their numbers,
// built from terms that come one after the other.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {

/// Adds tensors of one shape in the order ((0 + 1) + (2 + 3)) + ..; holds at most log2(terms) + 1 of them. What is left
/// over in the end is added from its smallest part on.
template <class T, Device D>
class TreeSum {
 public:
  /// Takes over the memory of a term. Throws shape_error for one of another size.
  void add(Tensor<T, D> term) {
    if (!parts_.empty() && parts_.front().size() != term.size())
      throw shape_error("a sum of tensors of " + std::to_string(parts_.front().size()) + " elements got one of " +
                        std::to_string(term.size()));
    parts_.push_back(std::move(term));
    for (auto n = ++terms_; n % 2 == 0; n /= 2) join();
  }
  std::int64_t terms() const { return terms_; }
  /// The sum; afterwards there are no terms. Undefined if there were none.
  Tensor<T, D> take() {
    while (parts_.size() > 1) join();
    terms_ = 0;
    Tensor<T, D> sum = parts_.empty() ? Tensor<T, D>() : std::move(parts_.back());
    parts_.clear();
    return sum;
  }

 private:
  void join() {
    const Tensor<T, D> right = std::move(parts_.back());
    parts_.pop_back();
    Tensor<T, D>& left = parts_.back();
    if constexpr (std::same_as<D, Cpu>)  // whoever only talks needs no backend
      for (std::int64_t i = 0; i < left.size(); ++i) left.data()[i] += right.data()[i];
    else
      Backend<D>::add(left.size(), left.data(), right.data(), left.data());
  }
  std::vector<Tensor<T, D>> parts_;  // sums of 2^k terms, larger ones first
  std::int64_t terms_ = 0;
};

}  // namespace modelgrow::inline v0
