// SPDX-License-Identifier: MIT
// A value that a tape knows.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>

#include <modelgrow/core/stat.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {

template <class T, Device D>
class Tape;

/// A value in a computation. Copies are the same value.
template <class T, Device D>
class Var {
 public:
  Var() = default;
  const Tensor<T, D>& value() const { return node_->value; }
  const Shape& shape() const { return node_->value.shape(); }
  std::int64_t dim(int i) const { return node_->value.dim(i); }
  T* data() const { return node_->value.data(); }
  bool wants_gradient() const { return node_->wants_gradient; }
  bool defined() const { return node_ != nullptr; }
  /// The gradient of a leaf after backward(); undefined if nothing reached it.
  const Tensor<T, D>& gradient() const { return node_->gradient; }

 private:
  friend class Tape<T, D>;
  struct Node {
    Tensor<T, D> value, gradient;
    Tensor<Stat<T>, D> sum;  // what collect() adds to, where that is not `gradient`
    bool wants_gradient = false;
    bool sums_wait = false;  // something of its gradient is in later_
    enum class Kind { leaf, result, parameter } kind = Kind::leaf;
  };
  using Kind = typename Node::Kind;
  explicit Var(std::shared_ptr<Node> node) : node_(std::move(node)) {}
  std::shared_ptr<Node> node_;
};

}  // namespace modelgrow::inline v0
