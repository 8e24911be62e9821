// SPDX-License-Identifier: MIT
// Exponential moving average of the weights (Polyak & Juditsky 1992), which samples better than the last weights.
#pragma once
#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
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
  /// `uses` counts how many of these there are.
  AveragedWeights(M& model, std::shared_ptr<int> uses) : model_(&model), uses_(std::move(uses)) { ++*uses_; }
  AveragedWeights(AveragedWeights&& other) noexcept
      : model_(other.model_), uses_(std::exchange(other.uses_, {})), own_(std::exchange(other.own_, {})) {}
  ~AveragedWeights() {
    if (!uses_) return;
    --*uses_;
    for_each_parameter(*model_, [&](const std::string& path, Parameter<T, D>& p) {
      if (const auto it = own_.find(path); it != own_.end()) p.value = it->second;
    });
  }
  void put(const std::string& path, Parameter<T, D>& p, const Tensor<T, D>& value) {
    own_.emplace(path, std::exchange(p.value, value));
  }

 private:
  M* model_;
  std::shared_ptr<int> uses_;
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

  /// Moves the averages towards the weights. Throws shape_error when the model was grown and the averages were not, and
  /// error while they are in use.
  template <class M>
  void update(const M& model, const AdamW<T, D>& optimizer) {
    move(model, optimizer, [](const std::string&) { return false; });
  }
  /// A step of the optimizer and update() in one pass over memory. Returns and throws what these do; the model is
  /// unchanged then.
  template <class M>
  double step(M& model, AdamW<T, D>& optimizer, double lr, double added = 1.0, const WholeModel<D>& whole = {}) {
    return end_step(model, optimizer, begin_step(model, optimizer, lr, added, whole));
  }
  /// The same in two, as AdamW has it.
  using Begun = typename AdamW<T, D>::Begun;
  template <class M>
  Begun begin_step(M& model, AdamW<T, D>& optimizer, double lr, double added = 1.0, const WholeModel<D>& whole = {});
  template <class M>
  double end_step(M& model, AdamW<T, D>& optimizer, Begun begun) {
    const double norm = optimizer.end_step(model, std::move(begun));
    move(model, optimizer, [&](const std::string& path) { return optimizer.states().contains(path); });
    return norm;
  }

  /// Puts the averages into the model for as long as the result lives. Meanwhile the run can be neither trained nor
  /// grown, saved or loaded: what would be taken for the weights are averages.
  template <class M>
  [[nodiscard]] AveragedWeights<M, T, D> use_in(M& model) const {
    AveragedWeights<M, T, D> in_use(model, uses_);
    for_each_parameter(model, [&](const std::string& path, Parameter<T, D>& p) {
      const Tensor<Stat<T>, D>& average = of(path, p);
      if constexpr (std::same_as<T, Stat<T>>)
        in_use.put(path, p, average);
      else
        in_use.put(path, p, narrowed(average));
    });
    return in_use;
  }

  /// Whether the averages stand where the weights of a model were.
  bool in_use() const { return uses_ && *uses_ > 0; }
  /// Throws error while the averages are in use; `what` cannot be done then ("save the run").
  void require_at_rest(std::string_view what) const {
    if (in_use())
      throw error("cannot " + std::string(what) +
                  ": the averages are in use in place of the weights (Ema::use_in), and would be taken for them; let " +
                  "what use_in() returned go out of scope first");
  }

  const EmaOptions& options() const { return options_; }
  /// How often the averages were moved since they were a copy of the weights.
  std::int64_t updates() const { return updates_; }
  /// Averages by path, for growth and for inspection.
  Averages& averages() { return averages_; }
  const Averages& averages() const { return averages_; }

  /// Writes the averages below `prefix` under the names that the model's own file has. Throws what TensorFile::save
  /// throws.
  void save(const std::filesystem::path& path, std::string_view prefix = {}, const Saving& saving = {}) const;
  /// Replaces the averages below `prefix`, which are those of `model`, by those of its rows; averages of a file that
  /// does not say how often they were moved count as settled. Throws format_error, with the averages unchanged, when
  /// the file does not fit the model or that count is no whole number.
  template <class M>
  void load(const Checkpoint& file, const M& model, const std::string& prefix = {}, const RowsByPath& rows = {});

 private:
  /// update(), where averages of which `moved` is true follow the weights already.
  template <class M, class Moved>
  void move(const M& model, const AdamW<T, D>& optimizer, Moved moved);
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

  static constexpr std::int64_t settled = 1'000'000'000;  // the ramp is over
  static std::int64_t updates_of(const Checkpoint& file) {
    const auto entry = file.metadata().find("updates");
    if (entry == file.metadata().end()) return settled;
    const std::string& text = entry->second;
    std::int64_t count = -1;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (failed != std::errc() || end != text.data() + text.size() || count < 0)
      throw format_error(file.path().string() + ": the metadata entry 'updates' is '" + text +
                         "'; expected a whole number, how often the averages were moved: correct it, or leave it out " +
                         "for averages that have settled");
    return count;
  }
  EmaOptions options_;
  Averages averages_;
  std::int64_t updates_ = 0;
  std::shared_ptr<int> uses_ = std::make_shared<int>(0);
};

