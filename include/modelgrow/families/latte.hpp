// SPDX-License-Identifier: MIT
// Latte-1 (text to video), spatial and temporal blocks in turn. diffusers: latte_transformer_3d.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view latte = R"json({
 "family": "latte",
 "title": "Latte-1",
 "class": ["LatteTransformer3DModel"],
 "upstream": {"class": "diffusers 0.42.1 LatteTransformer3DModel", "file": "latte_transformer_3d.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "num_layers": "transformer_blocks",
  "cross_attention_dim": "hidden", "caption_channels": "text_dim",
  "in_channels": "in_channels", "out_channels": {"is": "out_channels", "else": "in_channels"}, "patch_size": "patch"
 },
 "spaces": {
  "hidden": {
   "copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads",
   "exact_if": "both position tables are the old ones, their channels copied as those of hidden (the class rebuilds them)"
  },
  "heads": {"tied_to": "hidden"},
  "ffn": {},
  "in_channels": {"copies": "channels"}
 },
 "stock": {
  "hidden": "heads*head_dim",
  "ffn": {"is": "4*hidden", "because": "the class has no config key for it"}
 },
 "stacks": {
  "transformer_blocks": {
   "stream": "hidden", "paired_with": "temporal_transformer_blocks", "first_insertion": 1,
   "because": "the temporal position table is added between the first two blocks"
  },
  "temporal_transformer_blocks": {
   "stream": "hidden", "paired_with": "transformer_blocks", "first_insertion": 1,
   "because": "the temporal position table is added between the first two blocks"
  }
 },
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {}
 },
 "positions": "the class computes its tables from sample_size and video_length of config.json; change those keys",
 "text_input": {"width": "text_dim"},
 "tensors": {
  "pos_embed.proj.{weight,bias}": "out hidden, in in_channels, fixed patch, fixed patch",
  "adaln_single.emb.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed 256",
  "adaln_single.emb.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "adaln_single.linear.{weight,bias}": "out 6*hidden, in hidden",
  "caption_projection.linear_1.{weight,bias}": "out hidden, fixed text_dim",
  "caption_projection.linear_2.{weight,bias}": "out hidden, in hidden",
  "{transformer_blocks,temporal_transformer_blocks}.{}.scale_shift_table": "fixed 6, each hidden",
  "{transformer_blocks,temporal_transformer_blocks}.{}.attn1.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "{transformer_blocks,temporal_transformer_blocks}.{}.attn1.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.attn2.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn2.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "{transformer_blocks,temporal_transformer_blocks}.{}.ff.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "{transformer_blocks,temporal_transformer_blocks}.{}.ff.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "scale_shift_table": "fixed 2, each hidden",
  "proj_out.{weight,bias}": "out patch*patch*out_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
