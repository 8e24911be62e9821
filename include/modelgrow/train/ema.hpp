// SPDX-License-Identifier: MIT
// Exponential moving average of the weights (Polyak & Juditsky 1992), which samples better than the last weights.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include <modelgrow/train/adamw.hpp>

namespace modelgrow::inline v0 {

/// How long the average remembers: about 1 / (1 - decay) steps.
struct EmaOptions {
  enum class Warmup { none, ramp };  // ramp: min(decay, (1 + n) / (10 + n)) after n updates, as diffusers does
  double decay = 0.999;
  Warmup warmup = Warmup::ramp;

  double at(std::int64_t updates) const {
    const double ramp = double(1 + updates) / double(10 + updates);
    return warmup == Warmup::none ? decay : std::min(decay, ramp);
  }
};

/// Other weights in a model, until this goes away and its own come back.
template <class M, class T, Device D>
class AveragedWeights {
 public:
  explicit AveragedWeights(M& model) : model_(&model) {}
  AveragedWeights(AveragedWeights&& other) noexcept : model_(other.model_), own_(std::exchange(other.own_, {})) {}
  ~AveragedWeights() {
    if (own_.empty()) return;
    for_each_parameter(*model_, [&](const std::string& path, Parameter<T, D>& p) {
      if (const auto it = own_.find(path); it != own_.end()) p.value = it->second;
    });
  }
  void put(const std::string& path, Parameter<T, D>& p, const Tensor<T, D>& value) {
    own_.emplace(path, std::exchange(p.value, value));
  }

 private:
  M* model_;
  std::map<std::string, Tensor<T, D>> own_;
};

/// Averages of all parameters of a model by path, in float (double for a double model). Buffers are kept as they are,
/// and what a schedule moves is that of the model.
template <class T, Device D>
class Ema {
 public:
  using Averages = std::map<std::string, Tensor<Stat<T>, D>, std::less<>>;

  /// Starts from the weights of the model.
  template <class M>
  Ema(const M& model, const AdamW<T, D>& optimizer, EmaOptions options = {}) : options_(options) {
    restart(model, optimizer);
  }
  /// Starts again from the weights of the parameters below `prefix`, which are those of `model`.
  template <class M>
  void restart(const M& model, const AdamW<T, D>& optimizer, const std::string& prefix = {});

  /// Moves the averages towards the weights. Throws shape_error when the model was grown and the averages were not.
  template <class M>
  void update(const M& model, const AdamW<T, D>& optimizer);

  /// Puts the averages into the model for as long as the result lives; do not train meanwhile.
  template <class M>
  [[nodiscard]] AveragedWeights<M, T, D> use_in(M& model) const {
    AveragedWeights<M, T, D> in_use(model);
    for_each_parameter(model, [&](const std::string& path, Parameter<T, D>& p) {
      const Tensor<Stat<T>, D>& average = of(path, p);
      if constexpr (std::same_as<T, Stat<T>>)
        in_use.put(path, p, average);
      else
        in_use.put(path, p, narrowed(average));
    });
    return in_use;
  }

  const EmaOptions& options() const { return options_; }
  /// How often the averages were moved since they were a copy of the weights.
  std::int64_t updates() const { return updates_; }
  /// Averages by path, for growth and for inspection.
  Averages& averages() { return averages_; }
  const Averages& averages() const { return averages_; }

  /// Writes the averages below `prefix` under the names that the model's own file has. Throws io_error.
  void save(const std::filesystem::path& path, std::string_view prefix = {}) const;
  /// Replaces the averages below `prefix`, which are those of `model`; averages of a file that does not say how often
  /// they were moved count as settled. Throws format_error, with the averages
  /// unchanged, when the file does not fit the model.
  template <class M>
  void load(const Checkpoint& file, const M& model, const std::string& prefix = {});

 private:
  const Tensor<Stat<T>, D>& of(const std::string& path, const Parameter<T, D>& p) const {
    const auto it = averages_.find(path);
    if (it == averages_.end() || it->second.shape() != p.value.shape())
      throw shape_error("the average of '" + path + "' " +
                        (it == averages_.end() ? "is missing"
                                               : "has shape " + to_string(it->second.shape()) + ", the parameter " +
                                                     to_string(p.value.shape())) +
                        ": grow the average together with the model");
    return it->second;
  }
  static Tensor<T, D> narrowed(const Tensor<Stat<T>, D>& average) {
    const Tensor<Stat<T>, Cpu> wide = to_cpu(average);
    Tensor<T, Cpu> narrow(wide.shape());
    for (std::int64_t i = 0; i < wide.size(); ++i) narrow.data()[i] = T(wide.data()[i]);
    return to_device<D>(narrow);
  }

  /// How often the averages of a file were moved. Throws format_error.
  static std::int64_t updates_in(const Checkpoint& file) {
    const auto count = file.metadata().find("updates");
    if (count == file.metadata().end()) return settled;
    const std::string& text = count->second;
    std::int64_t n = -1;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (bad != std::errc() || end != text.data() + text.size() || n < 0)
      throw format_error(file.path().string() + ": the metadata 'updates' is '" + text +
                         "'; expected how often the averages were moved, as '1000': correct it, or take it out for "
                         "averages that are settled");
    return n;
  }

  static constexpr std::int64_t settled = 1'000'000'000;  // the ramp is over
  EmaOptions options_;
  Averages averages_;
  std::int64_t updates_ = 0;
};

template <class T, Device D>
template <class M>
void Ema<T, D>::restart(const M& model, const AdamW<T, D>& optimizer, const std::string& prefix) {
  std::erase_if(averages_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
  for_each_parameter(model, [&](const std::string& name, const Parameter<T, D>& p) {
    averages_.emplace(prefix + name, optimizer.weights(prefix + name, p).clone());
  });
  updates_ = 0;
}

template <class T, Device D>
template <class M>
void Ema<T, D>::update(const M& model, const AdamW<T, D>& optimizer) {
  for_each_parameter(model, [&](const std::string& path, const Parameter<T, D>& p) {
    const Tensor<Stat<T>, D>& average = of(path, p);
    if (p.info.purpose == Purpose::scheduled) averages_.find(path)->second = optimizer.weights(path, p).clone();
    if (!p.trained()) return;
    const Tensor<Stat<T>, D> weights = optimizer.weights(path, p);
    Backend<D>::lerp(average.size(), 1.0 - options_.at(updates_), weights.data(), average.data());
  });
  ++updates_;
}

template <class T, Device D>
void Ema<T, D>::save(const std::filesystem::path& path, std::string_view prefix) const {
  TensorFile file;
  for (const auto& [full, average] : averages_)
    if (full.starts_with(prefix)) file.add(full.substr(prefix.size()), average);
  file.save(path, {{"updates", std::to_string(updates_)}});
}

template <class T, Device D>
template <class M>
void Ema<T, D>::load(const Checkpoint& file, const M& model, const std::string& prefix) {
  Averages loaded;
  const std::int64_t updates = updates_in(file);
  for_each_parameter(model, [&](const std::string& name, const Parameter<T, D>& p) {
    loaded.emplace(prefix + name, read_tensor<Stat<T>, D>(file, name, p.value.shape()));
  });
  for (const auto& t : file.tensors())
    if (!loaded.contains(prefix + t.name))
      throw format_error(file.path().string() + ": tensor '" + t.name + "' belongs to no parameter of the model");
  std::erase_if(averages_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
  averages_.merge(loaded);
  updates_ = updates;
}

}  // namespace modelgrow::inline v0
