// SPDX-License-Identifier: MIT
// Wan VACE 2.1 and Wan 2.2 VACE-Fun (Wan with a control branch); native names too. diffusers: transformer_wan_vace.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view wan_vace = R"json({
 "family": "wan_vace",
 "title": "Wan VACE",
 "class": ["WanVACETransformer3DModel", "VaceWanModel"],
 "upstream": {"class": "diffusers 0.42.1 WanVACETransformer3DModel", "file": "transformer_wan_vace.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "ffn_dim": "ffn", "num_layers": "blocks",
  "vace_layers": {"hosts": "blocks", "guests": "vace_blocks"},
  "in_channels": "in_channels", "vace_in_channels": "vace_in_channels",
  "out_channels": {"is": "out_channels", "else": "in_channels"},
  "text_dim": "text_dim", "freq_dim": "freq_dim",
  "patch_size.0": "patch_t", "patch_size.1": "patch_h", "patch_size.2": "patch_w",
  "image_dim": "image_dim", "added_kv_proj_dim": "hidden", "pos_embed_seq_len": "image_tokens",
  "dim": "hidden", "num_heads": "heads", "in_dim": "in_channels", "vace_in_dim": "vace_in_channels",
  "out_dim": "out_channels"
 },
 "spaces": {
  "hidden": {"copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads"},
  "heads": {"copies": "uniform", "because": "the norms of queries and keys run over all heads", "tied_to": "hidden"},
  "ffn": {},
  "in_channels": {"copies": "channels"},
  "vace_in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"}
 },
 "stock": {"hidden": "heads*head_dim"},
 "stacks": {
  "blocks": {
   "stream": "hidden", "first_insertion": 1,
   "because": "the class insists on 0 in vace_layers: the first block must stay the one that the control branch feeds"
  },
  "vace_blocks": {
   "stream": "hidden", "first_insertion": 1,
   "because": "the first block of the control branch owns proj_in, through which the branch starts"
  }
 },
 "ports": {
  "temporal": {"stack": "blocks"},
  "text": {"stack": "blocks"},
  "time": {}
 },
 "positions": "positions are rotary and follow every clip, up to rope_max_seq_len of config.json",
 "text_input": {"width": "text_dim"},
 "notes": ["A conditioning scale given as a list has one number for each of vace_blocks: insert one for each new block."],
 "renames": [
  ["time_embedding.{0,2}", "condition_embedder.time_embedder.linear_{1,2}"],
  ["time_projection.1", "condition_embedder.time_proj"],
  ["text_embedding.{0,2}", "condition_embedder.text_embedder.linear_{1,2}"],
  ["img_emb.proj.{0,1,3,4}", "condition_embedder.image_embedder.{norm1,ff.net.0.proj,ff.net.2,norm2}"],
  ["img_emb.emb_pos", "condition_embedder.image_embedder.pos_embed"],
  ["vace_blocks.{}.{before_proj,after_proj}", "vace_blocks.{}.{proj_in,proj_out}"],
  ["{blocks,vace_blocks}.{}.modulation", "{blocks,vace_blocks}.{}.scale_shift_table"],
  ["head.modulation", "scale_shift_table"],
  ["head.head", "proj_out"],
  ["self_attn.{q,k,v,o}", "attn1.{to_q,to_k,to_v,to_out.0}"],
  ["cross_attn.{q,k,v,o}", "attn2.{to_q,to_k,to_v,to_out.0}"],
  ["cross_attn.{k_img,v_img,norm_k_img}", "attn2.{add_k_proj,add_v_proj,norm_added_k}"],
  ["{self_attn,cross_attn}", "{attn1,attn2}"],
  ["norm3", "norm2"],
  ["ffn.{0,2}", "ffn.net.{0.proj,2}"]
 ],
 "tensors": {
  "patch_embedding.{weight,bias}": "out hidden, in in_channels, fixed patch_t, fixed patch_h, fixed patch_w",
  "vace_patch_embedding.{weight,bias}": "out hidden, in vace_in_channels, fixed patch_t, fixed patch_h, fixed patch_w",
  "condition_embedder.time_embedder.linear_1.{weight,bias}": "out hidden, fixed freq_dim",
  "condition_embedder.time_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "condition_embedder.time_proj.{weight,bias}": "out 6*hidden, in hidden",
  "condition_embedder.text_embedder.linear_1.{weight,bias}": "out hidden, fixed text_dim",
  "condition_embedder.text_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "condition_embedder.image_embedder.norm1.{weight,bias}": "fixed image_dim; optional image",
  "condition_embedder.image_embedder.ff.net.0.proj.{weight,bias}": "fixed image_dim, fixed image_dim; optional image",
  "condition_embedder.image_embedder.ff.net.2.{weight,bias}": "out hidden, fixed image_dim; optional image",
  "condition_embedder.image_embedder.norm2.{weight,bias}": "each hidden; optional image",
  "condition_embedder.image_embedder.pos_embed": "fixed 1, fixed image_tokens, fixed image_dim; optional",
  "{blocks,vace_blocks}.{}.scale_shift_table": "fixed 1, fixed 6, each hidden",
  "{blocks,vace_blocks}.{}.{attn1,attn2}.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "{blocks,vace_blocks}.{}.{attn1,attn2}.{norm_q,norm_k}.weight": "each heads*head_dim",
  "{blocks,vace_blocks}.{}.{attn1,attn2}.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "{blocks,vace_blocks}.{}.attn2.{add_k_proj,add_v_proj}.{weight,bias}": "out heads*head_dim, in hidden; optional image",
  "{blocks,vace_blocks}.{}.attn2.norm_added_k.weight": "each heads*head_dim; optional image",
  "{blocks,vace_blocks}.{}.norm2.{weight,bias}": "each hidden",
  "{blocks,vace_blocks}.{}.ffn.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "{blocks,vace_blocks}.{}.ffn.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "vace_blocks.{}.proj_in.{weight,bias}": "out hidden, in hidden; inner, only_first",
  "vace_blocks.{}.proj_out.{weight,bias}": "out hidden, in hidden; closes",
  "scale_shift_table": "fixed 1, fixed 2, each hidden",
  "proj_out.{weight,bias}": "out patch_t*patch_h*patch_w*out_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
