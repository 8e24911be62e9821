// SPDX-License-Identifier: MIT
// PixArt-alpha and PixArt-Sigma (images), ancestor of Latte and STDiT. diffusers: pixart_transformer_2d.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view pixart = R"json({
 "family": "pixart",
 "title": "PixArt-alpha and PixArt-Sigma",
 "class": ["PixArtTransformer2DModel"],
 "upstream": {"class": "diffusers 0.42.1 PixArtTransformer2DModel", "file": "pixart_transformer_2d.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "num_layers": "transformer_blocks",
  "cross_attention_dim": "hidden", "caption_channels": "text_dim",
  "in_channels": "in_channels", "out_channels": {"is": "out_channels", "else": "in_channels"}, "patch_size": "patch"
 },
 "spaces": {
  "hidden": {
   "copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads",
   "exact_if": "the position table is the old one, its channels copied as those of hidden (the class rebuilds it)",
   "when": [{"if": {"has": "adaln_single.emb.resolution_embedder.linear_1.weight"}, "map": "interleaved"}]
  },
  "heads": {"tied_to": "hidden"},
  "third": {"copies": "uniform", "because": "three of them are added to hidden", "tied_to": "hidden", "map": "interleaved"},
  "ffn": {},
  "head_dim": {"copies": "in_heads"},
  "in_channels": {"copies": "channels"}
 },
 "stock": {
  "hidden": "heads*head_dim", "third": "hidden/3",
  "ffn": {"is": "4*hidden", "because": "the class has no config key for it"}
 },
 "stacks": {"transformer_blocks": {"stream": "hidden"}},
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {}
 },
 "positions": "the class computes its table from sample_size and interpolation_scale of config.json; change those keys",
 "text_input": {"width": "text_dim"},
 "tensors": {
  "pos_embed.proj.{weight,bias}": "out hidden, in in_channels, fixed patch, fixed patch",
  "adaln_single.emb.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed 256",
  "adaln_single.emb.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "adaln_single.emb.{resolution_embedder,aspect_ratio_embedder}.linear_1.{weight,bias}": "out third, fixed 256; optional sizes",
  "adaln_single.emb.{resolution_embedder,aspect_ratio_embedder}.linear_2.{weight,bias}": "out third, in third; optional sizes",
  "adaln_single.linear.{weight,bias}": "out 6*hidden, in hidden",
  "caption_projection.linear_1.{weight,bias}": "out hidden, fixed text_dim",
  "caption_projection.linear_2.{weight,bias}": "out hidden, in hidden",
  "transformer_blocks.{}.scale_shift_table": "fixed 6, each hidden",
  "transformer_blocks.{}.{attn1,attn2}.to_q.{weight,bias}": "out heads*head_dim, in hidden; query",
  "transformer_blocks.{}.{attn1,attn2}.{to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.{attn1,attn2}.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.ff.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "transformer_blocks.{}.ff.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "scale_shift_table": "fixed 2, each hidden",
  "proj_out.{weight,bias}": "out patch*patch*out_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
