// SPDX-License-Identifier: MIT
// The definitions of adapter.hpp.
#pragma once
#include <cmath>
#include <map>

#include <modelgrow/checkpoint/adapter.hpp>
#include <modelgrow/checkpoint/adapter_names.hpp>
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// The file of a folder that holds its adapter. Throws io_error.
inline std::filesystem::path adapter_in(const std::filesystem::path& folder) {
  std::vector<std::string> files;
  for (const auto& f : list_folder(folder)) {
    const bool weights = f.name.ends_with(".safetensors") || f.role == FileRole::pickle;
    if (f.role == FileRole::adapter && (weights || f.name.ends_with(".bin"))) return folder / f.name;
    if (weights) files.push_back(f.name);
  }
  if (files.size() == 1) return folder / files[0];
  throw io_error("cannot open '" + folder.string() + "' as an adapter: " +
                 (files.empty()
                      ? "it has no adapter_model.safetensors, pytorch_lora_weights.safetensors or other file of "
                        "tensors"
                      : "it has several files, " + quoted_list(files)) +
                 "; give the path of the file");
}

}  // namespace detail

MODELGROW_INLINE double AdaptedLayer::scale(double of_alpha) const {
  return of_alpha / (rslora ? std::sqrt(double(rank())) : double(rank()));
}

MODELGROW_INLINE void Adapter::fail(const std::string& what) const {
  throw format_error(path().string() + ": " + what);
}

MODELGROW_INLINE Adapter Adapter::open(const std::filesystem::path& path) {
  std::error_code ignored;
  Adapter adapter(Checkpoint::open(std::filesystem::is_directory(path, ignored) ? detail::adapter_in(path) : path));
  adapter.read_names();
  for (const auto& layer : adapter.layers_) adapter.check(layer);
  adapter.read_config();
  return adapter;
}

/// Finds the form, and the tensors of each layer.
MODELGROW_INLINE void Adapter::read_names() {
  const auto& tensors = file_.tensors();
  if (tensors.empty()) fail("the file has no tensors; expected factors of an adapter");
  prefix_ = detail::adapter_prefix(tensors[0].name);
  std::map<std::string_view, std::size_t> found;
  std::optional<std::string_view> in_memory;  // "default" of ".lora_A.default.weight"
  for (const auto& t : tensors) {
    const std::string named = "tensor '" + t.name + "'";
    if (const auto what = detail::beyond_lora_tensor(t.name); !what.empty())
      fail(named + " is " + std::string(what) +
           ", which is no part of plain LoRA; merge the adapter where it was trained and grow the merged weights, or "
           "take that tensor out of the file");
    if (detail::adapter_prefix(t.name) != prefix_)
      fail(named + " has a name of another form than '" + tensors[0].name + "'; give one adapter a file");
    const auto name = detail::adapter_name(std::string_view(t.name).substr(prefix_.size()));
    if (!name)
      fail(named + " is no factor of an adapter; expected LAYER.lora_A.weight, LAYER.lora_down.weight or such");
    if (name->what != detail::AdapterTensor::alpha && in_memory.value_or(name->adapter) != name->adapter)
      fail("the file holds two adapters, '" + std::string(*in_memory) + "' and '" + std::string(name->adapter) +
           "'; give one adapter a file");
    if (name->what != detail::AdapterTensor::alpha) in_memory = name->adapter;
    const auto [it, is_new] = found.emplace(name->layer, layers_.size());
    if (is_new) layers_.emplace_back().name = name->layer;
    auto& layer = layers_[it->second];
    const auto put = [&](TensorView& place) {
      if (!place.name.empty())
        fail(named + " is there under another name as well, '" + place.name + "'; take one out of the file");
      place = t;
    };
    if (name->what == detail::AdapterTensor::alpha)
      layer.alpha_tensor = t;
    else
      put(name->what == detail::AdapterTensor::a ? layer.a : layer.b);
  }
  using enum AdapterForm;
  form_ = prefix_ == "base_model.model."  ? (in_memory.value_or("").empty() ? peft : peft_in_memory)
          : prefix_ == "diffusion_model." ? diffusion_model
          : prefix_ == "lora_unet_"       ? flattened
                                          : diffusers;
}

