// SPDX-License-Identifier: MIT
// StditConfig as config.json: the constructor arguments of Open-Sora 1.0 under their own names, plus those for the
// layers that growth adds.
#pragma once
#include <string>
#include <string_view>

#include <modelgrow/core/names.hpp>
#include <modelgrow/models/config_json.hpp>
#include <modelgrow/models/stdit_config.hpp>

namespace modelgrow::inline v0 {

namespace detail {
inline constexpr std::string_view conv_kinds[] = {"none", "depthwise", "dense"};
inline constexpr std::string_view conv_paddings[] = {"causal", "centred"};
inline constexpr std::string_view text_entries[] = {"cross_attention", "gated", "decoupled", "concatenated"};

inline TemporalConvOptions::Kind conv_kind_of(const std::string& word) {
  return TemporalConvOptions::Kind(index_in(conv_kinds, word, "temporal convolution"));
}
inline Padding padding_of(const std::string& word) {
  return index_in(conv_paddings, word, "temporal convolution") == 0 ? Padding::causal : Padding::centred;
}
inline std::string word_of(Padding p) { return std::string(conv_paddings[p == Padding::causal ? 0 : 1]); }
}  // namespace detail

/// The text of config.json.
inline std::string config_text(const StditConfig& c) {
  detail::json j;
  j["_class_name"] = "STDiT";
  j["input_size"] = c.input_size;
  j["in_channels"] = c.in_channels;
  j["patch_size"] = c.patch_size;
  j["hidden_size"] = c.hidden_size;
  j["depth"] = c.depth;
  j["num_heads"] = c.num_heads;
  j["mlp_ratio"] = c.mlp_ratio;
  j["pred_sigma"] = c.pred_sigma;
  j["caption_channels"] = c.caption_channels;
  j["model_max_length"] = c.model_max_length;
  j["space_scale"] = c.space_scale;
  j["time_scale"] = c.time_scale;
  if (c.has_temporal_conv()) {
    const auto& t = c.temporal_conv;
    j["temporal_conv"] = {
        {"kind", detail::conv_kinds[int(t.kind)]}, {"kernel", t.kernel}, {"padding", detail::word_of(t.padding)}};
  }
  if (c.has_second_text())
    j["second_text"] = {{"caption_channels", c.second_text.caption_channels},
                        {"model_max_length", c.second_text.model_max_length},
                        {"entry", detail::text_entries[int(c.second_text.entry)]},
                        {"refiner", c.second_text.refiner}};
  if (c.text_refiner > 0) j["text_refiner"] = c.text_refiner;
  if (c.has_pooled_text()) j["pooled_channels"] = c.pooled_channels;
  if (!c.prompt.empty()) j["prompt"] = detail::parse_config(c.prompt, "prompt");
  if (!c.second_prompt.empty()) j["second_prompt"] = detail::parse_config(c.second_prompt, "second_prompt");
  return j.dump(2) + "\n";
}

/// Reads config.json into c; absent keys keep what c has, unknown keys are ignored. Throws format_error with `where`.
inline void read_config(StditConfig& c, std::string_view text, const std::string& where) {
  const auto j = detail::parse_config(text, where);
  const auto read = [&](const detail::json& from, const char* key, auto& value) {
    detail::read_key(from, key, value, where);
  };
  read(j, "input_size", c.input_size);
  read(j, "in_channels", c.in_channels);
  read(j, "patch_size", c.patch_size);
  read(j, "hidden_size", c.hidden_size);
  read(j, "depth", c.depth);
  read(j, "num_heads", c.num_heads);
  read(j, "mlp_ratio", c.mlp_ratio);
  read(j, "pred_sigma", c.pred_sigma);
  read(j, "caption_channels", c.caption_channels);
  read(j, "model_max_length", c.model_max_length);
  read(j, "space_scale", c.space_scale);
  read(j, "time_scale", c.time_scale);
  if (const auto it = j.find("temporal_conv"); it != j.end()) {
    std::string kind = "depthwise", padding = "causal";
    read(*it, "kind", kind);
    read(*it, "kernel", c.temporal_conv.kernel);
    read(*it, "padding", padding);
    c.temporal_conv.kind = TemporalConvOptions::Kind(detail::index_in(detail::conv_kinds, kind, where));
    c.temporal_conv.padding =
        detail::index_in(detail::conv_paddings, padding, where) == 0 ? Padding::causal : Padding::centred;
  }
  if (const auto it = j.find("second_text"); it != j.end()) {
    read(*it, "caption_channels", c.second_text.caption_channels);
    read(*it, "model_max_length", c.second_text.model_max_length);
    read(*it, "refiner", c.second_text.refiner);
    std::string entry(detail::text_entries[0]);
    read(*it, "entry", entry);
    c.second_text.entry = StditConfig::TextEntry(detail::index_in(detail::text_entries, entry, where));
  }
  read(j, "text_refiner", c.text_refiner);
  read(j, "pooled_channels", c.pooled_channels);
  if (const auto it = j.find("prompt"); it != j.end()) c.prompt = it->dump();
  if (const auto it = j.find("second_prompt"); it != j.end()) c.second_prompt = it->dump();
  try {
    c.validate();
  } catch (const shape_error& e) {
    throw format_error(where + ": " + e.what());
  }
}

}  // namespace modelgrow::inline v0
