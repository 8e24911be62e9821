// SPDX-License-Identifier: MIT
// Wan 2.1 and 2.2 (T2V, I2V, FLF2V, TI2V), SkyReels-V2, ChronoEdit; native names too. diffusers: transformer_wan.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view wan = R"json({
 "family": "wan",
 "title": "Wan 2.1 and 2.2, SkyReels-V2, ChronoEdit",
 "class": ["WanTransformer3DModel", "SkyReelsV2Transformer3DModel", "ChronoEditTransformer3DModel", "WanModel"],
 "upstream": {"class": "diffusers 0.42.1 WanTransformer3DModel", "file": "transformer_wan.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "ffn_dim": "ffn", "num_layers": "blocks",
  "in_channels": "in_channels", "out_channels": {"is": "out_channels", "else": "in_channels"},
  "text_dim": "text_dim", "freq_dim": "freq_dim",
  "patch_size.0": "patch_t", "patch_size.1": "patch_h", "patch_size.2": "patch_w",
  "image_dim": "image_dim", "added_kv_proj_dim": "hidden", "pos_embed_seq_len": "image_tokens",
  "dim": "hidden", "num_heads": "heads", "in_dim": "in_channels", "out_dim": "out_channels"
 },
 "spaces": {
  "hidden": {"copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads"},
  "heads": {"copies": "uniform", "because": "the norms of queries and keys run over all heads", "tied_to": "hidden"},
  "ffn": {},
  "head_dim": {
   "copies": "in_heads", "norms": "rms", "rotary": "neighbours",
   "sections": ["head_dim - 4*(head_dim/6)", "2*(head_dim/6)"]
  },
  "in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"}
 },
 "stock": {"hidden": "heads*head_dim"},
 "stacks": {"blocks": {"stream": "hidden"}},
 "ports": {
  "temporal": {"stack": "blocks"},
  "text": {"stack": "blocks"},
  "time": {}
 },
 "positions": "positions are rotary and follow every clip, up to rope_max_seq_len of config.json",
 "text_input": {"width": "text_dim"},
 "renames": [
  ["time_embedding.{0,2}", "condition_embedder.time_embedder.linear_{1,2}"],
  ["time_projection.1", "condition_embedder.time_proj"],
  ["text_embedding.{0,2}", "condition_embedder.text_embedder.linear_{1,2}"],
  ["img_emb.proj.{0,1,3,4}", "condition_embedder.image_embedder.{norm1,ff.net.0.proj,ff.net.2,norm2}"],
  ["img_emb.emb_pos", "condition_embedder.image_embedder.pos_embed"],
  ["blocks.{}.modulation", "blocks.{}.scale_shift_table"],
  ["head.modulation", "scale_shift_table"],
  ["head.head", "proj_out"],
  ["self_attn.{q,k,v,o}", "attn1.{to_q,to_k,to_v,to_out.0}"],
  ["cross_attn.{q,k,v,o}", "attn2.{to_q,to_k,to_v,to_out.0}"],
  ["cross_attn.{k_img,v_img,norm_k_img}", "attn2.{add_k_proj,add_v_proj,norm_added_k}"],
  ["{self_attn,cross_attn}", "{attn1,attn2}"],
  ["norm3", "norm2"],
  ["{ffn,fps_projection}.{0,2}", "{ffn,fps_projection}.net.{0.proj,2}"]
 ],
 "tensors": {
  "patch_embedding.{weight,bias}": "out hidden, in in_channels, fixed patch_t, fixed patch_h, fixed patch_w",
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
  "fps_embedding.weight": "fixed 2, each hidden; optional fps",
  "fps_projection.net.0.proj.{weight,bias}": "out hidden, in hidden; optional fps",
  "fps_projection.net.2.{weight,bias}": "out 6*hidden, in hidden; optional fps",
  "blocks.{}.scale_shift_table": "fixed 1, fixed 6, each hidden",
  "blocks.{}.{attn1,attn2}.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "blocks.{}.{attn1,attn2}.norm_q.weight": "each heads*head_dim; gain, query",
  "blocks.{}.{attn1,attn2}.norm_k.weight": "each heads*head_dim; gain",
  "blocks.{}.{attn1,attn2}.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "blocks.{}.attn2.{add_k_proj,add_v_proj}.{weight,bias}": "out heads*head_dim, in hidden; optional image",
  "blocks.{}.attn2.norm_added_k.weight": "each heads*head_dim; gain, optional image",
  "blocks.{}.norm2.{weight,bias}": "each hidden",
  "blocks.{}.ffn.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "blocks.{}.ffn.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "scale_shift_table": "fixed 1, fixed 2, each hidden",
  "proj_out.{weight,bias}": "out patch_t*patch_h*patch_w*out_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