template <class T, Device D>
template <class M>
void Ema<T, D>::restart(const M& model, const AdamW<T, D>& optimizer, const std::string& prefix) {
  require_at_rest("start the averages again");
  std::erase_if(averages_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
  for_each_parameter(model, [&](const std::string& name, const Parameter<T, D>& p) {
    averages_.emplace(prefix + name, optimizer.weights(prefix + name, p).clone());
  });
  updates_ = 0;
}

template <class T, Device D>
template <class M>
auto Ema<T, D>::begin_step(M& model, AdamW<T, D>& optimizer, double lr, double added, const WholeModel<D>& whole)
    -> Begun {
  require_at_rest("move the averages");
  for_each_parameter(model, [&](const std::string& path, const Parameter<T, D>& p) { of(path, p); });  // or throws
  const auto average_of = [&](const std::string& path, const Parameter<T, D>& p) { return of(path, p).data(); };
  const Followers<T, D> averages{.rate = 1.0 - options_.at(updates_), .average_of = average_of};
  return optimizer.begin_step(model, lr, added, averages, whole);
}

template <class T, Device D>
template <class M, class Moved>
void Ema<T, D>::move(const M& model, const AdamW<T, D>& optimizer, Moved moved) {
  require_at_rest("move the averages");
  for_each_parameter(model, [&](const std::string& path, const Parameter<T, D>& p) {
    const Tensor<Stat<T>, D>& average = of(path, p);
    if (p.info.purpose == Purpose::scheduled) averages_.find(path)->second = optimizer.weights(path, p).clone();
    if (!p.trained() || moved(path)) return;
    const Tensor<Stat<T>, D> weights = optimizer.weights(path, p);
    Backend<D>::lerp(average.size(), 1.0 - options_.at(updates_), weights.data(), average.data());
  });
  ++updates_;
}

template <class T, Device D>
void Ema<T, D>::save(const std::filesystem::path& path, std::string_view prefix, const Saving& saving) const {
  TensorFile file;
  for (const auto& [full, average] : averages_)
    if (full.starts_with(prefix)) file.add(full.substr(prefix.size()), average, held_rows(saving.rows, full));
  file.save(path, {{"updates", std::to_string(updates_)}}, saving);
}

template <class T, Device D>
template <class M>
void Ema<T, D>::load(const Checkpoint& file, const M& model, const std::string& prefix, const RowsByPath& rows) {
  require_at_rest("load averages");
  const std::int64_t updates = updates_of(file);
  Averages loaded;
  for_each_parameter(model, [&](const std::string& name, const Parameter<T, D>& p) {
    const auto own = held_rows(rows, prefix + name);
    loaded.emplace(prefix + name, read_tensor<Stat<T>, D>(file, name, p.value.shape(), own));
  });
  for (const auto& t : file.tensors())
    if (!loaded.contains(prefix + t.name))
      throw format_error(file.path().string() + ": tensor '" + t.name + "' belongs to no parameter of the model");
  for (const auto& [path, range] : rows)
    if (range.size() == 0) loaded.erase(path);
  std::erase_if(averages_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
  averages_.merge(loaded);
  updates_ = updates;
}

}  // namespace modelgrow::inline v0
