// SPDX-License-Identifier: MIT
// Learned growth (LiGO, Wang et al. 2023): a grown weight is a linear function of the old ones, so before the weights
// themselves are trained, the few coefficients of that function are, for some hundred steps.
#pragma once
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/core/describe.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/train/coefficients.hpp>

namespace modelgrow::inline v0 {

/// Learns how a model grows. Coefficients start as those of a plan: of each space that the plan widens one matrix for
/// what writes it and one for what reads it, of each stack that it deepens the shares of the old blocks in the new ones
/// (one matrix for what closes a branch, one for the rest). Noise of the plan comes into the coefficients of copies,
/// which would stay alike without. Parameters that no such coefficient makes stay as the plan made them. The plan has
/// neither silent or blended units, nor rows of the next block, nor random blocks.
template <class M, class T, HasBackend D>
class LearnedGrowth {
  static_assert(std::same_as<T, Stat<T>>, "growth is learned in float or double: train in 16 bits afterwards");

 public:
  using Made = std::map<std::string, Tensor<T, D>>;

  /// `small` before and `grown` after grow(plan, grown), which has to live as long as this; its weights become those of
  /// the coefficients. Throws plan_error.
  LearnedGrowth(const Plan& plan, const M& small, M& grown) : grown_(grown) {
    std::map<std::string, Tensor<T, D>> old;
    for_each_parameter(small, [&](const std::string& path, const auto& p) { old[path] = p.value.clone(); });
    for (const auto& step : plan.steps()) note(plan, step);
    if (coefficients_.empty())
      throw plan_error("learned growth has nothing to learn: the plan widens and deepens none");
    for (std::size_t i = 0; i < plan.schema().parameters.size(); ++i) add(plan, i, old);
    old_ = gathered([&](const std::string& path) { return old.at(path); });
    for_each_parameter(grown_, [&](const std::string& path, const auto& p) {
      const auto it = sources_.find(path);
      if (it != sources_.end() && p.value.shape() != it->second.shape)
        throw plan_error("learned growth: '" + path + "' is " + to_string(p.value.shape()) + ", the plan makes " +
                         to_string(it->second.shape) + ": grow the model by this plan before");
    });
    put_weights();
  }

  /// One step of Adam on the coefficients; loss(tape) -> scalar Var of the grown model, whose weights follow. Returns
  /// the loss before the step. Throws error when that is not finite.
  template <class Loss>
  double step(Loss&& loss, double lr) {
    const double before = gradients(loss);
    ++steps_;
    if (!std::isfinite(before))
      throw error("the loss at step " + std::to_string(steps_) + " of learned growth is " + std::to_string(before) +
                  ": lower its learning rate, or look at the data");
    for (auto& [name, c] : coefficients_) c.step(lr, steps_);
    put_weights();
    return before;
  }
  /// The loss, and its gradients by the coefficients, which add up until the next step.
  template <class Loss>
  double gradients(Loss&& loss) {
    const Var<T, D> l = loss(tape_);
    const double value = double(Stat<T>(to_cpu(l.value()).data()[0]));
    tape_.backward(l);
    for_each_parameter(grown_, [&](const std::string& path, Parameter<T, D>& p) {
      if (!p.gradient.defined()) return;
      if (const auto it = sources_.find(path); it != sources_.end()) backward(it->second, p.gradient);
      p.gradient.zero();
    });
    for (auto& [name, c] : coefficients_) c.fetch();
    return value;
  }
  /// Makes the weights of the grown model from the coefficients.
  void put_weights() {
    for (auto& [name, c] : coefficients_) c.send();
    for_each_parameter(grown_, [&](const std::string& path, Parameter<T, D>& p) {
      if (const auto it = sources_.find(path); it != sources_.end())
        D::copy(p.value.data(), forward(it->second, old_).data(), p.value.bytes());
    });
  }
  /// By name of the grown parameter what the coefficients make of other tensors of the small model, such as averages of
  /// its weights: old(path) -> Tensor.
  template <class Old>
  Made made_of(Old&& old) const {
    const Made from = gathered(old);
    Made all;
    for (const auto& [path, source] : sources_) all.emplace(path, forward(source, from));
    return all;
  }

