// SPDX-License-Identifier: MIT
// Definitions of stdit_schema.hpp.
#pragma once
#include <cmath>

#include <modelgrow/models/stdit_schema.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE double mlp_ratio_for(std::int64_t ffn, std::int64_t hidden) {
  double ratio = double(ffn) / double(hidden);
  while (std::int64_t(double(hidden) * ratio) < ffn) ratio = std::nextafter(ratio, ratio + 1.0);
  return ratio;
}

MODELGROW_INLINE StditConfig resized(StditConfig base, const Schema& s) {
  base.hidden_size = s.space("hidden").space.size;
  base.num_heads = s.space("heads").space.size;
  base.mlp_ratio = mlp_ratio_for(s.space("ffn").space.size, base.hidden_size);
  base.depth = s.stack("blocks").count;
  base.in_channels = s.space("in_channels").space.size;
  const std::string_view grid[] = {"frames", "height", "width"};
  for (std::size_t i = 0; i < 3; ++i) base.input_size[i] = s.space(grid[i]).space.size * base.patch_size[i];
  if (const auto* null = s.find("y_embedder.y_embedding")) {
    base.caption_channels = null->shape()[1];
    base.model_max_length = null->shape()[0];
  }
  base.grafts = s.grafts;
  return base;
}

MODELGROW_INLINE std::vector<PortSpec> stdit_ports(const StditConfig& c) {
  const std::string head_dim = std::to_string(c.head_dim());
  return {{.name = "temporal", .stack = "blocks", .head_dim = head_dim},
          {.name = "text", .stack = "blocks", .head_dim = head_dim},
          {.name = "time"},
          {.name = "tokens", .head_dim = head_dim}};
}

MODELGROW_INLINE TextInput stdit_text_input() {
  return {.width = {{"y_embedder.y_embedding", 1}, {"y_embedder.y_proj.fc1.weight", 1}},
          .length = {{"y_embedder.y_embedding", 0}}};
}

}  // namespace modelgrow::inline v0
