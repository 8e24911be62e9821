// SPDX-License-Identifier: MIT
// LTX-Video 0.9 (2B, 13B); native names too. diffusers: transformer_ltx.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view ltx_video = R"json({
 "family": "ltx_video",
 "title": "LTX-Video 0.9",
 "class": ["LTXVideoTransformer3DModel", "Transformer3DModel"],
 "upstream": {"class": "diffusers 0.42.1 LTXVideoTransformer3DModel", "file": "transformer_ltx.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "num_layers": "transformer_blocks",
  "cross_attention_dim": "hidden", "caption_channels": "text_dim",
  "in_channels": "in_channels", "out_channels": {"is": "out_channels", "else": "in_channels"}
 },
 "spaces": {
  "hidden": {
   "copies": "never", "tied_to": "heads",
   "because": "the class ties it to the heads, which cannot be copied; widen ffn or insert blocks"
  },
  "heads": {
   "copies": "never", "tied_to": "hidden",
   "because": "the rotary frequencies span all heads, and those of more heads lack the old ones; widen ffn or insert blocks"
  },
  "ffn": {},
  "in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"}
 },
 "stock": {
  "hidden": "heads*head_dim",
  "ffn": {"is": "4*hidden", "because": "the class has no config key for it"}
 },
 "stacks": {"transformer_blocks": {"stream": "hidden"}},
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {}
 },
 "positions": "positions are rotary and follow every clip, whatever its size",
 "text_input": {"width": "text_dim"},
 "renames": [
  ["patchify_proj", "proj_in"],
  ["adaln_single", "time_embed"],
  ["{q_norm,k_norm}", "{norm_q,norm_k}"]
 ],
 "tensors": {
  "proj_in.{weight,bias}": "out hidden, in in_channels",
  "time_embed.emb.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed 256",
  "time_embed.emb.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "time_embed.linear.{weight,bias}": "out 6*hidden, in hidden",
  "caption_projection.linear_1.{weight,bias}": "out hidden, fixed text_dim",
  "caption_projection.linear_2.{weight,bias}": "out hidden, in hidden",
  "transformer_blocks.{}.scale_shift_table": "fixed 6, each hidden",
  "transformer_blocks.{}.{attn1,attn2}.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.{attn1,attn2}.{norm_q,norm_k}.weight": "each heads*head_dim",
  "transformer_blocks.{}.{attn1,attn2}.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.ff.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "transformer_blocks.{}.ff.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "scale_shift_table": "fixed 2, each hidden",
  "proj_out.{weight,bias}": "out out_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
