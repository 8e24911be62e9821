// SPDX-License-Identifier: MIT
// Reverse-mode differentiation: operations append their backward step to a tape while they run forward; backward()
// takes the steps off again in reverse, freeing what each step kept.
#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <modelgrow/autograd/var.hpp>
#include <modelgrow/backend/backend.hpp>
#include <modelgrow/core/parameter.hpp>
#include <modelgrow/core/pool.hpp>

namespace modelgrow::inline v0 {

/// Records operations on (T, D) and holds the memory pool they run in. Used by one thread.
template <class T, Device D>
class Tape {
 public:
  using V = Var<T, D>;
  using S = Stat<T>;
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
      if (!p.gradient.defined()) p.gradient = Tensor<S, D>::zeros(p.value.shape());
      v.node_->sum = p.gradient;
      v.node_->kind = V::Kind::parameter;
    } else if (used_ && p.trained()) {
      used_->push_back(&p);
    }
    return v;
  }

  /// Whether a result of these inputs has a backward pass, for which an operation must keep what it needs there.
  bool differentiates(std::span<const V> inputs) const {
    bool wanted = false;
    for (const V& v : inputs) wanted = wanted || (v.defined() && v.wants_gradient());
    return wanted && records();
  }
  /// The result of an operation. backward(dy) is kept only if an input wants a gradient; it must call accumulate(),
  /// write() or collect() for each such input.
  template <class F>
  V record(Tensor<T, D> value, std::initializer_list<V> inputs, F backward) {
    return record(std::move(value), std::span<const V>(inputs.begin(), inputs.size()), std::move(backward));
  }
  template <class F>
  V record(Tensor<T, D> value, std::span<const V> inputs, F backward) {
    V out = make(std::move(value), differentiates(inputs));
    out.node_->kind = V::Kind::result;
    if (out.wants_gradient()) steps_.push_back(Step{out, std::move(backward), awaited_from(inputs)});
    return out;
  }

  /// Calls f(T* dx, Write): where the gradient of x may be written directly, and whether it must be added to what is
  /// there. Null where x wants none.
  template <class F>
  void write(const V& x, F&& f) {
    if (x.wants_gradient())
      write_wanted(x, f);
    else
      f(static_cast<T*>(nullptr), Write::overwrite);
  }
  /// Calls f(S* .. sums): where the gradients of `of` add up, for kernels that only add. Null where one wants none.
  template <class F, std::same_as<V>... Vs>
  void collect(F&& f, const Vs&... of) {
    const std::array<Tensor<S, D>, sizeof...(Vs)> sums{sum_of(of)...};
    std::apply([&](const auto&... sum) { f(sum.data()...); }, sums);
    (round_leaf(of), ...);
  }
  /// Calls f(span of S* sums), for as many values as there are.
  template <class F>
  void collect(F&& f, std::span<const V> of) {
    std::vector<Tensor<S, D>> sums;
    std::vector<S*> places;
    for (const V& v : of) places.push_back(sums.emplace_back(sum_of(v)).data());
    f(std::span<S* const>(places));
    for (const V& v : of) round_leaf(v);
  }
  /// Calls f(S* sum, LaterSums&): the same for one value, where what is added may wait for other sums.
  template <class F>
  void collect_later(F&& f, const V& of) {
    const Tensor<S, D> sum = sum_of(of);
    f(sum.data(), later_);
    if (!sum.defined()) return;
    of.node_->sums_wait = true;
    if (of.node_->kind == V::Kind::result) return;  // until backward() comes for it
    add_later_sums(of);
    round_leaf(of);
  }
  /// Calls f(S* sum): where f writes all that it adds to the gradient of v. Null where v is undefined or wants none.
  /// What parameters get waits for the end of backward() and is added for all of them at once.
  template <class F>
  void contribute(const V& v, F&& f) {
    if (!v.defined() || !v.wants_gradient()) return f(static_cast<S*>(nullptr));
    Tensor<S, D> addend = allocate<S>(v.shape());
    f(addend.data());
    if (v.node_->kind == V::Kind::parameter) {
      const auto has_one = [&](const Waiting& w) { return w.sum.data() == v.node_->sum.data(); };
      if (std::any_of(waiting_.begin(), waiting_.end(), has_one)) add_contributions();
      waiting_.push_back({std::move(addend), v.node_->sum});
    } else if constexpr (std::same_as<T, S>) {
      accumulate(v, std::move(addend));
    } else {
      Tensor<T, D> g = allocate(v.shape());
      Backend<D>::narrow(g.size(), addend.data(), g.data());
      accumulate(v, std::move(g));
    }
  }
  /// Adds g to the gradient of v. The first gradient is taken over without a copy.
  void accumulate(const V& v, Tensor<T, D> g) {
    auto& node = *v.node_;
    if (!node.wants_gradient) return;
    auto& have = node.gradient;
    if (node.kind == V::Kind::parameter) {
      Backend<D>::collect(g.size(), g.data(), node.sum.data());
    } else if (!have.defined()) {
      have = std::move(g);
    } else if (have.unique()) {
      Backend<D>::add(g.size(), have.data(), g.data(), have.data());
    } else {
      add_later_sums(v);
      Tensor<T, D> sum = allocate(v.shape());
      Backend<D>::add(g.size(), have.data(), g.data(), sum.data());
      have = std::move(sum);
    }
  }

  /// Adds a multiple of g to the gradient of v, which may be g itself.
  void accumulate(const V& v, double factor, const Tensor<T, D>& g) {
    if (!v.wants_gradient()) return;
    write_wanted(v, [&](T* dx, Write how) {
      if (how == Write::overwrite) D::zero(dx, g.bytes());
      Backend<D>::axpy(g.size(), factor, g.data(), dx);
    });
  }

  /// Runs all recorded steps backward from `loss` with gradient `seed` (ones if undefined). What throws on the way
  /// leaves nothing for the next pass.
  void backward(const V& loss, Tensor<T, D> seed = {}) {
    const Emptied end{*this};
    backward(loss, std::move(seed), 0);
    add_contributions();
  }

  /// Called inside of backward() with the gradient of a parameter, when no step is left that adds to it. What steps
  /// have contributed may still wait: add_contributions() first. Set before the forward pass.
  std::function<void(const S* gradient)> finished;
  /// Whether recorded steps will add to this gradient of a parameter; known where `finished` is set.
  bool awaits(const S* gradient) const { return awaited_.contains(gradient); }
  /// Adds what contribute() keeps for the end of backward().
  void add_contributions() {
    if (waiting_.empty()) return;
    std::vector<Addend<S>> addends;
    for (const Waiting& w : waiting_)
      addends.push_back({.size = w.sum.size(), .x = w.addend.data(), .sum = w.sum.data()});
    Backend<D>::template collect_all<T>(std::span<const Addend<S>>(addends));
    waiting_.clear();
  }

  /// Runs f with recording switched off.
  template <class F>
  auto without_recording(F&& f) {
    const Restored<Mode> restored{mode_, mode_};
    mode_ = Mode::infer;
    return f();
  }
  /// The same; the trained parameters that f uses are added to `used`.
  template <class F>
  auto without_recording(std::vector<Parameter<T, D>*>& used, F&& f) {
    const Restored<std::vector<Parameter<T, D>*>*> restored{used_, used_};
    used_ = &used;
    return without_recording(f);
  }
  /// Inside of a backward step: a value in the place of x, whose gradient goes on from that of x until it returns it.
  V stand_in(const V& x) {
    if (!x.wants_gradient()) return constant(x.value());
    if (x.node_->kind == V::Kind::parameter) return x;
    V v = make(x.value(), true);
    v.node_->kind = x.node_->kind;
    v.node_->gradient = std::move(x.node_->gradient);
    v.node_->sum = std::move(x.node_->sum);
    v.node_->sums_wait = std::exchange(x.node_->sums_wait, false);
    return v;
  }
  void return_gradient(const V& stand_in, const V& x) {
    if (stand_in.node_ == x.node_) return;
    if (x.node_->gradient.defined()) add_later_sums(stand_in);  // f has added to x itself
    if (stand_in.gradient().defined()) accumulate(x, std::exchange(stand_in.node_->gradient, {}));
    if (!stand_in.node_->sum.defined() && !stand_in.node_->sums_wait) return;
    add_later_sums(x);
    round_sum(x);
    x.node_->sum = std::move(stand_in.node_->sum);
    x.node_->sums_wait = stand_in.node_->sums_wait;
  }
  /// Inside of a backward step, recomputes: records f() now, runs it backward from its result with gradient dy, leaves
  /// the tape as it was.
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
    std::vector<const S*> parameters;  // gradients that it adds to; known where `finished` is set
  };
  struct Waiting {
    Tensor<S, D> addend, sum;
  };
  struct Emptied {
    Tape& tape;
    ~Emptied() {
      tape.steps_.clear();
      tape.later_ = {};
      tape.waiting_.clear();
      tape.awaited_.clear();
    }
  };
  template <class U>
  struct Restored {
    U& place;
    U before;
    ~Restored() { place = before; }
  };
  std::vector<const S*> awaited_from(std::span<const V> inputs) {
    std::vector<const S*> gradients;
    if (!finished) return gradients;
    for (const V& v : inputs)
      if (v.defined() && v.wants_gradient() && v.node_->kind == V::Kind::parameter) {
        gradients.push_back(v.node_->sum.data());
        ++awaited_[gradients.back()];
      }
    return gradients;
  }
  void settle(const Step& step) {
    for (const S* gradient : step.parameters) {
      const auto entry = awaited_.find(gradient);
      if (--entry->second > 0) continue;
      awaited_.erase(entry);
      finished(gradient);
    }
  }
  V make(Tensor<T, D> value, bool wants) {
    auto node = std::make_shared<typename V::Node>();
    node->value = std::move(value);
    node->wants_gradient = wants;
    return V(std::move(node));
  }
  template <class F>
  void write_wanted(const V& x, F&& f) {
    if (x.node_->kind == V::Kind::parameter && !std::same_as<T, S>) {
      Tensor<T, D> dx = allocate(x.shape());
      f(dx.data(), Write::overwrite);
      accumulate(x, std::move(dx));
    } else {
      const auto [dx, how] = target(x);
      f(dx.data(), how);
    }
  }
  std::pair<Tensor<T, D>, Write> target(const V& v) {
    auto& node = *v.node_;
    if constexpr (std::same_as<T, S>)
      if (node.kind == V::Kind::parameter) return {node.sum, Write::add};
    if (node.gradient.defined()) {
      if (!node.gradient.unique()) {
        add_later_sums(v);
        node.gradient = copy(node.gradient);
      }
      return {node.gradient, Write::add};
    }
    node.gradient = allocate(v.shape());
    return {node.gradient, Write::overwrite};
  }
  Tensor<S, D> sum_of(const V& v) {
    if (!v.defined() || !v.wants_gradient()) return {};
    auto& sum = v.node_->sum;
    if constexpr (std::same_as<T, S>) {
      if (v.node_->kind == V::Kind::parameter) return sum;
      auto [tensor, how] = target(v);
      if (how == Write::overwrite) tensor.zero();
      return tensor;
    } else {
      if (!sum.defined()) {
        sum = allocate<S>(v.shape());
        sum.zero();
      }
      return sum;
    }
  }
  /// What waits of the gradient of v is added to it, and all else that waits.
  void add_later_sums(const V& v) {
    if (std::exchange(v.node_->sums_wait, false)) later_.add_up();
  }
  /// Nobody comes for the sum of a leaf later, as backward() does for that of a result.
  void round_leaf(const V& v) {
    if (v.defined() && v.node_->kind == V::Kind::leaf) round_sum(v);
  }
  /// The gradient of a value that is no parameter, summed in float, becomes one in T.
  void round_sum(const V& v) {
    if constexpr (!std::same_as<T, S>) {
      if (!v.node_->sum.defined() || v.node_->kind == V::Kind::parameter) return;
      Tensor<T, D> g = allocate(v.shape());
      Backend<D>::narrow(g.size(), v.node_->sum.data(), g.data());
      v.node_->sum = {};
      accumulate(v, std::move(g));
    }
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
      add_later_sums(step.out);
      round_sum(step.out);
      Tensor<T, D> dy = std::exchange(step.out.node_->gradient, {});
      if (dy.defined()) step.backward(std::move(dy));
      settle(step);
    }
  }

  Mode mode_;
  Pool<D> pool_ = pool_of<D>();
  std::vector<Step> steps_;
  LaterSums<T, D> later_;
  std::vector<Waiting> waiting_;
  std::unordered_map<const S*, std::int64_t> awaited_;  // by gradient: inputs of recorded steps
  std::vector<Parameter<T, D>*>* used_ = nullptr;
};

}  // namespace modelgrow::inline v0