  /// By name: "<space>.writes", "<space>.reads", "<stack>.blocks", "<stack>.closers".
  std::map<std::string, Coefficients<T, D>>& coefficients() { return coefficients_; }

 private:
  using Map = detail::FactorMap<T, D>;
  /// How a grown parameter is made: of which old one, or of those of all old blocks behind each other; by which maps.
  struct Source {
    std::string of;
    Shape shape = {};
    std::vector<Map> maps = {};
  };

  /// The matrices that a step of the plan starts.
  void note(const Plan& plan, const Step& step);
  void note(const SpaceMap& map, const Noise& noise);
  void add(const Plan& plan, std::size_t i, const Made& old);
  std::int64_t add_maps(const Recipe& r, Source& source);

  template <class Old>
  Made gathered(Old&& old) const {
    Made all;
    for (const auto& [name, paths] : parts_) {
      Tensor<T, D>& whole = all[name];
      for (std::size_t i = 0; i < paths.size(); ++i) {
        const Tensor<T, D> part = old(paths[i]);
        if (i == 0) whole = Tensor<T, D>({std::int64_t(paths.size()) * part.size()});
        D::copy(whole.data() + std::int64_t(i) * part.size(), part.data(), part.bytes());
      }
    }
    return all;
  }
  static Tensor<T, D> forward(const Source& source, const Made& old) {
    Tensor<T, D> x = old.at(source.of);
    for (const auto& m : source.maps) x = m.forward(x);
    return x.reshape(source.shape);
  }
  void backward(const Source& source, Tensor<T, D> gradient) {
    std::vector<Tensor<T, D>> inputs{old_.at(source.of)};
    for (const auto& m : source.maps) inputs.push_back(m.forward(inputs.back()));
    for (std::size_t k = source.maps.size(); k-- > 0;) {
      source.maps[k].learn(inputs[k], gradient);
      if (k > 0) gradient = source.maps[k].backward(gradient);
    }
  }