MODELGROW_INLINE void Adapter::check(const AdaptedLayer& layer) const {
  const std::string named = "the adapter of '" + layer.name + "'";
  if (layer.a.name.empty() || layer.b.name.empty())
    fail(named + " has only one of its two factors; the file is not complete, or not of plain LoRA");
  for (const auto* t : {&layer.a, &layer.b})
    if (!is_arithmetic_float(t->dtype))
      fail("tensor '" + t->name + "' has type " + std::string(name(t->dtype)) + "; expected F64, F32, F16 or BF16");
  const Shape &a = layer.a.shape, &b = layer.b.shape;
  bool fits = a.rank() >= 2 && b.rank() == a.rank() && a[0] > 0 && b[1] == a[0];
  for (int d = 2; fits && d < b.rank(); ++d) fits = b[d] == 1;
  if (!fits)
    fail(named + " has factors of shapes " + to_string(a) + " and " + to_string(b) +
         "; expected [rank, in] and [out, rank]");
  if (const auto& t = layer.alpha_tensor; t && (numel(t->shape) != 1 || !is_arithmetic_float(t->dtype)))
    fail("tensor '" + t->name + "' has type " + std::string(name(t->dtype)) + " and shape " + to_string(t->shape) +
         "; expected one number");
}

/// Finds the alphas.
MODELGROW_INLINE void Adapter::read_config() {
  std::error_code ignored;
  const auto beside = path().parent_path() / config_file;
  const bool of_peft = form_ == AdapterForm::peft || form_ == AdapterForm::peft_in_memory;
  if (of_peft && std::filesystem::exists(beside, ignored)) {
    config_.emplace(detail::read_file(beside), "", beside.string());
    alpha_place_ = AlphaPlace::config;
  } else if (const auto header = file_.metadata().find(std::string(header_key)); header != file_.metadata().end()) {
    config_.emplace(header->second, form_ == AdapterForm::diffusers ? prefix_ : "",
                    path().string() + " (" + std::string(header_key) + " of its header)");
    alpha_place_ = AlphaPlace::header;
  }
  bool one_rank = true;
  for (auto& layer : layers_) {
    one_rank &= layer.rank() == layers_[0].rank();
    if (layer.alpha_tensor) {
      if (config_)
        fail("alphas stand in tensors ('" + layer.alpha_tensor->name + "') and in " +
             std::string(detail::word_of(alpha_place_)) + ", and programs differ in which they take; take one out");
      layer.alpha = values_of<double>(*layer.alpha_tensor)[0];
    } else if (config_) {
      layer.alpha = config_->alpha_of(layer.name);
      layer.rslora = config_->rslora();
      if (const auto rank = config_->rank_of(layer.name); rank && *rank != double(layer.rank()))
        fail("the adapter of '" + layer.name + "' has rank " + std::to_string(layer.rank()) + "; " +
             std::string(detail::word_of(alpha_place_)) + " says " + std::to_string(*rank));
    }
  }
  if (!config_ && layers_[0].alpha_tensor) alpha_place_ = AlphaPlace::tensors;
  // Where nothing says otherwise, everybody but peft takes alpha = rank; of several ranks, diffusers takes the first.
  for (auto& layer : layers_)
    if (!layer.alpha && !of_peft && (one_rank || form_ == AdapterForm::flattened)) layer.alpha = double(layer.rank());
}

MODELGROW_INLINE std::vector<std::string> Adapter::layers_in(const Names& model) const {
  constexpr std::string_view weight = ".weight";
  std::multimap<std::string, std::string, std::less<>> known;  // as the file would have it -> as the model has it
  for (const auto& t : model) {
    if (!t.name.ends_with(weight)) continue;
    const auto layer = t.name.substr(0, t.name.size() - weight.size());
    known.emplace(form_ == AdapterForm::flattened ? detail::flattened(layer) : layer, layer);
  }
  std::vector<std::string> names;
  for (const auto& layer : layers_) {
    const auto refuse = [&](const std::string& what) {
      throw plan_error(path().string() + ": the adapter of '" + layer.name + "' does not fit '" + model.source() +
                       "': " + what);
    };
    const auto [begin, end] = known.equal_range(layer.name);
    if (begin == end) {
      std::vector<std::string_view> all;
      for (const auto& [name, dotted] : known) all.push_back(name);
      refuse("it has no such layer" + nearest_names(layer.name, all) +
             "; an adapter goes with the model that it was trained on, under the names of its files");
    }
    if (std::next(begin) != end)
      refuse("that is '" + begin->second + "' or '" + std::next(begin)->second +
             "' there; give an adapter whose names have dots");
    names.push_back(begin->second);
    const Shape& w = model.at(names.back() + std::string(weight)).shape;
    bool fits = w.rank() == layer.a.shape.rank() && w[0] == layer.b.shape[0];
    for (int d = 1; fits && d < w.rank(); ++d) fits = w[d] == layer.a.shape[d];
    if (!fits)
      refuse("its weight has shape " + to_string(w) + ", the factors have " + to_string(layer.a.shape) + " and " +
             to_string(layer.b.shape));
  }
  return names;
}

}  // namespace modelgrow::inline v0
