// SPDX-License-Identifier: MIT
// Mochi 1: video and a narrower text stream, sandwich norms. diffusers: transformer_mochi.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view mochi = R"json({
 "family": "mochi",
 "title": "Mochi 1",
 "class": ["MochiTransformer3DModel"],
 "upstream": {"class": "diffusers 0.42.1 MochiTransformer3DModel", "file": "transformer_mochi.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "num_layers": "transformer_blocks",
  "pooled_projection_dim": "text_hidden", "text_embed_dim": "text_dim", "time_embed_dim": "freq_dim",
  "in_channels": "in_channels", "out_channels": {"is": "out_channels", "else": "in_channels"}, "patch_size": "patch"
 },
 "spaces": {
  "hidden": {"copies": "uniform", "because": "RMSNorm runs over it", "tied_to": "heads"},
  "heads": {"tied_to": "hidden"},
  "text_hidden": {"copies": "uniform", "because": "RMSNorm runs over it"},
  "ffn": {},
  "text_ffn": {},
  "in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"}
 },
 "stock": {
  "hidden": "heads*head_dim",
  "ffn": {"is": "(8*hidden)/3", "because": "the class has no config key for it"},
  "text_ffn": {"is": "(8*text_hidden)/3", "because": "the class has no config key for it"}
 },
 "stacks": {
  "transformer_blocks": {"stream": ["hidden", "text_hidden"], "last_is_special": "its text side has no output"}
 },
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {}
 },
 "positions": "positions enter through learned frequencies and follow every clip, whatever its size",
 "text_input": {"because": "its pooler is as wide as the states inside, so a layer of another width changes what it computes"},
 "notes": [
  "New blocks start with zero gates: a norm behind each branch would blow the first step of a zero projection up to full size."
 ],
 "tensors": {
  "pos_frequencies": "fixed 3, each heads, fixed head_dim/2",
  "patch_embed.proj.{weight,bias}": "out hidden, in in_channels, fixed patch, fixed patch",
  "time_embed.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed freq_dim",
  "time_embed.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "time_embed.pooler.to_kv.{weight,bias}": "fixed 2*text_dim, fixed text_dim",
  "time_embed.pooler.to_q.{weight,bias}": "fixed text_dim, fixed text_dim",
  "time_embed.pooler.to_out.{weight,bias}": "out hidden, fixed text_dim",
  "time_embed.caption_proj.{weight,bias}": "out text_hidden, fixed text_dim",
  "transformer_blocks.{}.norm1.linear.{weight,bias}": "out 4*hidden, in hidden; closes 1 of attn1, closes 3 of ff",
  "transformer_blocks.{}.norm1_context.linear.{weight,bias}": "out 4*text_hidden, in hidden; closes 1 of attn1_text, closes 3 of ff_context, not_last",
  "transformer_blocks.{}.norm1_context.linear_1.{weight,bias}": "out text_hidden, in hidden; inner attn1, only_last",
  "transformer_blocks.{}.attn1.{to_q,to_k,to_v}.weight": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn1.{add_q_proj,add_k_proj,add_v_proj}.weight": "out heads*head_dim, in text_hidden",
  "transformer_blocks.{}.attn1.{norm_q,norm_k,norm_added_q,norm_added_k}.weight": "fixed head_dim",
  "transformer_blocks.{}.attn1.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; inner attn1",
  "transformer_blocks.{}.attn1.to_add_out.{weight,bias}": "out text_hidden, in heads*head_dim; inner attn1_text, not_last",
  "transformer_blocks.{}.ff.net.0.proj.weight": "out 2*ffn, in hidden",
  "transformer_blocks.{}.ff.net.2.weight": "out hidden, in ffn; inner ff",
  "transformer_blocks.{}.ff_context.net.0.proj.weight": "out 2*text_ffn, in text_hidden; not_last",
  "transformer_blocks.{}.ff_context.net.2.weight": "out text_hidden, in text_ffn; inner ff_context, not_last",
  "norm_out.linear.{weight,bias}": "out 2*hidden, in hidden",
  "proj_out.{weight,bias}": "out patch*patch*out_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
