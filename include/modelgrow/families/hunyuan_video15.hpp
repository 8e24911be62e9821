// SPDX-License-Identifier: MIT
// HunyuanVideo 1.5. diffusers: transformer_hunyuan_video15.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view hunyuan_video15 = R"json({
 "family": "hunyuan_video15",
 "title": "HunyuanVideo 1.5",
 "class": ["HunyuanVideo15Transformer3DModel"],
 "upstream": {"class": "diffusers 0.42.1 HunyuanVideo15Transformer3DModel", "file": "transformer_hunyuan_video15.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "mlp_ratio": "ffn/hidden",
  "num_layers": "transformer_blocks", "num_refiner_layers": "context_embedder.token_refiner.refiner_blocks",
  "in_channels": "in_channels", "out_channels": {"is": "out_channels", "else": "in_channels"},
  "patch_size": "patch", "patch_size_t": "patch_t",
  "text_embed_dim": "text_dim", "text_embed_2_dim": "text_2_dim", "image_embed_dim": "image_dim"
 },
 "spaces": {
  "hidden": {"copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads"},
  "heads": {"tied_to": "hidden"},
  "ffn": {},
  "refiner_ffn": {},
  "in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"}
 },
 "stock": {
  "hidden": "heads*head_dim",
  "refiner_ffn": {"is": "4*hidden", "because": "the refiner has no config key for it"}
 },
 "stacks": {
  "transformer_blocks": {"stream": "hidden"},
  "context_embedder.token_refiner.refiner_blocks": {"stream": "hidden"}
 },
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {}
 },
 "positions": "positions are rotary and follow every clip, whatever its size",
 "text_input": {"width": "text_dim"},
 "layouts": {
  "double_blocks.{}.img_attn_q.weight": "the published layout has other modules and orders; convert it with diffusers first"
 },
 "notes": [
  "the text side of the last block has no effect on the output and is untrained; a block behind it makes the text writers of the former last block live again"
 ],
 "tensors": {
  "x_embedder.proj.{weight,bias}": "out hidden, in in_channels, fixed patch_t, fixed patch, fixed patch",
  "image_embedder.norm_in.{weight,bias}": "fixed image_dim",
  "image_embedder.linear_1.{weight,bias}": "fixed image_dim, fixed image_dim",
  "image_embedder.linear_2.{weight,bias}": "out hidden, fixed image_dim",
  "image_embedder.norm_out.{weight,bias}": "each hidden",
  "context_embedder.time_text_embed.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed 256",
  "context_embedder.time_text_embed.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "context_embedder.time_text_embed.text_embedder.linear_1.{weight,bias}": "out hidden, fixed text_dim",
  "context_embedder.time_text_embed.text_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "context_embedder.proj_in.{weight,bias}": "out hidden, fixed text_dim",
  "context_embedder.token_refiner.refiner_blocks.{}.{norm1,norm2}.{weight,bias}": "each hidden",
  "context_embedder.token_refiner.refiner_blocks.{}.attn.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "context_embedder.token_refiner.refiner_blocks.{}.attn.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "context_embedder.token_refiner.refiner_blocks.{}.ff.net.0.proj.{weight,bias}": "out refiner_ffn, in hidden",
  "context_embedder.token_refiner.refiner_blocks.{}.ff.net.2.{weight,bias}": "out hidden, in refiner_ffn; closes",
  "context_embedder.token_refiner.refiner_blocks.{}.norm_out.linear.{weight,bias}": "out 2*hidden, in hidden",
  "context_embedder_2.norm.{weight,bias}": "fixed text_2_dim",
  "context_embedder_2.linear_1.{weight,bias}": "fixed byt5_hidden, fixed text_2_dim",
  "context_embedder_2.linear_2.{weight,bias}": "fixed byt5_hidden, fixed byt5_hidden",
  "context_embedder_2.linear_3.{weight,bias}": "out hidden, fixed byt5_hidden",
  "time_embed.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed 256",
  "time_embed.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "time_embed.timestep_embedder_r.linear_1.{weight,bias}": "out hidden, fixed 256; optional meanflow",
  "time_embed.timestep_embedder_r.linear_2.{weight,bias}": "out hidden, in hidden; optional meanflow",
  "cond_type_embed.weight": "fixed 3, each hidden",
  "transformer_blocks.{}.{norm1,norm1_context}.linear.{weight,bias}": "out 6*hidden, in hidden",
  "transformer_blocks.{}.attn.{norm_q,norm_k,norm_added_q,norm_added_k}.weight": "fixed head_dim",
  "transformer_blocks.{}.attn.{to_q,to_k,to_v,add_q_proj,add_k_proj,add_v_proj}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.attn.to_add_out.{weight,bias}": "out hidden, in heads*head_dim; closes of attn_text",
  "transformer_blocks.{}.{ff,ff_context}.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "transformer_blocks.{}.{ff,ff_context}.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "norm_out.linear.{weight,bias}": "out 2*hidden, in hidden",
  "proj_out.{weight,bias}": "out out_channels*patch_t*patch*patch, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
