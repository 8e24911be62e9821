// SPDX-License-Identifier: MIT
// Latte of the paper (conditioned on a class or on nothing), one list of blocks. Latte: models/latte.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view latte_original = R"json({
 "family": "latte_original",
 "title": "Latte of the paper",
 "class": ["Latte"],
 "upstream": {"class": "Vchitect/Latte Latte", "file": "models/latte.py"},
 "config": {
  "hidden_size": "hidden", "num_heads": "heads", "depth": "blocks", "mlp_ratio": "ffn/hidden",
  "in_channels": "in_channels", "patch_size": "patch", "input_size": "side*patch", "num_frames": "frames"
 },
 "defaults": {"mlp_ratio": 4.0, "input_size": 32, "patch_size": 2, "num_frames": 16},
 "spaces": {
  "hidden": {"copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads"},
  "heads": {"tied_to": "hidden"},
  "ffn": {},
  "in_channels": {"copies": "channels"},
  "frames": {"copies": "positions"},
  "side": {"copies": "positions"}
 },
 "stock": {"hidden": "heads*head_dim"},
 "stacks": {
  "blocks": {
   "stream": "hidden", "first_insertion": 1, "period": 2,
   "because": "even blocks are spatial, odd ones temporal, and the temporal position table is added between the first two"
  }
 },
 "ports": {"temporal": {"stack": "blocks"}, "time": {}},
 "text_input": {"because": "an activation runs over the states before any layer reads them"},
 "tensors": {
  "pos_embed": "fixed 1, each side*side, each hidden; buffer",
  "temp_embed": "fixed 1, each frames, each hidden; buffer",
  "x_embedder.proj.{weight,bias}": "out hidden, in in_channels, fixed patch, fixed patch",
  "t_embedder.mlp.0.{weight,bias}": "out hidden, fixed 256",
  "t_embedder.mlp.2.{weight,bias}": "out hidden, in hidden",
  "y_embedder.embedding_table.weight": "fixed classes, each hidden; optional",
  "text_embedding_projection.1.{weight,bias}": "out hidden, fixed text_dim; optional text",
  "blocks.{}.attn.qkv.{weight,bias}": "out 3*heads*head_dim, in hidden",
  "blocks.{}.attn.proj.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "blocks.{}.mlp.fc1.{weight,bias}": "out ffn, in hidden",
  "blocks.{}.mlp.fc2.{weight,bias}": "out hidden, in ffn; closes",
  "blocks.{}.adaLN_modulation.1.{weight,bias}": "out 6*hidden, in hidden",
  "final_layer.adaLN_modulation.1.{weight,bias}": "out 2*hidden, in hidden",
  "final_layer.linear.{weight,bias}": "out patch*patch*halves*in_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
