// SPDX-License-Identifier: MIT
// MiniMax-H3 in the layout of diffusers: transformer_minimax_h3.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view minimax_h3 = R"json({
 "family": "minimax_h3",
 "title": "MiniMax-H3",
 "class": ["MiniMaxH3Transformer3DModel"],
 "upstream": {"class": "diffusers 0.42.1 MiniMaxH3Transformer3DModel", "file": "transformer_minimax_h3.py"},
 "config": {
  "hidden_size": "hidden", "num_attention_heads": "heads", "attention_head_dim": "head_dim", "ffn_dim": "ffn",
  "num_layers": "transformer_blocks", "num_refiner_layers": "token_refiner.refiner_blocks",
  "in_channels": "in_channels", "audio_in_channels": "audio_channels",
  "patch_size.0": "patch_t", "patch_size.1": "patch_h", "patch_size.2": "patch_w", "text_dim": "text_dim", "freq_dim": "freq_dim",
  "time_embed_hidden_dim": "time_hidden", "time_embed_dim": "time_dim",
  "norm_eps": {"epsilon": "hidden"}, "final_norm_eps": {"epsilon": "hidden"},
  "qk_norm_eps": {"epsilon": "head_dim"}
 },
 "defaults": {"in_channels": 24, "patch_size": [1, 2, 2], "norm_eps": 1e-5, "final_norm_eps": 1e-5, "qk_norm_eps": 1e-5},
 "spaces": {
  "hidden": {"copies": "uniform", "because": "RMSNorm runs over it", "norms": "rms"},
  "heads": {},
  "head_dim": {"copies": "in_heads", "norms": "rms"},
  "ffn": {},
  "in_channels": {"copies": "channels"},
  "audio_channels": {"copies": "channels"},
  "time_hidden": {},
  "time_dim": {}
 },
 "stacks": {
  "transformer_blocks": {"stream": "hidden"},
  "token_refiner.refiner_blocks": {"stream": "hidden"}
 },
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {"stream": "time_dim"}
 },
 "positions": "positions are rotary and follow every clip, whatever its size",
 "text_input": {"width": "text_dim"},
 "layouts": {
  "{layers,blocks}.{}.attn.qkv_proj.weight": "the published layout interleaves queries, keys and values head by head; convert it with diffusers first"
 },
 "tensors": {
  "proj_in.{weight,bias}": "out hidden, in in_channels*patch_t*patch_h*patch_w",
  "audio_proj_in.{weight,bias}": "out hidden, in audio_channels",
  "context_embedder.{weight,bias}": "out hidden, fixed text_dim",
  "time_embedder.linear_1.{weight,bias}": "out time_hidden, fixed freq_dim",
  "time_embedder.linear_2.{weight,bias}": "out time_dim, in time_hidden",
  "{token_refiner.refiner_blocks,transformer_blocks}.{}.{norm1,norm2}.weight": "each hidden; gain",
  "{token_refiner.refiner_blocks,transformer_blocks}.{}.attn.{to_q,to_k,to_v}.weight": "out heads*head_dim, in hidden",
  "{token_refiner.refiner_blocks,transformer_blocks}.{}.attn.norm_q.weight": "each head_dim; gain, query",
  "{token_refiner.refiner_blocks,transformer_blocks}.{}.attn.norm_k.weight": "each head_dim; gain",
  "{token_refiner.refiner_blocks,transformer_blocks}.{}.attn.to_out.0.weight": "out hidden, in heads*head_dim; closes",
  "{token_refiner.refiner_blocks,transformer_blocks}.{}.ff.net.0.proj.weight": "out 2*ffn, in hidden",
  "{token_refiner.refiner_blocks,transformer_blocks}.{}.ff.net.2.weight": "out hidden, in ffn; closes",
  "transformer_blocks.{}.adaln_proj.linear.{weight,bias}": "out 18*hidden, in time_dim; shifts 0 3 6 9 12 15",
  "{token_refiner.final_norm,norm_out.norm}.weight": "each hidden; gain",
  "norm_out.linear.{weight,bias}": "out 2*hidden, in time_dim; shifts 0",
  "proj_out.{weight,bias}": "out in_channels*patch_t*patch_h*patch_w, in hidden",
  "audio_proj_out.{weight,bias}": "out audio_channels, in hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
