// SPDX-License-Identifier: MIT
// Open-Sora 1.1: STDiT2, spatial and temporal attention in one block, size embedders. Open-Sora: stdit2.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view stdit2 = R"json({
 "family": "stdit2",
 "title": "Open-Sora 1.1 (STDiT2)",
 "class": ["STDiT2"],
 "upstream": {"class": "Open-Sora v1.1.0 STDiT2", "file": "opensora/models/stdit/stdit2.py"},
 "config": {
  "hidden_size": "hidden", "num_heads": "heads", "depth": "blocks", "mlp_ratio": "ffn/hidden",
  "in_channels": "in_channels", "caption_channels": "text_dim", "model_max_length": "text_tokens",
  "patch_size.0": "patch_t", "patch_size.1": "patch_h", "patch_size.2": "patch_w"
 },
 "defaults": {"hidden_size": 1152, "num_heads": 16, "depth": 28, "mlp_ratio": 4.0},
 "spaces": {
  "hidden": {
   "copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads", "map": "interleaved",
   "exact_if": "the spatial position table is the old one, its channels copied as those of hidden (the class rebuilds it)"
  },
  "heads": {"tied_to": "hidden"},
  "third": {"copies": "uniform", "because": "three of them are added to hidden", "tied_to": "hidden", "map": "interleaved"},
  "ffn": {},
  "in_channels": {"copies": "channels"}
 },
 "stock": {"hidden": "heads*head_dim", "third": "hidden/3"},
 "stacks": {"blocks": {"stream": "hidden"}},
 "ports": {
  "temporal": {"stack": "blocks"},
  "text": {"stack": "blocks"},
  "time": {}
 },
 "positions": "the class computes its spatial table for every clip, against input_sq_size of config.json, and frames have rotary positions",
 "text_input": {"width": "text_dim", "length": "text_tokens"},
 "tensors": {
  "x_embedder.proj.{weight,bias}": "out hidden, in in_channels, fixed patch_t, fixed patch_h, fixed patch_w",
  "{t_embedder,fl_embedder,fps_embedder}.mlp.0.{weight,bias}": "out hidden, fixed 256",
  "{t_embedder,fl_embedder,fps_embedder}.mlp.2.{weight,bias}": "out hidden, in hidden",
  "{csize_embedder,ar_embedder}.mlp.0.{weight,bias}": "out third, fixed 256",
  "{csize_embedder,ar_embedder}.mlp.2.{weight,bias}": "out third, in third",
  "t_block.1.{weight,bias}": "out 6*hidden, in hidden",
  "t_block_temp.1.{weight,bias}": "out 3*hidden, in hidden",
  "y_embedder.y_embedding": "fixed text_tokens, fixed text_dim; buffer",
  "y_embedder.y_proj.fc1.{weight,bias}": "out hidden, fixed text_dim",
  "y_embedder.y_proj.fc2.{weight,bias}": "out hidden, in hidden",
  "rope.freqs": "fixed head_dim/2",
  "blocks.{}.scale_shift_table": "fixed 6, each hidden",
  "blocks.{}.scale_shift_table_temporal": "fixed 3, each hidden",
  "blocks.{}.{attn,attn_temp}.qkv.{weight,bias}": "out 3*heads*head_dim, in hidden",
  "blocks.{}.{attn,attn_temp}.{q_norm,k_norm}.weight": "fixed head_dim",
  "blocks.{}.{attn,attn_temp,cross_attn}.proj.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "blocks.{}.cross_attn.q_linear.{weight,bias}": "out heads*head_dim, in hidden",
  "blocks.{}.cross_attn.kv_linear.{weight,bias}": "out 2*heads*head_dim, in hidden",
  "blocks.{}.mlp.fc1.{weight,bias}": "out ffn, in hidden",
  "blocks.{}.mlp.fc2.{weight,bias}": "out hidden, in ffn; closes",
  "final_layer.scale_shift_table": "fixed 2, each hidden",
  "final_layer.linear.{weight,bias}": "out patch_t*patch_h*patch_w*halves*in_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
