// SPDX-License-Identifier: MIT
// Cosmos-Predict 1, 2 and 2.5. diffusers: transformer_cosmos.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view cosmos = R"json({
 "family": "cosmos",
 "title": "Cosmos-Predict 1, 2 and 2.5",
 "class": ["CosmosTransformer3DModel"],
 "upstream": {"class": "diffusers 0.42.1 CosmosTransformer3DModel", "file": "transformer_cosmos.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "num_layers": "transformer_blocks",
  "mlp_ratio": "ffn/hidden", "adaln_lora_dim": "adaln_lora", "text_embed_dim": "text_dim",
  "crossattn_proj_in_channels": "proj_in_channels", "encoder_hidden_states_channels": "text_states",
  "in_channels": "in_channels", "out_channels": "out_channels",
  "patch_size.0": "patch_t", "patch_size.1": "patch_h", "patch_size.2": "patch_w",
  "max_size.0": "frames*patch_t", "max_size.1": "height*patch_h", "max_size.2": "width*patch_w"
 },
 "defaults": {"in_channels": 16, "out_channels": 16, "patch_size": [1, 2, 2], "max_size": [128, 240, 240]},
 "spaces": {
  "hidden": {"copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads"},
  "heads": {"tied_to": "hidden"},
  "time_freq": {"copies": "spread", "because": "the sinusoid of the time is as wide as hidden", "tied_to": "hidden"},
  "ffn": {},
  "adaln_lora": {},
  "in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"},
  "frames": {"copies": "positions"},
  "height": {"copies": "positions"},
  "width": {"copies": "positions"}
 },
 "stock": {"hidden": "heads*head_dim", "time_freq": "hidden"},
 "stacks": {
  "transformer_blocks": {
   "stream": "hidden",
   "when": [{"if": {"config": "extra_pos_embed_type", "is": "learnable"}, "insert": "never",
    "because": "every block adds the learnable position embedding to its own input, so no inserted block is the identity"}]
  }
 },
 "ports": {
  "temporal": {"stack": "transformer_blocks"},
  "text": {"stack": "transformer_blocks"},
  "time": {}
 },
 "positions": "without extra_pos_embed_type positions are rotary; rope_scale and max_size of config.json set their steps and their bounds",
 "text_input": {"because": "every block reads the states by itself, through layers without a bias"},
 "tensors": {
  "patch_embed.proj.weight": "out hidden, in in_channels*patch_t*patch_h*patch_w + patch_t*patch_h*patch_w | out hidden, in in_channels*patch_t*patch_h*patch_w",
  "time_embed.t_embedder.linear_1.weight": "out hidden, in time_freq",
  "time_embed.t_embedder.linear_2.weight": "out 3*hidden, in hidden",
  "time_embed.norm.weight": "each time_freq",
  "transformer_blocks.{}.{norm1,norm2,norm3}.linear_1.weight": "out adaln_lora, in time_freq",
  "transformer_blocks.{}.{norm1,norm2,norm3}.linear_2.weight": "out 3*hidden, in adaln_lora",
  "transformer_blocks.{}.{attn1,attn2}.{norm_q,norm_k}.weight": "fixed head_dim",
  "transformer_blocks.{}.attn1.{to_q,to_k,to_v}.weight": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn2.to_q.weight": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.attn2.{to_k,to_v}.weight": "out heads*head_dim, fixed text_dim",
  "transformer_blocks.{}.{attn1,attn2}.to_out.0.weight": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.ff.net.0.proj.weight": "out ffn, in hidden",
  "transformer_blocks.{}.ff.net.2.weight": "out hidden, in ffn; closes",
  "norm_out.linear_1.weight": "out adaln_lora, in time_freq",
  "norm_out.linear_2.weight": "out 2*hidden, in adaln_lora",
  "proj_out.weight": "out patch_h*patch_w*patch_t*out_channels, in hidden",
  "crossattn_proj.0.{weight,bias}": "fixed text_states, fixed proj_in_channels; optional projection",
  "learnable_pos_embed.pos_emb_t": "each frames, each hidden; optional position",
  "learnable_pos_embed.pos_emb_h": "each height, each hidden; optional position",
  "learnable_pos_embed.pos_emb_w": "each width, each hidden; optional position"
 }
})json";

}  // namespace modelgrow::inline v0::families
