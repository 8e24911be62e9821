// SPDX-License-Identifier: MIT
// AdamW (Loshchilov & Hutter 2019) over any described model, in one pass over all tensors. State belongs to a path, and
// every tensor counts its own steps, so a model may grow between two steps. The norm of the gradient stays on the
// device: a step waits for it once, when everything has been given to the device.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/core/describe.hpp>
#include <modelgrow/grow/optimizer_state.hpp>
#include <modelgrow/train/parameter_groups.hpp>
#include <modelgrow/train/step_parts.hpp>
#include <modelgrow/train/tensor_file.hpp>

namespace modelgrow::inline v0 {

/// Settings of AdamW; the learning rate comes with each step.
struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.01;  // of matrices: tensors that sum over an axis; never of biases, gains and tables
  double clip_norm = std::numeric_limits<double>::infinity();  // largest global gradient norm
  std::vector<ParameterGroup> groups = {};
};

/// What AdamW knows about one tensor.
template <class T, Device D>
struct AdamWState {
  Tensor<Stat<T>, D> m, v;
  Tensor<Stat<T>, D> master;  // the weights in float, when T has 16 bits
  std::int64_t step = 0;

  /// Factors on the learning rate over the columns and on epsilon over the rows of the tensor seen as a matrix [axis 0,
  /// all others], which a growth leaves behind (grow/optimizer_state.hpp); one value counts for all.
  void set_multipliers(std::vector<double> lr, std::vector<double> eps) {
    lr_ = std::move(lr);
    eps_ = std::move(eps);
    lr_columns_ = on_device(lr_);
    eps_rows_ = on_device(eps_);
  }
  const std::vector<double>& lr() const { return lr_; }
  const std::vector<double>& eps() const { return eps_; }
  /// Steps after which all multipliers are 1; 0: they stay as they are. Each step takes its part of the way.
  std::int64_t anneal = 0;
  void anneal_multipliers() {
    if (anneal == 0) return;
    const double rest = double(anneal - 1) / double(anneal);
    auto lr = lr_, eps = eps_;
    for (auto* factors : {&lr, &eps})
      for (double& x : *factors) x = std::pow(x, rest);
    if (--anneal == 0) lr = eps = {1.0};
    set_multipliers(std::move(lr), std::move(eps));
  }
  /// For the backend: the factor that counts for all, and the others in device memory or null.
  double common_lr() const { return lr_.size() == 1 ? lr_[0] : 1.0; }
  double common_eps() const { return eps_.size() == 1 ? eps_[0] : 1.0; }
  const Stat<T>* lr_columns() const { return lr_columns_.data(); }
  const Stat<T>* eps_rows() const { return eps_rows_.data(); }

 private:
  static Tensor<Stat<T>, D> on_device(const std::vector<double>& factors) {
    if (factors.size() == 1) return {};
    const std::vector<Stat<T>> values(factors.begin(), factors.end());
    return to_device<D>(Tensor<Stat<T>, Cpu>::from(Shape{std::int64_t(values.size())}, values));
  }
  std::vector<double> lr_{1.0}, eps_{1.0};
  Tensor<Stat<T>, D> lr_columns_, eps_rows_;
};

/// The optimizer of a model, or of a pipeline of models.
template <class T, Device D>
class AdamW {
 public:
  using State = AdamWState<T, D>;
  using States = std::map<std::string, State, std::less<>>;

  /// Throws error when a group matches no parameter of the model.
  template <class M>
  AdamW(const M& model, AdamWOptions options);

  /// One update of every trained parameter that has had a gradient; gradients become zero. Parameters that a growth
  /// added, whose own counters of steps are behind that of the oldest, take lr * added. Returns the global gradient
  /// norm before clipping. Throws, with the model unchanged, error when that is not finite, and shape_error when the
  /// model was grown and its state was not. Ema::step gives the followers.
  template <class M>
  double step(M& model, double lr, double added = 1.0, const Followers<T, D>& followers = {},
              const WholeModel<D>& whole = {});

  /// step() in two: begin_step() gives all of it to the device and waits for nothing where ready(); end_step() waits
  /// for the norm, counts the step and sets what follows from that. Between them the device has stepped, unless the
  /// norm is not finite.
  struct Begun {
    States made;  // of parameters that had none
  };
  template <class M>
  Begun begin_step(M& model, double lr, double added = 1.0, const Followers<T, D>& followers = {},
                   const WholeModel<D>& whole = {});
  template <class M>
  double end_step(M& model, Begun begun);
  /// Whether all that a step needs is there: some state, and beside any gradient its state and beside any state its
  /// gradient, with the weights in float.
  template <class M>
  bool ready(M& model) const;

