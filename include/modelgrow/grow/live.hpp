// SPDX-License-Identifier: MIT
// Growth of a live model with its optimizer and averages, in the middle of training: everything is made and checked
// beside the old objects, then exchanged at once.
#pragma once
#include <algorithm>
#include <chrono>
#include <list>
#include <utility>

#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/tensor.hpp>
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/report.hpp>
#include <modelgrow/grow/state.hpp>

namespace modelgrow::inline v0 {

/// Where a grown model lives among the objects that train it.
struct GrowOptions {
  std::string prefix = {};  // of its parameters in the optimizer and the averages, such as "transformer."
  Progress progress = {};   // may throw to stop: nothing has changed
};

/// A model that can be built again in another size: rebuild(model, schema), found beside the model, gives one with the
/// sizes of the schema and the settings of the old model; its weights need not be filled.
template <class M>
concept Rebuildable = requires(const M& m, const Schema& s) {
  { rebuild(m, s) } -> std::same_as<M>;
};

/// An optimizer that shows its state by path: m, v, master, step and multipliers (train/adamw.hpp).
template <class O>
concept ShowsStates = requires(O& o) {
  o.states().begin()->second.set_multipliers({1.0}, {1.0});
};
/// Averages that show their tensors by path (train/ema.hpp).
template <class A>
concept ShowsAverages = requires(A& a) {
  a.averages().begin()->second.shape();
};

namespace detail {

/// Tensors of any device as named host views; copies what is not in host memory.
class HostViews {
 public:
  template <class U, class D>
  void add(std::string name, const Tensor<U, D>& t) {
    const Tensor<U, Cpu> host = [&] {
      if constexpr (std::same_as<D, Cpu>)
        return t;
      else
        return to_cpu(t);
    }();
    keep_.push_back(std::make_shared<Tensor<U, Cpu>>(host));
    put(std::move(name), dtype_of<U>, t.shape(), reinterpret_cast<const std::byte*>(host.data()), host.bytes());
  }
  template <class U>
  void add_values(std::string name, DType dtype, const Shape& shape, std::vector<U> values) {
    auto kept = std::make_shared<std::vector<U>>(std::move(values));
    put(std::move(name), dtype, shape, reinterpret_cast<const std::byte*>(kept->data()), kept->size() * sizeof(U));
    keep_.push_back(std::move(kept));
  }
  const std::vector<TensorView>& views() const { return views_; }

