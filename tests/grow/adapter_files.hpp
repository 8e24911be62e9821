// SPDX-License-Identifier: MIT
// Adapters of the tiny models in files of every form, and models with an adapter folded in, number by number.
#pragma once
#include <modelgrow/checkpoint/adapter.hpp>
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/detail/json.hpp>

#include "disk.hpp"

namespace tiny {
using modelgrow::detail::json;

/// An adapted layer; its weight has a shape in the schema.
struct Low {
  std::string layer;
  std::int64_t rank = 2;
  double alpha = 3;
};

inline HostTensor doubles(Shape shape, const std::vector<double>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return HostTensor{.dtype = DType::f64, .shape = std::move(shape), .bytes = {bytes.begin(), bytes.end()}};
}
/// Random numbers, none of them zero.
inline HostTensor random_factor(const Shape& shape, const std::string& key) {
  std::vector<double> values;
  const Rng rng(11, hash_name(key));
  for (std::int64_t i = 0; i < numel(shape); ++i) values.push_back(0.4 * rng.normal(std::uint64_t(i)));
  return doubles(shape, values);
}

/// The LoraConfig of these layers, with patterns for those whose rank or alpha is not that of the first.
inline json lora_config(const std::vector<Low>& layers, const std::string& prefix = "") {
  json j, ranks = json::object(), alphas = json::object(), targets = json::array();
  for (const auto& l : layers) {
    targets.push_back(l.layer.substr(l.layer.rfind('.') + 1));
    if (l.rank != layers[0].rank) ranks[l.layer] = l.rank;
    if (l.alpha != layers[0].alpha) alphas[l.layer] = l.alpha;
  }
  j[prefix + "peft_type"] = "LORA";
  j[prefix + "r"] = layers[0].rank;
  j[prefix + "lora_alpha"] = layers[0].alpha;
  j[prefix + "rank_pattern"] = ranks;
  j[prefix + "alpha_pattern"] = alphas;
  j[prefix + "target_modules"] = targets;
  j[prefix + "use_rslora"] = false;
  j[prefix + "bias"] = "none";
  return j;
}

/// Writes an adapter as the writer of this form does; what Adapter::open takes.
inline fs::path write_adapter(const fs::path& folder, AdapterForm form, const Schema& s,
                              const std::vector<Low>& layers) {
  fs::create_directories(folder);
  StateDict d;
  Metadata metadata;
  for (const auto& [layer, rank, alpha] : layers) {
    const Shape w = s.find(layer + ".weight")->shape();
    const auto put = [&](const std::string& a, const std::string& b) {
      d[a] = random_factor(Shape{rank, w[1]}, layer + "A");
      d[b] = random_factor(Shape{w[0], rank}, layer + "B");
    };
    std::string flat = layer;
    std::ranges::replace(flat, '.', '_');
    switch (form) {
      case AdapterForm::peft:
        put("base_model.model." + layer + ".lora_A.weight", "base_model.model." + layer + ".lora_B.weight");
        break;
      case AdapterForm::peft_in_memory:
        put("base_model.model." + layer + ".lora_A.mine.weight", "base_model.model." + layer + ".lora_B.mine.weight");
        break;
      case AdapterForm::diffusers:
        put("transformer." + layer + ".lora_A.weight", "transformer." + layer + ".lora_B.weight");
        break;
      case AdapterForm::diffusion_model:
        put("diffusion_model." + layer + ".lora_A.weight", "diffusion_model." + layer + ".lora_B.weight");
        break;
      case AdapterForm::flattened:
        put("lora_unet_" + flat + ".lora_down.weight", "lora_unet_" + flat + ".lora_up.weight");
        d["lora_unet_" + flat + ".alpha"] = doubles(Shape{}, {alpha});
        break;
    }
  }
  if (form == AdapterForm::peft || form == AdapterForm::peft_in_memory)
    modelgrow::detail::write_file(folder / "adapter_config.json", lora_config(layers).dump(2));
  if (form == AdapterForm::diffusers) metadata["lora_adapter_metadata"] = lora_config(layers, "transformer.").dump(2);
  const auto file = folder / (form == AdapterForm::diffusers ? "pytorch_lora_weights.safetensors"
                              : form == AdapterForm::peft    ? "adapter_model.safetensors"
                                                             : "lora.safetensors");
  write_dict(file, d, metadata);
  return form == AdapterForm::peft ? folder : file;
}

/// W + scale B A for every layer of the adapter.
inline State<double> adapted(State<double> w, const Adapter& adapter, const Schema& s) {
  const auto names = adapter.layers_in(names_of(s));
  for (std::size_t l = 0; l < names.size(); ++l) {
    const auto& layer = adapter.layers()[l];
    const auto a = values_of<double>(layer.a), b = values_of<double>(layer.b);
    auto& weight = w.find(names[l] + ".weight")->second;
    const auto rank = std::size_t(layer.rank()), columns = a.size() / rank, rows = b.size() / rank;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j)
        for (std::size_t k = 0; k < rank; ++k)
          weight[i * columns + j] += layer.scale(layer.alpha.value()) * b[i * rank + k] * a[k * columns + j];
  }
  return w;
}

}  // namespace tiny
