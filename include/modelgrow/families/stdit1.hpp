// SPDX-License-Identifier: MIT
// Open-Sora 1.0: STDiT, spatial and temporal attention in one block, stored position tables. Open-Sora: stdit.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view stdit1 = R"json({
 "family": "stdit1",
 "title": "Open-Sora 1.0 (STDiT)",
 "class": ["STDiT"],
 "upstream": {"class": "Open-Sora v1.0.0 STDiT", "file": "opensora/models/stdit/stdit.py"},
 "config": {
  "hidden_size": "hidden", "num_heads": "heads", "depth": "blocks", "mlp_ratio": "ffn/hidden",
  "in_channels": "in_channels", "caption_channels": "text_dim", "model_max_length": "text_tokens",
  "patch_size.0": "patch_t", "patch_size.1": "patch_h", "patch_size.2": "patch_w", "input_size.0": "frames*patch_t",
  "input_size.1": "height*patch_h", "input_size.2": "width*patch_w"
 },
 "defaults": {
  "hidden_size": 1152, "num_heads": 16, "depth": 28, "mlp_ratio": 4.0, "input_size": [16, 32, 32], "patch_size": [1, 2, 2]
 },
 "spaces": {
  "hidden": {"copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads"},
  "heads": {"copies": "uniform", "because": "heads * head_dim == hidden", "tied_to": "hidden"},
  "ffn": {},
  "in_channels": {"copies": "channels"},
  "frames": {"copies": "positions"},
  "height": {"copies": "positions"},
  "width": {"copies": "positions"}
 },
 "stock": {"hidden": "heads*head_dim"},
 "stacks": {
  "blocks": {
   "stream": "hidden", "first_insertion": 1,
   "because": "the temporal position table enters the temporal attention of the first block only"
  }
 },
 "ports": {
  "temporal": {"stack": "blocks"},
  "text": {"stack": "blocks"},
  "time": {},
  "tokens": {}
 },
 "text_input": {"width": "text_dim", "length": "text_tokens"},
 "legacy": "open_sora_grafts",
 "tensors": {
  "pos_embed": "fixed 1, each height*width, each hidden; buffer",
  "pos_embed_temporal": "fixed 1, each frames, each hidden; buffer",
  "x_embedder.proj.{weight,bias}": "out hidden, in in_channels, fixed patch_t, fixed patch_h, fixed patch_w",
  "t_embedder.mlp.0.{weight,bias}": "out hidden, fixed 256",
  "t_embedder.mlp.2.{weight,bias}": "out hidden, in hidden",
  "t_block.1.{weight,bias}": "out 6*hidden, in hidden",
  "y_embedder.y_embedding": "fixed text_tokens, fixed text_dim; buffer",
  "y_embedder.y_proj.fc1.{weight,bias}": "out hidden, fixed text_dim",
  "y_embedder.y_proj.fc2.{weight,bias}": "out hidden, in hidden",
  "blocks.{}.scale_shift_table": "fixed 6, each hidden",
  "blocks.{}.{attn,attn_temp}.qkv.{weight,bias}": "out 3*heads*head_dim, in hidden",
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
