// SPDX-License-Identifier: MIT
// Qwen-Image, Edit and Layered. diffusers: transformer_qwenimage.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view qwen_image = R"json({
 "family": "qwen_image",
 "title": "Qwen-Image, Qwen-Image-Edit, Qwen-Image-Layered",
 "class": ["QwenImageTransformer2DModel"],
 "upstream": {"class": "diffusers 0.42.1 QwenImageTransformer2DModel", "file": "transformer_qwenimage.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "num_layers": "transformer_blocks",
  "joint_attention_dim": "text_dim", "in_channels": "in_channels",
  "out_channels": {"is": "out_channels", "else": "in_channels"}, "patch_size": "patch"
 },
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
 "stacks": {"transformer_blocks": {"stream": "hidden"}},
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {}
 },
 "positions": "positions are rotary and follow every image, whatever its size",
 "text_input": {"because": "a norm runs over the states before any layer reads them"},
 "notes": [
  "the text side of the last block has no effect on the output and is untrained; a block behind it makes the text writers of the former last block live again"
 ],
 "tensors": {
  "time_text_embed.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed 256",
  "time_text_embed.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "time_text_embed.addition_t_embedding.weight": "fixed 2, each hidden; optional",
  "txt_norm.weight": "fixed text_dim",
  "img_in.{weight,bias}": "out hidden, in in_channels",
  "txt_in.{weight,bias}": "out hidden, fixed text_dim",
  "transformer_blocks.{}.{img_mod,txt_mod}.1.{weight,bias}": "out 6*hidden, in hidden",
  "transformer_blocks.{}.attn.{norm_q,norm_k,norm_added_q,norm_added_k}.weight": "fixed head_dim",
  "transformer_blocks.{}.attn.{to_q,to_k,to_v,add_q_proj,add_k_proj,add_v_proj}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.attn.to_add_out.{weight,bias}": "out hidden, in heads*head_dim; closes of attn_text",
  "transformer_blocks.{}.{img_mlp,txt_mlp}.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "transformer_blocks.{}.{img_mlp,txt_mlp}.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "norm_out.linear.{weight,bias}": "out 2*hidden, in hidden",
  "proj_out.{weight,bias}": "out out_channels*patch*patch, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
