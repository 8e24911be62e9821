// SPDX-License-Identifier: MIT
// Learned growth (LiGO, Wang et al. 2023): a grown weight is a linear function of the old ones, so before the weights
// themselves are trained, the few coefficients of that function are, for some hundred steps.
#pragma once
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/core/describe.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/nn/initialise.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// A matrix [rows, columns] that is learned by Adam.
struct Coefficients {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> value, gradient, m, v;

  Coefficients() = default;
  Coefficients(std::int64_t r, std::int64_t c) : rows(r), columns(c), value(std::size_t(r * c)) {
    gradient = m = v = value;
  }
  double& at(std::int64_t i, std::int64_t j) { return value[std::size_t(i * columns + j)]; }
  /// Step number `n`, from 1 on; the gradient becomes zero.
  void step(double lr, std::int64_t n) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      const double g = std::exchange(gradient[i], 0.0);
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.99 * v[i] + 0.01 * g * g;
      value[i] -=
          lr * m[i] / (1 - std::pow(0.9, double(n))) / (std::sqrt(v[i] / (1 - std::pow(0.99, double(n)))) + 1e-8);
    }
  }
};

/// Coefficients applied to one factor of one axis: x [outer, from, inner] -> [outer, to, inner].
struct FactorMap {
  Coefficients* by = nullptr;
  std::int64_t outer = 1, inner = 1;

  std::vector<double> forward(const std::vector<double>& x) const {
    std::vector<double> y(std::size_t(outer * by->rows * inner), 0.0);
    each([&](std::size_t c, std::size_t from, std::size_t to) { y[to] += by->value[c] * x[from]; });
    return y;
  }
  /// Adds to the gradient of the coefficients; returns that of x.
  std::vector<double> backward(const std::vector<double>& x, const std::vector<double>& dy) const {
    std::vector<double> dx(x.size(), 0.0);
    each([&](std::size_t c, std::size_t from, std::size_t to) {
      by->gradient[c] += dy[to] * x[from];
      dx[from] += by->value[c] * dy[to];
    });
    return dx;
  }

 private:
  template <class F>
  void each(F&& f) const {
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t j = 0; j < by->rows; ++j)
        for (std::int64_t k = 0; k < by->columns; ++k)
          for (std::int64_t i = 0; i < inner; ++i)
            f(std::size_t(j * by->columns + k), std::size_t((o * by->columns + k) * inner + i),
              std::size_t((o * by->rows + j) * inner + i));
  }
};

}  // namespace detail

/// Learns how a model grows. Coefficients start as those of a plan: of each space that the plan widens one matrix for
/// what writes it and one for what reads it, of each stack that it deepens the shares of the old blocks in the new ones
/// (one matrix for what closes a branch, one for the rest). Parameters that no such coefficient makes stay as the plan
/// made them. The plan has neither noise, nor silent or blended units, nor random blocks.
template <class M, class T, Device D>
class LearnedGrowth {
 public:
  /// `small` before and `grown` after grow(plan, grown), which has to live as long as this. Throws plan_error.
  LearnedGrowth(const Plan& plan, const M& small, M& grown) : grown_(grown) {
    for_each_parameter(small, [&](const std::string& path, const auto& p) { old_[path] = numbers(p.value); });
    for (const auto& step : plan.steps()) note(plan, step);
    for (std::size_t i = 0; i < plan.schema().parameters.size(); ++i) add(plan, i);
    put_weights();
  }

  /// One step of Adam on the coefficients; loss(tape) -> scalar Var of the grown model, whose weights follow. Returns
  /// the loss before the step.
  template <class Loss>
  double step(Loss&& loss, double lr) {
    const double before = gradients(loss);
    ++steps_;
    for (auto& [name, c] : coefficients_) c.step(lr, steps_);
    put_weights();
    return before;
  }
  /// The loss, and its gradients by the coefficients, which add up until the next step.
  template <class Loss>
  double gradients(Loss&& loss) {
    Tape<T, D> tape;
    const Var<T, D> l = loss(tape);
    const double value = double(Stat<T>(to_cpu(l.value()).data()[0]));
    tape.backward(l);
    for_each_parameter(grown_, [&](const std::string& path, Parameter<T, D>& p) {
      if (!p.gradient.defined()) return;
      if (const auto it = made_.find(path); it != made_.end()) backward(it->second, numbers(p.gradient));
      p.gradient.zero();
    });
    return value;
  }
  /// Makes the weights of the grown model from the coefficients.
  void put_weights() {
    for_each_parameter(grown_, [&](const std::string& path, Parameter<T, D>& p) {
      if (const auto it = made_.find(path); it != made_.end()) assign(p.value, forward(it->second));
    });
  }
  /// By name: "<space>.writes", "<space>.reads", "<stack>.blocks", "<stack>.closers".
  std::map<std::string, detail::Coefficients>& coefficients() { return coefficients_; }

 private:
  /// How a grown parameter is made: of which old ones, each with its share, by which maps.
  struct Made {
    std::vector<std::string> sources;
    detail::Coefficients* shares = nullptr;  // row `block` of it; null: the only source counts once
    std::int64_t block = 0;
    std::vector<detail::FactorMap> maps;
  };

  template <class U>
  static std::vector<double> numbers(const Tensor<U, D>& t) {
    const auto host = to_cpu(t);
    std::vector<double> all;
    for (std::int64_t i = 0; i < host.size(); ++i) all.push_back(double(Stat<U>(host.data()[i])));
    return all;
  }