 private:
  void put(std::string name, DType dtype, const Shape& shape, const std::byte* data, std::size_t bytes) {
    views_.push_back(TensorView{.name = std::move(name), .dtype = dtype, .shape = shape, .data = data, .bytes = bytes});
  }
  std::vector<TensorView> views_;
  std::list<std::shared_ptr<void>> keep_;
};

template <class M>
HostViews views_of_model(const M& model) {
  HostViews views;
  for_each_parameter(model, [&](const std::string& path, const auto& p) { views.add(path, p.value); });
  return views;
}

/// Where the bytes of a tensor are written: its own memory, or host memory that goes to its device later.
template <class U, class D>
Tensor<U, Cpu> host_side(const Tensor<U, D>& t) {
  if constexpr (std::same_as<D, Cpu>)
    return t;
  else
    return Tensor<U, Cpu>(t.shape());
}

template <class U, class D>
void fill_from(Tensor<U, D>& tensor, const HostTensor& from, const std::string& name) {
  if (from.dtype != dtype_of<U>)
    throw format_error("the grown state '" + name + "' has type " + std::string(modelgrow::name(from.dtype)) +
                       "; expected " + std::string(modelgrow::name(dtype_of<U>)));
  tensor = Tensor<U, D>(from.shape);
  D::from_host(tensor.data(), from.bytes.data(), from.bytes.size());
}

/// Makes the grown model: values, gradients where there are any, and which parameters are frozen.
template <class M>
M grown_model(const Plan& plan, const M& model, const TensorSet& old, const Progress& progress) {
  M grown = rebuild(model, plan.schema());
  struct Old {
    bool frozen;
    HostViews gradient;
  };
  std::map<std::string, Old, std::less<>> before;
  for_each_parameter(model, [&](const std::string& path, const auto& p) {
    auto& o = before[path];
    o.frozen = p.state == std::remove_cvref_t<decltype(p)>::State::frozen;
    if (p.gradient.defined()) o.gradient.add(path, p.gradient);
  });
  auto outputs = weight_outputs(plan, old);
  std::map<std::string_view, Output*> output_of;
  for (auto& o : outputs) output_of.emplace(o.target.name, &o);
  std::vector<std::byte*> to(outputs.size());        // written by any thread
  std::vector<std::function<void()>> to_its_device;  // called by this one, whose queue, on whose GPU, it is
  std::size_t filled = 0;
  for_each_parameter(grown, [&]<class T, class D>(const std::string& path, Parameter<T, D>& p) {
    const auto it = output_of.find(path);
    if (it == output_of.end() || it->second->target.shape != p.value.shape())
      throw plan_error("the rebuilt model has a parameter '" + path + "' of shape " + to_string(p.value.shape()) +
                       ", which the plan does not make: its configuration cannot express this growth");
    Output& o = *it->second;
    if (!o.source) o.target.dtype = dtype_of<T>;
    const auto host = host_side(p.value);
    to[std::size_t(&o - outputs.data())] = reinterpret_cast<std::byte*>(host.data());
    if constexpr (!std::same_as<D, Cpu>)
      to_its_device.push_back([&p, host] { D::from_host(p.value.data(), host.data(), host.bytes()); });
    ++filled;
    const Recipe r = plan.recipe(std::size_t(o.parameter));
    const auto source = before.find(r.source);
    if (source == before.end() || r.fresh) return;
    if (source->second.frozen) p.state = Parameter<T, D>::State::frozen;
    if (source->second.gradient.views().empty()) return;
    const Output gradient{.target = NamedShape{.name = path, .dtype = dtype_of<Stat<T>>, .shape = r.shape},
                          .kind = Output::Kind::recipe,
                          .parameter = o.parameter,
                          .of = Of::gradients,
                          .source = &source->second.gradient.views().front(),
                          .values = {}};
    const auto made = make(plan, old, std::span(&gradient, 1), {});
    fill_from(p.gradient, made.begin()->second, path);
  });
  if (filled != outputs.size())
    throw plan_error("the plan makes " + std::to_string(outputs.size()) + " tensors, the rebuilt model has " +
                     std::to_string(filled) + " parameters: its configuration cannot express this growth");
  const auto put = [&](std::size_t i, std::span<const std::byte> bytes) {
    to[i] = std::copy(bytes.begin(), bytes.end(), to[i]);
  };
  apply(plan, old, outputs, put, progress);
  for (auto& f : to_its_device) std::exchange(f, nullptr)();
  return grown;
}

/// The name of a path in the plan; nothing for state that belongs to other models.
inline std::optional<std::string> name_in(const ParameterIndex& source, const std::string& path,
                                          const std::string& prefix) {
  if (!path.starts_with(prefix) || !source.find(path.substr(prefix.size()))) return std::nullopt;
  return path.substr(prefix.size());
}

template <ShowsStates O>
auto grown_state(const Plan& plan, const O& optimizer, const GrowOptions& options) {
  using States = std::remove_cvref_t<decltype(optimizer.states())>;
  HostViews views;
  States grown;
  const ParameterIndex source(plan.source());
  for (const auto& [path, s] : optimizer.states()) {
    const auto name = name_in(source, path, options.prefix);
    if (!name) {
      grown.emplace(path, s);
      continue;
    }
    views.add(optimizer_name(OptimizerKind::m, *name), s.m);
    views.add(optimizer_name(OptimizerKind::v, *name), s.v);
    if (s.master.defined()) views.add(optimizer_name(OptimizerKind::master, *name), s.master);
    views.add_values(optimizer_name(OptimizerKind::step, *name), DType::i64, Shape{},
                     std::vector<std::int64_t>{s.step});
    views.add_values(optimizer_name(OptimizerKind::lr, *name), DType::f64, Shape{std::int64_t(s.lr().size())}, s.lr());
    views.add_values(optimizer_name(OptimizerKind::eps, *name), DType::f64, Shape{std::int64_t(s.eps().size())},
                     s.eps());
    if constexpr (requires { s.anneal; })
      if (s.anneal > 0)
        views.add_values(optimizer_name(OptimizerKind::anneal, *name), DType::i64, Shape{}, std::vector{s.anneal});
  }
  const TensorSet old(views.views(), "optimizer");
  const StateDict state = make(plan, old, optimizer_outputs(plan, old), options.progress);
  const auto grown_views = views_of(state);
  const TensorSet made(grown_views, "grown optimizer");
  check_optimizer(plan, old, made);
  for (const auto& p : plan.schema().parameters) {
    const auto m = state.find(optimizer_name(OptimizerKind::m, p.name));
    if (m == state.end()) continue;
    auto& s = grown[options.prefix + p.name];
    fill_from(s.m, m->second, m->first);
    const auto get = [&](OptimizerKind kind, auto& tensor) {
      if (const auto it = state.find(optimizer_name(kind, p.name)); it != state.end())
        fill_from(tensor, it->second, it->first);
    };
    get(OptimizerKind::v, s.v);
    get(OptimizerKind::master, s.master);
    const auto count = [&](OptimizerKind kind, std::int64_t& number) {
      if (const auto it = state.find(optimizer_name(kind, p.name)); it != state.end())
        std::memcpy(&number, it->second.bytes.data(), sizeof number);
    };
    count(OptimizerKind::step, s.step);
    if constexpr (requires { s.anneal; }) count(OptimizerKind::anneal, s.anneal);
    auto multipliers = read_multipliers(made, p.name, p.shape());
    s.set_multipliers(std::move(multipliers.lr), std::move(multipliers.eps));
  }
  return grown;
}

template <ShowsAverages A>
auto grown_state(const Plan& plan, const A& ema, const GrowOptions& options) {
  if constexpr (requires { ema.require_at_rest(""); }) ema.require_at_rest("grow the model");
  using Averages = std::remove_cvref_t<decltype(ema.averages())>;
  HostViews views;
  Averages grown;
  const ParameterIndex source(plan.source());
  for (const auto& [path, t] : ema.averages())
    if (const auto name = name_in(source, path, options.prefix))
      views.add(*name, t);
    else
      grown.emplace(path, t);
  const TensorSet old(views.views(), "averages");
  const StateDict state = make(plan, old, weight_outputs(plan, old, Absent::leave_out), options.progress);
  const auto grown_views = views_of(state);
  check_weights(plan, old, TensorSet(grown_views, "grown averages"));
  for (const auto& [name, t] : state) fill_from(grown[options.prefix + name], t, name);
  return grown;
}

template <ShowsStates O, class S>
void exchange_state(O& optimizer, S& state) {
  optimizer.states().swap(state);
}
template <ShowsAverages A, class S>
void exchange_state(A& ema, S& state) {
  ema.averages().swap(state);
}

}  // namespace detail

/// Grows a live model and whatever trains it (optimizer, averages; any number, any order). All or nothing: on an
/// exception nothing has changed. Pointers into the old model are invalid afterwards. Throws plan_error when the
/// configuration of the model cannot express the growth, check_error when the result is not what was promised.
template <Rebuildable M, class... States>
requires((ShowsStates<States> || ShowsAverages<States>)&&...) Report
    grow(const Plan& plan, M& model, const GrowOptions& options, States&... states) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  Report report = report_of(plan);
  const auto views = detail::views_of_model(model);
  const TensorSet old(views.views(), "model");
  M grown = detail::grown_model(plan, model, old, options.progress);
  auto grown_states = std::tuple(detail::grown_state(plan, std::as_const(states), options)...);
  report.optimizer_moved = (ShowsStates<States> || ...);
  report.seconds.write = seconds();
  const auto made = detail::views_of_model(grown);
  const FileCheck check = check_weights(plan, old, TensorSet(made.views(), "grown model"));
  report.checked = check.tensors.size();
  report.max_residual = check.max_residual;
  report.worst = check.worst;
  report.seconds.check = seconds() - report.seconds.write;
  for (const auto& v : views.views()) report.bytes_before += v.bytes;
  for (const auto& v : made.views()) report.bytes_after += v.bytes;
  std::swap(model, grown);
  [&]<std::size_t... I>(std::index_sequence<I...>) { (detail::exchange_state(states, std::get<I>(grown_states)), ...); }
  (std::index_sequence_for<States...>());
  report.peak_rss_bytes = peak_rss();
  return report;
}
template <Rebuildable M, class... States>
requires((ShowsStates<States> || ShowsAverages<States>)&&...) Report
    grow(const Plan& plan, M& model, States&... states) {
  return grow(plan, model, GrowOptions{}, states...);
}

}  // namespace modelgrow::inline v0
