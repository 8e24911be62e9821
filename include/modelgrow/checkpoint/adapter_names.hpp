// SPDX-License-Identifier: MIT
// The names of tensors in files of adapters: what is the layer, what is the factor, and what is something else than
// LoRA.
#pragma once
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace modelgrow::inline v0::detail {

/// What stands before the name of a layer, by the form of the file.
inline constexpr std::array<std::string_view, 5> adapter_prefixes{"base_model.model.", "transformer.", "transformer_2.",
                                                                  "diffusion_model.", "lora_unet_"};
/// The prefix of a name; empty for a name that begins with its layer.
inline std::string_view adapter_prefix(std::string_view name) {
  for (const auto p : adapter_prefixes)
    if (name.starts_with(p)) return p;
  return {};
}

enum class AdapterTensor { a, b, alpha };

/// A name without its prefix: "blocks.0.attn.qkv" and ".lora_A.weight".
struct AdapterName {
  std::string_view layer, rest;
  AdapterTensor what = AdapterTensor::a;
  std::string_view adapter = {};  // "default" of ".lora_A.default.weight"
};

/// Nothing for a name that is none of plain LoRA.
inline std::optional<AdapterName> adapter_name(std::string_view name) {
  const auto layer_before = [&](std::string_view ending, AdapterTensor what) -> std::optional<AdapterName> {
    if (!name.ends_with(ending) || name.size() == ending.size()) return {};
    return AdapterName{.layer = name.substr(0, name.size() - ending.size()),
                       .rest = name.substr(name.size() - ending.size()),
                       .what = what};
  };
  using enum AdapterTensor;
  for (const auto& [ending, what] : {std::pair<std::string_view, AdapterTensor>{".lora_A.weight", a},
                                     {".lora_B.weight", b},
                                     {".lora_down.weight", a},
                                     {".lora_up.weight", b},
                                     {".alpha", alpha}})
    if (const auto found = layer_before(ending, what)) return found;
  constexpr std::string_view weight = ".weight";
  if (!name.ends_with(weight)) return {};
  const auto inner = name.substr(0, name.size() - weight.size());  // "blocks.0.attn.qkv.lora_A.default"
  const auto dot = inner.rfind('.');
  if (dot == inner.npos) return {};
  for (const auto& [factor, what] : {std::pair<std::string_view, AdapterTensor>{".lora_A", a}, {".lora_B", b}}) {
    const auto before = inner.substr(0, dot);
    if (before.ends_with(factor) && before.size() > factor.size())
      return AdapterName{.layer = before.substr(0, before.size() - factor.size()),
                         .rest = name.substr(before.size() - factor.size()),
                         .what = what,
                         .adapter = inner.substr(dot + 1)};
  }
  return {};
}

/// What a tensor is that plain LoRA does not have; empty for one that nobody knows.
inline std::string_view beyond_lora_tensor(std::string_view name) {
  using Known = std::pair<std::string_view, std::string_view>;
  for (const auto& [part, what] : {Known{".lora_magnitude_vector", "the magnitude of DoRA"},
                                   {".lora_embedding_", "the adapter of an embedding"},
                                   {".hada_w", "a factor of LoHa"},
                                   {".lokr_w", "a factor of LoKr"},
                                   {".lora_mid.", "a core between the factors"},
                                   {".modules_to_save.", "a whole layer beside the adapters"},
                                   {".base_layer.", "a weight of the adapted model itself"},
                                   {".trainable_tokens_", "of rows of an embedding"}})
    if (name.find(part) != name.npos) return what;
  for (const auto& [ending, what] : {Known{".dora_scale", "the magnitude of DoRA"},
                                     {".diff", "a whole difference"},
                                     {".diff_b", "the difference of a bias"},
                                     {".bias", "a bias beside the adapters"}})
    if (name.ends_with(ending)) return what;
  for (const std::string_view encoder : {"lora_te", "text_encoder"})
    if (name.starts_with(encoder)) return "of a text encoder";
  return {};
}

/// "blocks_0_attn_qkv", as kohya and musubi-tuner write the name of a layer.
inline std::string flattened(std::string_view layer) {
  std::string flat(layer);
  std::ranges::replace(flat, '.', '_');
  return flat;
}

}  // namespace modelgrow::inline v0::detail
