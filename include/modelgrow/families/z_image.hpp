// SPDX-License-Identifier: MIT
// Z-Image and Z-Image-Turbo. diffusers: transformer_z_image.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view z_image = R"json({
 "family": "z_image",
 "title": "Z-Image and Z-Image-Turbo",
 "class": ["ZImageTransformer2DModel"],
 "upstream": {"class": "diffusers 0.42.1 ZImageTransformer2DModel", "file": "transformer_z_image.py"},
 "config": {
  "dim": "hidden", "n_heads": "heads", "n_kv_heads": "heads", "n_layers": "layers", "n_refiner_layers": "noise_refiner",
  "cap_feat_dim": "text_dim", "in_channels": "in_channels"
 },
 "spaces": {
  "hidden": {"copies": "uniform", "because": "RMSNorm runs over it", "tied_to": "heads"},
  "heads": {"tied_to": "hidden"},
  "ffn": {},
  "in_channels": {"copies": "channels"}
 },
 "stock": {
  "hidden": "heads*head_dim",
  "ffn": {"is": "8*hidden/3", "because": "the class has no config key for it"},
  "adaln_dim": {"is": "min(hidden, 256)", "because": "the class has no config key for the width of the modulation's input"}
 },
 "stacks": {
  "layers": {"stream": "hidden"},
  "noise_refiner": {"stream": "hidden", "paired_with": "context_refiner"},
  "context_refiner": {"stream": "hidden", "paired_with": "noise_refiner"}
 },
 "ports": {
  "temporal": {"stack": "layers"},
  "text": {"stack": "layers"},
  "time": {"stream": "adaln_dim"}
 },
 "positions": "positions are rotary and follow every image, up to axes_lens of config.json",
 "text_input": {"because": "a norm runs over the states before any layer reads them"},
 "notes": [
  "branches end in a norm of their own: its gain closes a new block, since behind a projection that is nearly zero the norm makes the smallest step large"
 ],
 "tensors": {
  "{x_pad_token,cap_pad_token}": "fixed 1, each hidden",
  "all_x_embedder.2-1.{weight,bias}": "out hidden, in 4*in_channels",
  "all_final_layer.2-1.linear.{weight,bias}": "out 4*in_channels, in hidden",
  "all_final_layer.2-1.adaLN_modulation.1.{weight,bias}": "out hidden, fixed adaln_dim",
  "t_embedder.mlp.0.{weight,bias}": "fixed time_mid, fixed 256",
  "t_embedder.mlp.2.{weight,bias}": "fixed adaln_dim, fixed time_mid",
  "cap_embedder.0.weight": "fixed text_dim",
  "cap_embedder.1.{weight,bias}": "out hidden, fixed text_dim",
  "{layers,noise_refiner,context_refiner}.{}.attention.{norm_q,norm_k}.weight": "fixed head_dim",
  "{layers,noise_refiner,context_refiner}.{}.attention.{to_q,to_k,to_v}.weight": "out heads*head_dim, in hidden",
  "{layers,noise_refiner,context_refiner}.{}.attention.to_out.0.weight": "out hidden, in heads*head_dim; inner attention",
  "{layers,noise_refiner,context_refiner}.{}.feed_forward.{w1,w3}.weight": "out ffn, in hidden",
  "{layers,noise_refiner,context_refiner}.{}.feed_forward.w2.weight": "out hidden, in ffn; inner feed_forward",
  "{layers,noise_refiner,context_refiner}.{}.{attention_norm1,ffn_norm1}.weight": "each hidden",
  "{layers,noise_refiner,context_refiner}.{}.attention_norm2.weight": "each hidden; closes of attention",
  "{layers,noise_refiner,context_refiner}.{}.ffn_norm2.weight": "each hidden; closes of feed_forward",
  "{layers,noise_refiner}.{}.adaLN_modulation.0.{weight,bias}": "out 4*hidden, fixed adaln_dim"
 }
})json";

}  // namespace modelgrow::inline v0::families
