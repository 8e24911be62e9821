// SPDX-License-Identifier: MIT
// Reverse-mode differentiation: operations append their backward step to a tape while they run forward; backward()
// takes the steps off again in reverse, freeing what each step kept.
#pragma once
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/core/parameter.hpp>
#include <modelgrow/core/pool.hpp>

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
    bool wants_gradient = false;
    bool persistent = false;  // a parameter: gradients add up in place
  };
  explicit Var(std::shared_ptr<Node> node) : node_(std::move(node)) {}
  std::shared_ptr<Node> node_;
};

/// Records operations on (T, D) and owns the memory pool they run in. Used by one thread.
template <class T, Device D>
class Tape {
 public:
  using V = Var<T, D>;
  enum class Mode { record, infer };

  explicit Tape(Mode mode = Mode::record) : mode_(mode) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  bool records() const { return mode_ == Mode::record; }
  Pool<D>& pool() { return pool_; }
  /// Uninitialised pooled memory for results and scratch.
  template <class U = T>
  Tensor<U, D> allocate(Shape shape) {
    const auto bytes = sizeof(U) * std::size_t(numel(shape));
    return Tensor<U, D>(std::move(shape), pool_.allocate(bytes));
  }

  /// A value without gradient.
  V constant(Tensor<T, D> value) { return make(std::move(value), false); }
  /// A leaf whose gradient is wanted.
  V leaf(Tensor<T, D> value) { return make(std::move(value), records()); }
  /// A parameter; its gradient adds up in parameter.gradient.
  V use(Parameter<T, D>& p) {
    V v = make(p.value, records() && p.trained());
    if (v.wants_gradient()) {
      if (!p.gradient.defined()) p.gradient = Tensor<T, D>::zeros(p.value.shape());
      v.node_->gradient = p.gradient;
      v.node_->persistent = true;
    }
    return v;
  }

  /// The result of an operation. backward(dy) is kept only if an input wants a gradient; it must call accumulate() or
  /// write to target() for each such input.
  template <class F>
  V record(Tensor<T, D> value, std::initializer_list<V> inputs, F backward) {
    return record(std::move(value), std::span<const V>(inputs.begin(), inputs.size()), std::move(backward));
  }
  template <class F>
  V record(Tensor<T, D> value, std::span<const V> inputs, F backward) {
    bool wanted = false;
    for (const V& v : inputs) wanted = wanted || (v.defined() && v.wants_gradient());
    V out = make(std::move(value), wanted && records());
    if (out.wants_gradient()) steps_.push_back(Step{out, std::move(backward)});
    return out;
  }

  /// Where a backward step may write the gradient of v directly, and whether it must add to what is there.
  std::pair<Tensor<T, D>, Write> target(const V& v) {
    auto& node = *v.node_;
    if (node.persistent) return {node.gradient, Write::add};
    if (node.gradient.defined()) {
      if (!node.gradient.unique()) node.gradient = copy(node.gradient);
      return {node.gradient, Write::add};
    }
    node.gradient = allocate(v.shape());
    return {node.gradient, Write::overwrite};
  }
  /// Like target(), for kernels that can only add: fresh memory is zeroed.
  Tensor<T, D> sum_target(const V& v) {
    auto [tensor, write] = target(v);
    if (write == Write::overwrite) tensor.zero();
    return tensor;
  }
  /// Adds g to the gradient of v. The first gradient is taken over without a copy.
  void accumulate(const V& v, Tensor<T, D> g) {
    auto& node = *v.node_;
    if (!node.wants_gradient) return;
    auto& have = node.gradient;
    if (!have.defined()) {
      have = std::move(g);
    } else if (node.persistent || have.unique()) {
      Backend<D>::add(g.size(), have.data(), g.data(), have.data());
    } else {
      Tensor<T, D> sum = allocate(v.shape());
      Backend<D>::add(g.size(), have.data(), g.data(), sum.data());
      have = std::move(sum);
    }
  }

  /// Runs all recorded steps backward from `loss` with gradient `seed` (ones if undefined).
  void backward(const V& loss, Tensor<T, D> seed = {}) { backward(loss, std::move(seed), 0); }

  /// Runs f with recording switched off.
  template <class F>
  auto without_recording(F&& f) {
    struct Restore {
      Mode& mode;
      Mode before;
      ~Restore() { mode = before; }
    } restore{mode_, mode_};
    mode_ = Mode::infer;
    return f();
  }
  /// Recomputes: records f() now, runs it backward from its result with gradient dy, leaves the tape as it was.
  template <class F>
  void replay(F&& f, Tensor<T, D> dy) {
    const std::size_t base = steps_.size();
    const V result = f();
    backward(result, std::move(dy), base);
  }

  /// Called with the name and value of every activation that the model points out; used by the forward check.
  std::function<void(const std::string&, const Tensor<T, D>&)> observer;
  void observe(std::string_view scope, std::string_view what, const V& v) const {
    if (observer) observer(std::string(scope) + std::string(what), v.value());
  }

 private:
  struct Step {
    V out;
    std::function<void(Tensor<T, D>)> backward;
  };
  V make(Tensor<T, D> value, bool wants) {
    auto node = std::make_shared<typename V::Node>();
    node->value = std::move(value);
    node->wants_gradient = wants;
    return V(std::move(node));
  }
  Tensor<T, D> copy(const Tensor<T, D>& t) {
    Tensor<T, D> c = allocate(t.shape());
    D::copy(c.data(), t.data(), t.bytes());
    return c;
  }
  void backward(const V& loss, Tensor<T, D> seed, std::size_t base) {
    if (!loss.wants_gradient()) {
      steps_.resize(base);
      return;
    }
    if (!seed.defined()) {
      seed = allocate(loss.shape());
      Backend<D>::fill(seed.size(), T(1), seed.data());
    }
    accumulate(loss, std::move(seed));
    while (steps_.size() > base) {
      Step step = std::move(steps_.back());
      steps_.pop_back();
      Tensor<T, D> dy = std::exchange(step.out.node_->gradient, {});
      if (dy.defined()) step.backward(std::move(dy));
    }
  }

  Mode mode_;
  Pool<D> pool_;
  std::vector<Step> steps_;
};

}  // namespace modelgrow::inline v0
