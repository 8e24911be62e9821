// SPDX-License-Identifier: MIT
// CogVideoX 2b, 5b, 1.5 (T2V and I2V): text and video in one stream. diffusers: cogvideox_transformer_3d.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view cogvideox = R"json({
 "family": "cogvideox",
 "title": "CogVideoX 2b, 5b and 1.5",
 "class": ["CogVideoXTransformer3DModel"],
 "upstream": {"class": "diffusers 0.42.1 CogVideoXTransformer3DModel", "file": "cogvideox_transformer_3d.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "num_layers": "transformer_blocks",
  "time_embed_dim": "time_embed", "ofs_embed_dim": "ofs_freq", "text_embed_dim": "text_dim",
  "in_channels": "in_channels", "out_channels": "out_channels", "patch_size": "patch", "patch_size_t": "patch_t",
  "max_text_seq_length": "text_tokens", "sample_height": "height*patch", "sample_width": "width*patch",
  "sample_frames": "(frames-1)*compression + 1", "temporal_compression_ratio": "compression"
 },
 "defaults": {
  "use_rotary_positional_embeddings": false, "out_channels": 16, "patch_size": 2, "max_text_seq_length": 226,
  "sample_height": 60, "sample_width": 90, "sample_frames": 49, "temporal_compression_ratio": 4
 },
 "spaces": {
  "hidden": {
   "copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads",
   "when": [
    {"if": {"has": "patch_embed.pos_embedding"},
     "exact_if": "clips have the frames that the stored position table is for (for other numbers the class builds a new one)"},
    {"if": {"config": "use_rotary_positional_embeddings", "is": false},
     "exact_if": "the position table is the old one, its channels copied as those of hidden (the class rebuilds it)"}
   ]
  },
  "heads": {"tied_to": "hidden"},
  "time_freq": {"copies": "spread", "because": "the sinusoid of the time is as wide as hidden", "tied_to": "hidden"},
  "time_embed": {"tied_to": "ofs_freq"},
  "ofs_freq": {"copies": "spread", "because": "the sinusoid of the offset is as wide as time_embed", "tied_to": "time_embed"},
  "ffn": {},
  "in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"},
  "frames": {"copies": "positions"},
  "height": {"copies": "positions"},
  "width": {"copies": "positions"}
 },
 "stock": {
  "hidden": "heads*head_dim", "time_freq": "hidden", "ofs_freq": "time_embed",
  "ffn": {"is": "4*hidden", "because": "the class has no config key for it"}
 },
 "stacks": {"transformer_blocks": {"stream": "hidden"}},
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {"stream": "time_embed"}
 },
 "positions": "without use_learned_positional_embeddings the class computes its table from sample_height, sample_width and sample_frames of config.json, or positions are rotary and follow every clip; change those keys",
 "text_input": {"width": "text_dim"},
 "tensors": {
  "patch_embed.proj.{weight,bias}": "out hidden, in in_channels, fixed patch, fixed patch | out hidden, in in_channels*patch_t*patch*patch",
  "patch_embed.text_proj.{weight,bias}": "out hidden, fixed text_dim",
  "patch_embed.pos_embedding": "fixed 1, each text_tokens + frames*height*width, each hidden; buffer, optional",
  "time_embedding.linear_1.{weight,bias}": "out time_embed, in time_freq",
  "time_embedding.linear_2.{weight,bias}": "out time_embed, in time_embed",
  "ofs_embedding.linear_1.{weight,bias}": "out time_embed, in ofs_freq; optional ofs",
  "ofs_embedding.linear_2.{weight,bias}": "out time_embed, in time_embed; optional ofs",
  "transformer_blocks.{}.{norm1,norm2}.linear.{weight,bias}": "out 6*hidden, in time_embed",
  "transformer_blocks.{}.{norm1,norm2}.norm.{weight,bias}": "each hidden",
  "transformer_blocks.{}.attn1.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn1.{norm_q,norm_k}.{weight,bias}": "fixed head_dim",
  "transformer_blocks.{}.attn1.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.ff.net.0.proj.{weight,bias}": "out ffn, in hidden",
  "transformer_blocks.{}.ff.net.2.{weight,bias}": "out hidden, in ffn; closes",
  "norm_final.{weight,bias}": "each hidden",
  "norm_out.linear.{weight,bias}": "out 2*hidden, in time_embed",
  "norm_out.norm.{weight,bias}": "each hidden",
  "proj_out.{weight,bias}": "out out_channels*patch*patch, in hidden | out out_channels*patch_t*patch*patch, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
