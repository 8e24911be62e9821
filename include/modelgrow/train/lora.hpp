// SPDX-License-Identifier: MIT
// Training of low-rank adapters alone (Hu et al. 2022): the model is frozen, its linear layers get adapters, and when
// they are trained they become part of the weights.
#pragma once
#include <string>
#include <vector>

#include <modelgrow/core/describe.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/nn/linear.hpp>
#include <modelgrow/train/parameter_groups.hpp>

namespace modelgrow::inline v0 {

/// Which layers are adapted, and how.
struct LoraOptions {
  std::int64_t rank = 8;
  double alpha = 8;           // adapters count alpha / rank times
  std::string pattern = "*";  // of names of linear layers, such as "blocks.*.attn.qkv"
  std::uint64_t seed = 0;
};

namespace detail {

template <class L>
inline constexpr bool is_linear = false;
template <class T, class D>
inline constexpr bool is_linear<Linear<T, D>> = true;

/// Calls f(path, layer) for every linear layer of a described model.
template <class F>
class LinearWalk {
 public:
  explicit LinearWalk(F f) : f_(std::move(f)) {}

  void operator()(std::string_view, auto&) {}
  template <class M>
  void child(std::string_view name, M& module) {
    const auto keep = path_.size();
    path_.append(path_.empty() ? "" : ".").append(name);
    if constexpr (is_linear<M>)
      f_(path_, module);
    else
      M::describe(module, *this);
    path_.resize(keep);
  }
  template <class M>
  void child(std::string_view name, std::optional<M>& module) {
    if (module) child(name, *module);
  }
  void stack(std::string_view name, auto& modules, const StackRules& = {}) {
    for (std::size_t i = 0; i < modules.size(); ++i) child(std::string(name) + "." + std::to_string(i), modules[i]);
  }
  void space(const Space&, const SpaceRules&) {}

 private:
  F f_;
  std::string path_;
};

template <class M, class F>
void for_each_linear(M& model, F f) {
  LinearWalk<F> walk(std::move(f));
  M::describe(model, walk);
}

}  // namespace detail

/// Freezes the model and gives the matching linear layers adapters, which change nothing at first; returns the names of
/// these layers. What trains the model is made afterwards. Throws error for options that make no adapter, when no layer
/// matches, and for a model that has adapters.
template <class M>
std::vector<std::string> add_adapters(M& model, const LoraOptions& options) {
  if (options.rank < 1 || !std::isfinite(options.alpha) || options.alpha == 0)
    throw error("adapters of rank " + std::to_string(options.rank) + " with alpha = " + std::to_string(options.alpha) +
                " were asked for; expected a rank of 1 or more and an alpha other than 0");
  std::vector<std::string> names, layers;
  detail::for_each_linear(model, [&](const std::string& path, auto& layer) {
    if (layer.adapter)
      throw error("the layer '" + path + "' has an adapter already; merge_adapters() makes it part of the weights");
    layers.push_back(path);
    if (matches(options.pattern, path)) names.push_back(path);
  });
  if (names.empty())
    throw error("no linear layer matches the pattern '" + options.pattern + "'" +
                (layers.empty() ? "; the model has none" : "; names look like '" + layers.back() + "'"));
  for_each_parameter(model, [&]<class P>(const std::string&, P& p) { p.state = P::State::frozen; });
  detail::for_each_linear(model, [&]<class T, class D>(const std::string& path, Linear<T, D>& layer) {
    if (!matches(options.pattern, path)) return;
    auto& adapter = layer.adapter.emplace(layer.weight.info.axes, options.rank, options.alpha / double(options.rank));
    assign(adapter.down.value, initial_values(adapter.down.info, options.seed, path + ".lora_A"));
    assign(adapter.up.value, initial_values(adapter.up.info, options.seed, path + ".lora_B"));
  });
  return names;
}

/// Makes adapters part of the weights, W + scale * B A in double, rounded once to the type of the model, and takes them
/// away. What was frozen stays so (unfreeze() of parameter_groups.hpp). Optimizers and averages are made anew.
template <class M>
void merge_adapters(M& model) {
  detail::for_each_linear(model, []<class T, class D>(const std::string&, Linear<T, D>& layer) {
    if (!layer.adapter) return;
    const auto w = to_cpu(layer.weight.value), a = to_cpu(layer.adapter->down.value),
               b = to_cpu(layer.adapter->up.value);
    const auto number = [](const Tensor<T, Cpu>& t, std::int64_t i) { return double(Stat<T>(t.data()[i])); };
    const std::int64_t rows = w.dim(0), columns = w.dim(1), rank = a.dim(0);
    std::vector<double> merged;
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) {
        double sum = 0;
        for (std::int64_t k = 0; k < rank; ++k) sum += number(b, i * rank + k) * number(a, k * columns + j);
        merged.push_back(number(w, i * columns + j) + layer.adapter->scale * sum);
      }
    layer.weight.value = Tensor<T, D>(layer.weight.value.shape());
    assign(layer.weight.value, merged);
    layer.adapter.reset();
  });
}

}  // namespace modelgrow::inline v0
