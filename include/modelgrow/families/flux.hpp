// SPDX-License-Identifier: MIT
// FLUX.1 dev, schnell, Fill, Kontext (images), double and single blocks. diffusers: transformer_flux.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view flux = R"json({
 "family": "flux",
 "title": "FLUX.1",
 "class": ["FluxTransformer2DModel"],
 "upstream": {"class": "diffusers 0.42.1 FluxTransformer2DModel", "file": "transformer_flux.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim",
  "num_layers": "transformer_blocks", "num_single_layers": "single_transformer_blocks",
  "joint_attention_dim": "text_dim", "pooled_projection_dim": "pooled_dim",
  "in_channels": "in_channels", "out_channels": {"is": "out_channels", "else": "in_channels"}, "patch_size": "patch"
 },
 "defaults": {"out_channels": null, "patch_size": 1},
 "spaces": {
  "hidden": {"copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads"},
  "heads": {"tied_to": "hidden"},
  "ffn": {},
  "in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"}
 },
 "stock": {
  "hidden": "heads*head_dim",
  "ffn": {"is": "4*hidden", "because": "the class has no config key for it"}
 },
 "stacks": {
  "transformer_blocks": {"stream": "hidden"},
  "single_transformer_blocks": {"stream": "hidden"}
 },
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {}
 },
 "positions": "positions are rotary and follow every image, whatever its size",
 "text_input": {"width": "text_dim"},
 "tensors": {
  "x_embedder.{weight,bias}": "out hidden, in in_channels",
  "context_embedder.{weight,bias}": "out hidden, fixed text_dim",
  "time_text_embed.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed 256",
  "time_text_embed.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "time_text_embed.guidance_embedder.linear_1.{weight,bias}": "out hidden, fixed 256; optional guidance",
  "time_text_embed.guidance_embedder.linear_2.{weight,bias}": "out hidden, in hidden; optional guidance",
  "time_text_embed.text_embedder.linear_1.{weight,bias}": "out hidden, fixed pooled_dim",
  "time_text_embed.text_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "transformer_blocks.{}.{norm1,norm1_context}.linear.{weight,bias}": "out 6*hidden, in hidden",
  "transformer_blocks.{}.attn.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn.{add_q_proj,add_k_proj,add_v_proj}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn.{norm_q,norm_k,norm_added_q,norm_added_k}.weight": "fixed head_dim",
  "transformer_blocks.{}.attn.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.attn.to_add_out.{weight,bias}": "out hidden, in heads*head_dim; closes of attn_text",
  "transformer_blocks.{}.ff.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "transformer_blocks.{}.ff.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "transformer_blocks.{}.ff_context.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "transformer_blocks.{}.ff_context.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "single_transformer_blocks.{}.norm.linear.{weight,bias}": "out 3*hidden, in hidden",
  "single_transformer_blocks.{}.attn.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "single_transformer_blocks.{}.attn.{norm_q,norm_k}.weight": "fixed head_dim",
  "single_transformer_blocks.{}.proj_mlp.{weight,bias}": "out ffn, in hidden",
  "single_transformer_blocks.{}.proj_out.{weight,bias}": "out hidden, in heads*head_dim + ffn; closes",
  "norm_out.linear.{weight,bias}": "out 2*hidden, in hidden",
  "proj_out.{weight,bias}": "out patch*patch*out_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