  /// Norm of all gradients together, summed in the order of the description.
  template <class M>
  double gradient_norm(M& model) const;

  /// The weights of a parameter in full precision; shares memory where that is how they are stored.
  Tensor<Stat<T>, D> weights(const std::string& path, const Parameter<T, D>& p) const {
    if constexpr (std::same_as<T, Stat<T>>) {
      return p.value;
    } else {
      const auto it = states_.find(path);
      return it == states_.end() || !it->second.master.defined() ? widened(p.value) : it->second.master;
    }
  }

  const AdamWOptions& options() const { return options_; }
  /// State by path, for growth and for inspection.
  States& states() { return states_; }
  const States& states() const { return states_; }

  /// Writes the state of the parameters below `prefix` ("transformer."), without the prefix, under the names of
  /// grow/optimizer_state.hpp. Throws what TensorFile::save throws.
  void save(const std::filesystem::path& path, std::string_view prefix = {}, const Saving& saving = {}) const;

  /// Replaces the state of the parameters below `prefix`, which are those of `model`, by that of their rows. Parameters
  /// that the file does not mention start afresh. Throws format_error, with the state unchanged, when the file does not
  /// fit the model.
  template <class M>
  void load(const Checkpoint& file, const M& model, const std::string& prefix = {}, const RowsByPath& rows = {});
  /// The parameters below `prefix` start afresh.
  void forget(std::string_view prefix) {
    std::erase_if(states_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
  }

 private:
  using Kind = OptimizerKind;
  inline static const std::vector<double> one{1.0};

  /// The first n values.
  static Tensor<double, Cpu> as_tensor(const std::vector<double>& v, std::int64_t n) {
    return Tensor<double, Cpu>::from(Shape{n}, std::span(v).first(std::size_t(n)));
  }
  static bool has_gradient(const Parameter<T, D>& p) { return p.trained() && p.gradient.defined(); }
  static std::span<const Stat<T>> values(const Tensor<Stat<T>, D>& t) { return {t.data(), std::size_t(t.size())}; }
  /// Gives it to the device; norm() waits for it.
  void sum_squares(std::span<const std::span<const Stat<T>>> gradients) const {
    D::zero(square_.data(), square_.bytes());
    Backend<D>::template sum_of_squares<T>(gradients, square_.data());
  }
  double norm() const { return std::sqrt(to_cpu(square_).data()[0]); }
  template <class M>
  void sum_squares_of(M& model) const;
  template <class M>
  std::string first_bad(M& model) const;

  /// The step after those that are counted.
  AdamWUpdate<T> update_of(const std::string& path, Parameter<T, D>& p, State& s, double lr) const;

  static State fresh(const Parameter<T, D>& p) {
    State s;
    s.m = Tensor<Stat<T>, D>::zeros(p.value.shape());
    s.v = Tensor<Stat<T>, D>::zeros(p.value.shape());
    if constexpr (!std::same_as<T, Stat<T>>) s.master = widened(p.value);
    return s;
  }
  static Tensor<Stat<T>, D> widened(const Tensor<T, D>& value) {
    const Tensor<T, Cpu> narrow = to_cpu(value);
    Tensor<Stat<T>, Cpu> wide(value.shape());
    for (std::int64_t i = 0; i < wide.size(); ++i) wide.data()[i] = Stat<T>(narrow.data()[i]);
    return to_device<D>(wide);
  }
  ParameterGroup group_of(const std::string& path) const {
    for (const auto& g : options_.groups)
      if (matches(g.pattern, path)) return g;
    return {};
  }
  static bool is_matrix(const Parameter<T, D>& p) {
    for (const auto& axis : p.info.axes)
      if (axis.role == Role::in) return true;
    return false;
  }

  AdamWOptions options_;
  States states_;
  Tensor<double, D> square_{Shape{1}};  // of the norm of the gradient
  Tensor<Stat<T>, D> scale_{Shape{1}};  // what clipping makes of it
};

template <class T, Device D>
template <class M>
AdamW<T, D>::AdamW(const M& model, AdamWOptions options) : options_(std::move(options)) {
  for (const auto& g : options_.groups) require_match(model, g.pattern);
}

template <class T, Device D>
template <class M>
double AdamW<T, D>::step(M& model, double lr, double added, const Followers<T, D>& followers,
                         const WholeModel<D>& whole) {
  return end_step(model, begin_step(model, lr, added, followers, whole));
}

template <class T, Device D>
template <class M>
auto AdamW<T, D>::begin_step(M& model, double lr, double added, const Followers<T, D>& followers,
                             const WholeModel<D>& whole) -> Begun {
  if (whole.sum_squares)
    whole.sum_squares(square_);
  else
    sum_squares_of(model);
  if (whole.guard) whole.guard(square_);
  Backend<D>::template clipping<T>(options_.clip_norm, square_.data(), scale_.data());
  std::int64_t oldest = whole.oldest;
  for (const auto& [path, s] : states_) oldest = std::max(oldest, s.step);
  Begun begun;
  std::vector<AdamWUpdate<T>> updates;
  for_each_parameter(model, [&](const std::string& path, Parameter<T, D>& p) {
    auto state = states_.find(path);
    if (!p.trained() || (state == states_.end() && !p.gradient.defined())) return;  // never used by the loss: no decay
    const bool old = state == states_.end() ? oldest == 0 : state->second.step == oldest;
    if (state == states_.end()) state = begun.made.emplace(path, fresh(p)).first;
    updates.push_back(update_of(path, p, state->second, old ? lr : lr * added));
    if (followers.average_of) updates.back().average = followers.average_of(path, p);
  });
  const AdamWStep common{.beta1 = options_.beta1, .beta2 = options_.beta2, .average_rate = followers.rate};
  Backend<D>::template adamw<T>(common, scale_.data(), updates);
  return begun;
}

template <class T, Device D>
template <class M>
double AdamW<T, D>::end_step(M& model, Begun begun) {
  const double length = norm();
  if (!std::isfinite(length))
    throw error("the gradient norm is " + std::to_string(length) + " (" + first_bad(model) +
                "): lower the learning rate, clip the gradient or look at the data; the model is unchanged");
  states_.merge(begun.made);
  for_each_parameter(model, [&](const std::string& path, const Parameter<T, D>& p) {
    const auto state = states_.find(path);
    if (!p.trained() || state == states_.end()) return;
    ++state->second.step;
    state->second.anneal_multipliers();
  });
  return length;
}

template <class T, Device D>
template <class M>
bool AdamW<T, D>::ready(M& model) const {
  bool all = !states_.empty();
  for_each_parameter(model, [&](const std::string& path, const Parameter<T, D>& p) {
    const auto state = states_.find(path);
    if (!p.trained() || (state == states_.end() && !p.gradient.defined())) return;
    all = all && state != states_.end() && p.gradient.defined() &&
          (std::same_as<T, Stat<T>> || state->second.master.defined());
  });
  return all;
}

template <class T, Device D>
template <class M>
double AdamW<T, D>::gradient_norm(M& model) const {
  sum_squares_of(model);
  return norm();
}

template <class T, Device D>
template <class M>
void AdamW<T, D>::sum_squares_of(M& model) const {
  std::vector<std::span<const Stat<T>>> gradients;
  for_each_parameter(model, [&](const std::string&, const Parameter<T, D>& p) {
    if (has_gradient(p)) gradients.push_back(values(p.gradient));
  });
  sum_squares(gradients);
}

template <class T, Device D>
void AdamW<T, D>::save(const std::filesystem::path& path, std::string_view prefix, const Saving& saving) const {
  TensorFile file;
  for (const auto& [full, s] : states_) {
    if (!full.starts_with(prefix)) continue;
    const std::string name = full.substr(prefix.size());
    const auto held = held_rows(saving.rows, full);
    file.add(optimizer_name(Kind::m, name), s.m, held);
    file.add(optimizer_name(Kind::v, name), s.v, held);
    if (s.master.defined()) file.add(optimizer_name(Kind::master, name), s.master, held);
    const bool by_row = s.eps().size() > 1;
    if (by_row) file.add(optimizer_name(Kind::eps, name), as_tensor(s.eps(), matrix_size(s.m.shape()).rows), held);
    if (held && held->first > 0) continue;  // what all rows have in common goes with the first
    file.add(optimizer_name(Kind::step, name), s.step, held);
    if (s.lr() != one) file.add(optimizer_name(Kind::lr, name), as_tensor(s.lr(), std::int64_t(s.lr().size())), held);
    if (!by_row && s.eps() != one) file.add(optimizer_name(Kind::eps, name), as_tensor(s.eps(), 1), held);
    if (s.anneal > 0) file.add(optimizer_name(Kind::anneal, name), s.anneal, held);
  }
  file.save(path, {}, saving);
}

template <class T, Device D>
template <class M>
void AdamW<T, D>::load(const Checkpoint& file, const M& model, const std::string& prefix, const RowsByPath& rows) {
  States loaded;
  std::size_t used = 0;
  for_each_parameter(model, [&](const std::string& name, const Parameter<T, D>& p) {
    if (!file.find(optimizer_name(Kind::m, name)) && !file.find(optimizer_name(Kind::v, name)) &&
        !file.find(optimizer_name(Kind::step, name)))
      return;
    const Shape& shape = p.value.shape();
    const MatrixSize size = matrix_size(shape);
    const RowRange own = held_rows(rows, prefix + name).value_or(RowRange{.first = 0, .last = size.rows});
    State s;
    s.m = read_tensor<Stat<T>, D>(file, optimizer_name(Kind::m, name), shape, own);
    s.v = read_tensor<Stat<T>, D>(file, optimizer_name(Kind::v, name), shape, own);
    s.step = read_integer(file, optimizer_name(Kind::step, name));
    used += 3;
    if constexpr (!std::same_as<T, Stat<T>>) {
      const bool stored = file.find(optimizer_name(Kind::master, name)) != nullptr;
      s.master = stored ? read_tensor<Stat<T>, D>(file, optimizer_name(Kind::master, name), shape, own)
                        : widened(only_rows(p.value, own));
      used += stored;
    }
    const auto factors = [&](Kind kind, std::int64_t n) {
      const std::string key = optimizer_name(kind, name);
      const TensorView* t = file.find(key);
      if (!t) return one;
      ++used;
      const auto values = read_tensor<double, Cpu>(file, key, Shape{numel(t->shape) == 1 ? 1 : n});
      return std::vector<double>(values.data(), values.data() + values.size());
    };
    auto lr = factors(Kind::lr, size.columns), eps = factors(Kind::eps, size.rows);
    s.set_multipliers(std::move(lr), only_rows(eps, own));
    if (const auto left = optimizer_name(Kind::anneal, name); file.find(left)) {
      s.anneal = read_integer(file, left);
      if (s.anneal < 0)
        throw format_error(file.path().string() + ": tensor '" + left + "' is " + std::to_string(s.anneal) +
                           "; expected the number of steps after which the multipliers are 1");
      ++used;
    }
    if (own.size() > 0 || size.rows == 0) loaded.emplace(prefix + name, std::move(s));
  });
  if (used != file.tensors().size())
    throw format_error(file.path().string() + ": " + std::to_string(file.tensors().size() - used) + " of its " +
                       std::to_string(file.tensors().size()) +
                       " tensors belong to no parameter of the model; check that both are of one family and size");
  forget(prefix);
  states_.merge(loaded);
}

template <class T, Device D>
template <class M>
std::string AdamW<T, D>::first_bad(M& model) const {
  std::string first;
  for_each_parameter(model, [&](const std::string& path, const Parameter<T, D>& p) {
    if (!first.empty() || !has_gradient(p)) return;
    const auto gradient = values(p.gradient);
    sum_squares({&gradient, 1});
    if (!std::isfinite(norm())) first = path;
  });
  return first.empty() ? "outside of the part that is stepped here" : "first in '" + first + "'";
}

template <class T, Device D>
AdamWUpdate<T> AdamW<T, D>::update_of(const std::string& path, Parameter<T, D>& p, State& s, double lr) const {
  const Shape& shape = p.value.shape();
  if (s.m.shape() != shape)
    throw shape_error("the AdamW state of '" + path + "' has shape " + to_string(s.m.shape()) + ", the parameter " +
                      to_string(shape) + ": grow the optimizer together with the model");
  // Growth gives parameters that it adds a state, and leaves it to their first step to widen what they have become.
  if constexpr (!std::same_as<T, Stat<T>>)
    if (!s.master.defined()) s.master = widened(p.value);
  // Used before, but not since the state was loaded: what an uninterrupted run would have here.
  if (!p.gradient.defined()) p.gradient = Tensor<Stat<T>, D>::zeros(shape);
  const ParameterGroup group = group_of(path);
  const double decay = is_matrix(p) ? options_.weight_decay * group.decay : 0.0;
  return {.lr = lr * group.lr * s.common_lr(),
          .eps = options_.eps * s.common_eps(),
          .decay = lr * group.lr * decay,
          .correction1 = 1.0 - std::pow(options_.beta1, double(s.step + 1)),
          .correction2 = 1.0 - std::pow(options_.beta2, double(s.step + 1)),
          .rows = matrix_size(shape).rows,
          .columns = matrix_size(shape).columns,
          .lr_columns = s.lr_columns(),
          .eps_rows = s.eps_rows(),
          .w = p.value.data(),
          .master = s.master.data(),
          .gradient = p.gradient.data(),
          .m = s.m.data(),
          .v = s.v.data(),
          .average = nullptr};
}

}  // namespace modelgrow::inline v0
