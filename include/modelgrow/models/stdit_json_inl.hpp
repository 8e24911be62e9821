// SPDX-License-Identifier: MIT
// Definitions of stdit_json.hpp.
#pragma once
#include <modelgrow/families/legacy_grafts.hpp>
#include <modelgrow/models/config_json.hpp>
#include <modelgrow/models/stdit_json.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::string config_text(const StditConfig& c) {
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
  if (!c.grafts.empty()) j[detail::grafts_key] = detail::grafts_to_json(c.grafts);
  return j.dump(2) + "\n";
}

MODELGROW_INLINE void read_config(StditConfig& c, std::string_view text, const std::string& where) {
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
  c.grafts = detail::grafts_of(j, where, true);
  try {
    c.validate();
  } catch (const shape_error& e) {
    throw format_error(where + ": " + e.what());
  }
}

}  // namespace modelgrow::inline v0
