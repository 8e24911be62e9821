// SPDX-License-Identifier: MIT
// FLUX.2 dev and klein. diffusers: transformer_flux2.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view flux2 = R"json({
 "family": "flux2",
 "title": "FLUX.2",
 "class": ["Flux2Transformer2DModel"],
 "upstream": {"class": "diffusers 0.42.1 Flux2Transformer2DModel", "file": "transformer_flux2.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "mlp_ratio": "ffn/hidden",
  "num_layers": "transformer_blocks", "num_single_layers": "single_transformer_blocks",
  "joint_attention_dim": "text_dim", "in_channels": "in_channels",
  "out_channels": {"is": "out_channels", "else": "in_channels"}, "patch_size": "patch", "timestep_guidance_channels": "time_channels"
 },
 "defaults": {"out_channels": null, "patch_size": 1},
 "spaces": {
  "hidden": {"copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads"},
  "heads": {"tied_to": "hidden"},
  "ffn": {},
  "in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"}
 },
 "stock": {"hidden": "heads*head_dim"},
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
 "layouts": {
  "double_blocks.{}.img_attn.qkv.weight": "the published layout fuses queries, keys and values; convert it with diffusers first"
 },
 "tensors": {
  "time_guidance_embed.timestep_embedder.linear_1.weight": "out hidden, fixed time_channels",
  "time_guidance_embed.timestep_embedder.linear_2.weight": "out hidden, in hidden",
  "time_guidance_embed.guidance_embedder.linear_1.weight": "out hidden, fixed time_channels; optional guidance",
  "time_guidance_embed.guidance_embedder.linear_2.weight": "out hidden, in hidden; optional guidance",
  "{double_stream_modulation_img,double_stream_modulation_txt}.linear.weight": "out 6*hidden, in hidden",
  "single_stream_modulation.linear.weight": "out 3*hidden, in hidden",
  "x_embedder.weight": "out hidden, in in_channels",
  "context_embedder.weight": "out hidden, fixed text_dim",
  "transformer_blocks.{}.attn.{to_q,to_k,to_v,add_q_proj,add_k_proj,add_v_proj}.weight": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn.{norm_q,norm_k,norm_added_q,norm_added_k}.weight": "fixed head_dim",
  "transformer_blocks.{}.attn.to_out.0.weight": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.attn.to_add_out.weight": "out hidden, in heads*head_dim; closes of attn_text",
  "transformer_blocks.{}.{ff,ff_context}.linear_in.weight": "out 2*ffn, in hidden",
  "transformer_blocks.{}.{ff,ff_context}.linear_out.weight": "out hidden, in ffn; closes",
  "single_transformer_blocks.{}.attn.to_qkv_mlp_proj.weight": "out 3*heads*head_dim + 2*ffn, in hidden",
  "single_transformer_blocks.{}.attn.{norm_q,norm_k}.weight": "fixed head_dim",
  "single_transformer_blocks.{}.attn.to_out.weight": "out hidden, in heads*head_dim + ffn; closes",
  "norm_out.linear.weight": "out 2*hidden, in hidden",
  "proj_out.weight": "out patch*patch*out_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
