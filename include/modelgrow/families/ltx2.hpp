// SPDX-License-Identifier: MIT
// LTX-2, 2.3 and 2.5: video and audio streams; native names too. diffusers: transformer_ltx2.py
#pragma once
#include <string_view>

namespace modelgrow::inline v0::families {

inline constexpr std::string_view ltx2 = R"json({
 "family": "ltx2",
 "title": "LTX-2, 2.3 and 2.5",
 "class": ["LTX2VideoTransformer3DModel"],
 "upstream": {"class": "diffusers 0.42.1 LTX2VideoTransformer3DModel", "file": "transformer_ltx2.py"},
 "config": {
  "num_attention_heads": "heads", "attention_head_dim": "head_dim", "num_layers": "transformer_blocks",
  "audio_num_attention_heads": "audio_heads", "audio_attention_head_dim": "audio_head_dim",
  "cross_attention_dim": "hidden", "audio_cross_attention_dim": "audio_hidden",
  "in_channels": "in_channels", "audio_in_channels": "audio_in_channels",
  "out_channels": {"is": "out_channels", "else": "in_channels"},
  "audio_out_channels": {"is": "audio_out_channels", "else": "audio_in_channels"}
 },
 "spaces": {
  "hidden": {"copies": "never", "tied_to": "heads", "because": "the class ties it to the heads, which cannot be copied; insert blocks"},
  "heads": {"copies": "never", "tied_to": "hidden",
   "because": "the rotary frequencies span all heads, and those of more heads lack the old ones; insert blocks"},
  "audio_hidden": {"copies": "never", "tied_to": "audio_heads",
   "because": "the class ties it to the audio heads, which cannot be copied; insert blocks"},
  "audio_heads": {"copies": "never", "tied_to": "audio_hidden",
   "because": "the rotary frequencies span all audio heads, and those of more heads lack the old ones; insert blocks"},
  "ffn": {}, "audio_ffn": {},
  "in_channels": {"copies": "channels"},
  "out_channels": {"copies": "channels"},
  "audio_in_channels": {"copies": "channels"},
  "audio_out_channels": {"copies": "channels"}
 },
 "stock": {
  "hidden": "heads*head_dim", "audio_hidden": "audio_heads*audio_head_dim",
  "ffn": {"is": "4*hidden", "because": "the class has no config key for it"},
  "audio_ffn": {"is": "4*audio_hidden", "because": "the class has no config key for it"}
 },
 "stacks": {"transformer_blocks": {"stream": ["hidden", "audio_hidden"]}},
 "ports": {
  "temporal": {"stack": "transformer_blocks"}, "time": {},
  "text": {"stack": "transformer_blocks"}
 },
 "positions": "positions are rotary and follow every clip, whatever its size",
 "text_input": {"because": "the states pass through connectors that are no part of the transformer"},
 "renames": [
  ["audio_patchify_proj", "audio_proj_in"], ["patchify_proj", "proj_in"],
  ["av_ca_video_scale_shift_adaln_single", "av_cross_attn_video_scale_shift"],
  ["av_ca_a2v_gate_adaln_single", "av_cross_attn_video_a2v_gate"],
  ["av_ca_audio_scale_shift_adaln_single", "av_cross_attn_audio_scale_shift"],
  ["av_ca_v2a_gate_adaln_single", "av_cross_attn_audio_v2a_gate"],
  ["scale_shift_table_a2v_ca_video", "video_a2v_cross_attn_scale_shift_table"],
  ["scale_shift_table_a2v_ca_audio", "audio_a2v_cross_attn_scale_shift_table"],
  ["audio_prompt_adaln_single", "audio_prompt_adaln"], ["prompt_adaln_single", "prompt_adaln"],
  ["audio_adaln_single", "audio_time_embed"], ["adaln_single", "time_embed"],
  ["{q_norm,k_norm}", "{norm_q,norm_k}"]
 ],
 "notes": [
  "guidance of the pipelines skips block 28 by default (spatio_temporal_guidance_blocks), stored nowhere: give it the new number of that block"
 ],
 "tensors": {
  "scale_shift_table": "fixed 2, each hidden", "audio_scale_shift_table": "fixed 2, each audio_hidden",
  "keyframes_abs_pos_embedding": "fixed 1, each hidden; optional", "proj_in.{weight,bias}": "out hidden, in in_channels",
  "audio_proj_in.{weight,bias}": "out audio_hidden, in audio_in_channels",
  "caption_projection.linear_1.{weight,bias}": "out hidden, fixed text_dim; optional captions",
  "caption_projection.linear_2.{weight,bias}": "out hidden, in hidden; optional captions",
  "audio_caption_projection.linear_1.{weight,bias}": "out audio_hidden, fixed text_dim; optional captions",
  "audio_caption_projection.linear_2.{weight,bias}": "out audio_hidden, in audio_hidden; optional captions",
  "{time_embed,av_cross_attn_video_scale_shift,av_cross_attn_video_a2v_gate}.emb.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed 256",
  "{time_embed,av_cross_attn_video_scale_shift,av_cross_attn_video_a2v_gate}.emb.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden",
  "{audio_time_embed,av_cross_attn_audio_scale_shift,av_cross_attn_audio_v2a_gate}.emb.timestep_embedder.linear_1.{weight,bias}": "out audio_hidden, fixed 256",
  "{audio_time_embed,av_cross_attn_audio_scale_shift,av_cross_attn_audio_v2a_gate}.emb.timestep_embedder.linear_2.{weight,bias}": "out audio_hidden, in audio_hidden",
  "time_embed.linear.{weight,bias}": "out 6*hidden, in hidden | out 9*hidden, in hidden",
  "audio_time_embed.linear.{weight,bias}": "out 6*audio_hidden, in audio_hidden | out 9*audio_hidden, in audio_hidden",
  "av_cross_attn_video_scale_shift.linear.{weight,bias}": "out 4*hidden, in hidden",
  "av_cross_attn_audio_scale_shift.linear.{weight,bias}": "out 4*audio_hidden, in audio_hidden",
  "av_cross_attn_video_a2v_gate.linear.{weight,bias}": "out hidden, in hidden",
  "av_cross_attn_audio_v2a_gate.linear.{weight,bias}": "out audio_hidden, in audio_hidden",
  "prompt_adaln.emb.timestep_embedder.linear_1.{weight,bias}": "out hidden, fixed 256; optional prompt",
  "prompt_adaln.emb.timestep_embedder.linear_2.{weight,bias}": "out hidden, in hidden; optional prompt",
  "prompt_adaln.linear.{weight,bias}": "out 2*hidden, in hidden; optional prompt",
  "audio_prompt_adaln.emb.timestep_embedder.linear_1.{weight,bias}": "out audio_hidden, fixed 256; optional prompt",
  "audio_prompt_adaln.emb.timestep_embedder.linear_2.{weight,bias}": "out audio_hidden, in audio_hidden; optional prompt",
  "audio_prompt_adaln.linear.{weight,bias}": "out 2*audio_hidden, in audio_hidden; optional prompt",
  "transformer_blocks.{}.scale_shift_table": "fixed 6, each hidden | fixed 9, each hidden",
  "transformer_blocks.{}.audio_scale_shift_table": "fixed 6, each audio_hidden | fixed 9, each audio_hidden",
  "transformer_blocks.{}.prompt_scale_shift_table": "fixed 2, each hidden; optional prompt",
  "transformer_blocks.{}.audio_prompt_scale_shift_table": "fixed 2, each audio_hidden; optional prompt",
  "transformer_blocks.{}.video_a2v_cross_attn_scale_shift_table": "fixed 5, each hidden",
  "transformer_blocks.{}.audio_a2v_cross_attn_scale_shift_table": "fixed 5, each audio_hidden",
  "transformer_blocks.{}.{attn1,attn2}.{norm_q,norm_k}.weight": "each heads*head_dim",
  "transformer_blocks.{}.{attn1,attn2}.{to_q,to_k,to_v}.{weight,bias}": "out heads*head_dim, in hidden",
  "transformer_blocks.{}.{attn1,attn2}.to_out.0.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "transformer_blocks.{}.{attn1,attn2}.to_gate_logits.{weight,bias}": "out heads, in hidden; optional gates",
  "transformer_blocks.{}.{audio_attn1,audio_attn2,audio_to_video_attn,video_to_audio_attn}.{norm_q,norm_k}.weight": "each audio_heads*audio_head_dim",
  "transformer_blocks.{}.{audio_attn1,audio_attn2}.{to_q,to_k,to_v}.{weight,bias}": "out audio_heads*audio_head_dim, in audio_hidden",
  "transformer_blocks.{}.{audio_attn1,audio_attn2,video_to_audio_attn}.to_out.0.{weight,bias}": "out audio_hidden, in audio_heads*audio_head_dim; closes",
  "transformer_blocks.{}.{audio_attn1,audio_attn2,video_to_audio_attn}.to_gate_logits.{weight,bias}": "out audio_heads, in audio_hidden; optional gates",
  "transformer_blocks.{}.audio_to_video_attn.to_q.{weight,bias}": "out audio_heads*audio_head_dim, in hidden",
  "transformer_blocks.{}.audio_to_video_attn.{to_k,to_v}.{weight,bias}": "out audio_heads*audio_head_dim, in audio_hidden",
  "transformer_blocks.{}.audio_to_video_attn.to_out.0.{weight,bias}": "out hidden, in audio_heads*audio_head_dim; closes",
  "transformer_blocks.{}.audio_to_video_attn.to_gate_logits.{weight,bias}": "out audio_heads, in hidden; optional gates",
  "transformer_blocks.{}.video_to_audio_attn.to_q.{weight,bias}": "out audio_heads*audio_head_dim, in audio_hidden",
  "transformer_blocks.{}.video_to_audio_attn.{to_k,to_v}.{weight,bias}": "out audio_heads*audio_head_dim, in hidden",
  "transformer_blocks.{}.ff.net.0.proj.weight": "out ffn, in hidden",
  "transformer_blocks.{}.ff.net.0.proj.bias": "each ffn; optional ff_bias",
  "transformer_blocks.{}.ff.net.2.weight": "out hidden, in ffn; closes",
  "transformer_blocks.{}.ff.net.2.bias": "each hidden; closes, optional ff_bias",
  "transformer_blocks.{}.audio_ff.net.0.proj.{weight,bias}": "out audio_ffn, in audio_hidden",
  "transformer_blocks.{}.audio_ff.net.2.{weight,bias}": "out audio_hidden, in audio_ffn; closes",
  "proj_out.{weight,bias}": "out out_channels, in hidden",
  "audio_proj_out.{weight,bias}": "out audio_out_channels, in audio_hidden"
 }
})json";

}  // namespace modelgrow::inline v0::families