  M& grown_;
  std::map<std::string, std::vector<std::string>> parts_;  // of which paths a source is
  Made old_;
  std::map<std::string, Coefficients<T, D>> coefficients_;
  std::map<std::string, Source> sources_;  // by grown path
  Tape<T, D> tape_;
  std::int64_t steps_ = 0;
};

template <class M, class T, HasBackend D>
void LearnedGrowth<M, T, D>::note(const Plan& plan, const Step& step) {
  if (const auto* v = std::get_if<Insert>(&step.verb)) {
    if (v->start == BlockStart::opened || v->start == BlockStart::random)
      throw plan_error("learned growth begins with blocks that are copies; found random numbers in: " + step.what);
    for (const auto& stack : v->stacks)
      for (const char* kind : {".blocks", ".closers"})
        coefficients_[stack + kind] =
            Coefficients<T, D>(plan.schema().stack(stack).count, plan.source().stack(stack).count);
  }
  const auto* v = std::get_if<Remap>(&step.verb);
  if (!v) return;
  if (v->rows != NewRows::own)
    throw plan_error("learned growth begins with units that are copies; found: " + step.what);
  for (const auto& m : v->maps) {
    if (!m.silent.empty() || !m.blend.empty())
      throw plan_error("learned growth begins with units that are copies; found: " + step.what);
    note(m, v->noise);
  }
}

template <class M, class T, HasBackend D>
void LearnedGrowth<M, T, D>::note(const SpaceMap& map, const Noise& noise) {
  for (const bool reads : {false, true}) {
    const std::string name = map.space + (reads ? ".reads" : ".writes");
    const auto before = coefficients_.find(name);
    const bool first = before == coefficients_.end();
    Coefficients<T, D> next(map.new_size(), first ? map.old_size : before->second.columns);
    const double size = noise.on() && !reads ? std::pow(10.0, -noise.db / 20) / std::sqrt(double(next.columns)) : 0.0;
    const Rng rng(noise.seed, hash_name(name + " " + std::to_string(next.rows)));
    std::set<std::int64_t> seen;
    for (std::int64_t j = 0; j < next.rows; ++j) {
      const std::int64_t from = map.from[std::size_t(j)];
      const bool copy = !seen.insert(from).second;
      for (std::int64_t k = 0; k < next.columns; ++k) {
        const double old = first ? double(from == k) : before->second.at(from, k);
        next.at(j, k) = old * (reads ? map.split[std::size_t(j)] : 1.0);
        if (copy && size > 0) next.at(j, k) += size * rng.normal(std::uint64_t(j * next.columns + k));
      }
    }
    coefficients_[name] = std::move(next);
  }
}

template <class M, class T, HasBackend D>
void LearnedGrowth<M, T, D>::add(const Plan& plan, std::size_t i, const Made& old) {
  const Recipe r = plan.recipe(i);
  if (r.source.empty() || r.filling || !r.gates.empty() || !is_trained(r.purpose)) return;
  if (!old.contains(r.source))
    throw plan_error("learned growth: the small model has no '" + r.source + "', which the plan grows");
  Source source{.of = r.source, .shape = r.shape};
  std::vector<std::string> paths{r.source};
  for (const auto& s : plan.schema().stacks) {
    const auto from = block_name(r.source, s.name), to = block_name(r.name, s.name);
    const auto it = coefficients_.find(s.name + (closes_branch(r.purpose) ? ".closers" : ".blocks"));
    if (!from || !to || it == coefficients_.end()) continue;
    auto& shares = it->second;
    std::vector<std::string> blocks;
    for (std::int64_t b = 0; b < shares.columns; ++b)
      if (const auto name = in_block(s.name, b, from->rest);
          old.contains(name) && old.at(name).size() == old.at(r.source).size())
        blocks.push_back(name);
    if (std::int64_t(blocks.size()) != shares.columns) continue;
    paths = std::move(blocks);
    source.of = s.name + ".*." + std::string(from->rest);
    source.maps.push_back(Map{.by = &shares, .inner = numel(shape_of(r.source_axes)), .first = to->block, .rows = 1});
    shares.at(to->block, from->block) = r.closed ? 0.0 : 1.0;
  }
  if (add_maps(r, source) != numel(r.shape) || source.maps.empty()) return;
  parts_.emplace(source.of, std::move(paths));
  sources_.emplace(r.name, std::move(source));
}

/// Factor by factor, axis by axis, of sizes that grow on the way; returns the last. Concatenations stay as they are.
template <class M, class T, HasBackend D>
std::int64_t LearnedGrowth<M, T, D>::add_maps(const Recipe& r, Source& source) {
  std::int64_t outer = 1, rest = numel(shape_of(r.source_axes));
  for (const auto& axis : r.source_axes) {
    if (axis.extent.terms().size() != 1) {
      outer *= axis.size();
      rest /= std::max<std::int64_t>(1, axis.size());
      continue;
    }
    for (const auto& factor : axis.extent.terms()[0]) {
      rest /= std::max<std::int64_t>(1, factor.size);
      const auto it = coefficients_.find(factor.name + (axis.role == Role::in ? ".reads" : ".writes"));
      const bool grows = !factor.name.empty() && it != coefficients_.end();
      if (grows) {
        auto& c = it->second;
        source.maps.push_back(Map{.by = &c, .outer = outer, .inner = rest, .rows = c.rows});
      }
      outer *= grows ? it->second.rows : factor.size;
    }
  }
  return outer;
}

}  // namespace modelgrow::inline v0
