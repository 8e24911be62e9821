// SPDX-License-Identifier: MIT
// Stable Diffusion 3 and 3.5 (images), joint attention with text. diffusers: transformer_sd3.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view sd3 = R"json({
 "family": "sd3",
 "title": "Stable Diffusion 3 and 3.5",
 "class": ["SD3Transformer2DModel"],
 "upstream": {"class": "diffusers 0.42.1 SD3Transformer2DModel", "file": "transformer_sd3.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "num_layers": "transformer_blocks",
  "dual_attention_layers": {"blocks": "transformer_blocks", "with": "attn2.to_q.weight"},
  "caption_projection_dim": "hidden", "joint_attention_dim": "text_dim", "pooled_projection_dim": "pooled_dim",
  "in_channels": "in_channels", "out_channels": {"is": "out_channels", "else": "in_channels"}, "patch_size": "patch",
  "pos_embed_max_size": "side"
 },
 "defaults": {"dual_attention_layers": []},
 "spaces": {
  "hidden": {"copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads"},
  "heads": {"tied_to": "hidden"},
  "ffn": {},
  "in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"},
  "side": {"copies": "positions"}
 },
 "stock": {
  "hidden": "heads*head_dim",
  "ffn": {"is": "4*hidden", "because": "the class has no config key for it"}
 },
 "stacks": {"transformer_blocks": {"stream": "hidden", "last_is_special": "its text side has no output"}},
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {}
 },
 "text_input": {"because": "one layer reads the states of three encoders side by side"},
 "notes": ["Skip-layer guidance names blocks by index: shift its layers as the blocks moved."],
 "tensors": {
  "pos_embed.pos_embed": "fixed 1, each side*side, each hidden; buffer",
  "pos_embed.proj.{weight,bias}": "out hidden, in in_channels, fixed patch, fixed patch",
  "time_text_embed.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed 256",
  "time_text_embed.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "time_text_embed.text_embedder.linear_1.{weight,bias}": "out hidden, fixed pooled_dim",
  "time_text_embed.text_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "context_embedder.{weight,bias}": "out hidden, fixed text_dim",
  "transformer_blocks.{}.norm1.linear.{weight,bias}": "out 6*hidden, in hidden | out 9*hidden, in hidden",
  "transformer_blocks.{}.norm1_context.linear.{weight,bias}": "out 6*hidden, in hidden | out 2*hidden, in hidden",
  "transformer_blocks.{}.attn.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn.{add_q_proj,add_k_proj,add_v_proj}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn.{norm_q,norm_k,norm_added_q,norm_added_k}.weight": "fixed head_dim; optional norms",
  "transformer_blocks.{}.attn.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.attn.to_add_out.{weight,bias}": "out hidden, in heads*head_dim; closes of attn_text, not_last",
  "transformer_blocks.{}.attn2.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden; optional dual",
  "transformer_blocks.{}.attn2.{norm_q,norm_k}.weight": "fixed head_dim; optional dual",
  "transformer_blocks.{}.attn2.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes, optional dual",
  "transformer_blocks.{}.ff.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "transformer_blocks.{}.ff.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "transformer_blocks.{}.ff_context.net.0.proj.{weight,bias}": "out ffn, in hidden; not_last",
  "transformer_blocks.{}.ff_context.net.2.{weight,bias}": "out hidden, in ffn; closes, not_last",
  "norm_out.linear.{weight,bias}": "out 2*hidden, in hidden",
  "proj_out.{weight,bias}": "out patch*patch*out_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