  /// The matrices that a step of the plan starts.
  void note(const Plan& plan, const Step& step) {
    if (const auto* v = std::get_if<Insert>(&step.verb)) {
      if (v->start == BlockStart::opened || v->start == BlockStart::random)
        throw plan_error("learned growth begins with blocks that are copies; found random numbers in: " + step.what);
      for (const auto& stack : v->stacks)
        for (const char* kind : {".blocks", ".closers"})
          coefficients_[stack + kind] =
              detail::Coefficients(plan.schema().stack(stack).count, plan.source().stack(stack).count);
    }
    const auto* v = std::get_if<Remap>(&step.verb);
    if (!v) return;
    for (const auto& m : v->maps) {
      if (v->noise.on() || !m.silent.empty() || !m.blend.empty())
        throw plan_error("learned growth begins with units that are copies without noise; found: " + step.what);
      for (const bool reads : {false, true}) {
        const std::string name = m.space + (reads ? ".reads" : ".writes");
        const auto before = coefficients_.find(name);
        detail::Coefficients next(m.new_size(), before == coefficients_.end() ? m.old_size : before->second.columns);
        for (std::int64_t j = 0; j < next.rows; ++j)
          for (std::int64_t k = 0; k < next.columns; ++k) {
            const std::int64_t from = m.from[std::size_t(j)];
            const double old = before == coefficients_.end() ? double(from == k) : before->second.at(from, k);
            next.at(j, k) = old * (reads ? m.split[std::size_t(j)] : 1.0);
          }
        coefficients_[name] = std::move(next);
      }
    }
  }

  void add(const Plan& plan, std::size_t i) {
    const Recipe r = plan.recipe(i);
    if (r.source.empty() || r.filling || !r.gates.empty() || !is_trained(r.purpose)) return;
    Made made{.sources = {r.source}, .maps = maps_of(r)};
    for (const auto& s : plan.schema().stacks) {
      const auto from = block_name(r.source, s.name), to = block_name(r.name, s.name);
      const auto it = coefficients_.find(s.name + (closes_branch(r.purpose) ? ".closers" : ".blocks"));
      if (!from || !to || it == coefficients_.end()) continue;
      std::vector<std::string> sources;
      for (std::int64_t b = 0; b < it->second.columns; ++b)
        if (const auto name = in_block(s.name, b, from->rest); old_.contains(name)) sources.push_back(name);
      if (std::int64_t(sources.size()) != it->second.columns) continue;
      made.sources = std::move(sources);
      made.shares = &it->second;
      made.block = to->block;
      it->second.at(to->block, from->block) = r.closed ? 0.0 : 1.0;
    }
    if (made.shares || !made.maps.empty()) made_.emplace(r.name, std::move(made));
  }

  /// Factor by factor, axis by axis, of sizes that grow on the way.
  std::vector<detail::FactorMap> maps_of(const Recipe& r) {
    std::vector<detail::FactorMap> maps;
    std::int64_t outer = 1, rest = numel(shape_of(r.source_axes));
    for (const auto& axis : r.source_axes) {
      if (axis.extent.terms().size() != 1) {  // a concatenation: left as the plan makes it, if it grows
        outer *= axis.size();
        rest /= std::max<std::int64_t>(1, axis.size());
        continue;
      }
      for (const auto& factor : axis.extent.terms()[0]) {
        rest /= std::max<std::int64_t>(1, factor.size);
        const auto it = coefficients_.find(factor.name + (axis.role == Role::in ? ".reads" : ".writes"));
        const bool grows = !factor.name.empty() && it != coefficients_.end();
        if (grows) maps.push_back(detail::FactorMap{.by = &it->second, .outer = outer, .inner = rest});
        outer *= grows ? it->second.rows : factor.size;
      }
    }
    return maps;
  }

  /// The share-weighted sum of the sources.
  std::vector<double> mixed(const Made& made) const {
    if (!made.shares) return old_.at(made.sources[0]);
    std::vector<double> sum(old_.at(made.sources[0]).size(), 0.0);
    for (std::size_t b = 0; b < made.sources.size(); ++b) {
      const auto& w = old_.at(made.sources[b]);
      const double share = made.shares->at(made.block, std::int64_t(b));
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += share * w[i];
    }
    return sum;
  }
  std::vector<double> forward(const Made& made) const {
    auto x = mixed(made);
    for (const auto& m : made.maps) x = m.forward(x);
    return x;
  }
  void backward(const Made& made, std::vector<double> gradient) {
    std::vector<std::vector<double>> inputs{mixed(made)};
    for (const auto& m : made.maps) inputs.push_back(m.forward(inputs.back()));
    for (std::size_t k = made.maps.size(); k-- > 0;) gradient = made.maps[k].backward(inputs[k], gradient);
    if (!made.shares) return;
    for (std::size_t b = 0; b < made.sources.size(); ++b) {
      const auto& w = old_.at(made.sources[b]);
      double sum = 0;
      for (std::size_t i = 0; i < w.size(); ++i) sum += w[i] * gradient[i];
      made.shares->gradient[std::size_t(made.block * made.shares->columns) + b] += sum;
    }
  }

  M& grown_;
  std::map<std::string, std::vector<double>> old_;
  std::map<std::string, detail::Coefficients> coefficients_;
  std::map<std::string, Made> made_;
  std::int64_t steps_ = 0;
};

}  // namespace modelgrow::inline v0
