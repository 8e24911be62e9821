#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes llm/*: tiny language models with random weights and the hidden states that transformers gives for them.

    make_llm.py [directory]        needs pip install torch transformers safetensors gguf (made with transformers 5.23.0)

Each file holds the weights under their usual names and types, config.json under the metadata "config" (safetensors), and
"golden.ids", "golden.lengths" (prompts of unequal length, one behind the other) and "golden.hidden"
[states, tokens, width], computed in float64 from the weights as stored.
"""
import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file

OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "llm"
SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64,
             vocab_size=24, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True)
LLAMA3 = dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
T5_SIZES = dict(d_model=32, num_layers=2, num_heads=4, d_kv=12, d_ff=48, vocab_size=24, relative_attention_num_buckets=8,
                relative_attention_max_distance=12, feed_forward_proj="gated-gelu")
LENGTHS = [9, 1, 11, 4]


def model_of(kind, dtype, sizes=SIZES, head="Model", **more):
    config = getattr(transformers, kind + "Config")(**sizes, **more)
    model = getattr(transformers, kind + head)(config).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale, mean = (0.1, 1.0) if "norm" in name.lower() and p.ndim == 1 and "bias" not in name else (0.1, 0.0) if p.ndim == 1 else (0.25, 0.0)
            p.copy_((mean + scale * torch.randn(p.shape, generator=generator, dtype=torch.float64)).to(dtype).double())
    return model


def hidden_states(model):
    ids = torch.randint(0, SIZES["vocab_size"], (sum(LENGTHS),), generator=torch.Generator().manual_seed(2))
    parts = []
    with torch.no_grad():
        for prompt in ids.split(LENGTHS):
            states = model(prompt[None], output_hidden_states=True).hidden_states
            parts.append(torch.cat(states))
    return ids.int(), torch.cat(parts, 1).float()


def golden(model):
    ids, hidden = hidden_states(model)
    return {"golden.ids": ids, "golden.lengths": torch.tensor(LENGTHS, dtype=torch.int32), "golden.hidden": hidden}


def write_safetensors(name, model, dtype, more=None):
    tensors = {k: v.to(dtype).contiguous() for k, v in model.state_dict().items() if "encoder.embed_tokens" not in k}
    save_file(tensors | golden(model) | (more or {}), OUT / f"{name}.safetensors", {"config": json.dumps(model.config.to_dict())})


def write_gguf(name, model, kind):
    """As convert_hf_to_gguf.py does: halves of the heads interleaved, matrices in blocks, vectors in float."""
    c = model.config
    w = gguf.GGUFWriter(OUT / f"{name}.gguf", "llama")
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_rope_freq_base(c.rope_parameters["rope_theta"])
    parts = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
             "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    for key, p in model.named_parameters():
        part = next((new for old, new in parts.items() if old in key), None)
        target = (f"blk.{key.split('.')[1]}.{part}.weight" if part else
                  {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}[key])
        data = p.detach().float().numpy()
        if data.ndim == 1:
            w.add_tensor(target, data)
            continue
        blocks = gguf.quantize(data, kind)
        decoded = gguf.dequantize(blocks, kind)
        with torch.no_grad():
            p.copy_(torch.from_numpy(decoded).double())
        if part in ("attn_q", "attn_k"):
            heads = c.num_attention_heads if part == "attn_q" else c.num_key_value_heads
            blocks = blocks.reshape(heads, 2, -1, blocks.shape[1]).swapaxes(1, 2).reshape(blocks.shape)
        w.add_tensor(target, blocks, raw_dtype=kind)
    inverse = 1 / c.rope_parameters["rope_theta"]**(np.arange(0, c.head_dim, 2) / c.head_dim)
    w.add_tensor("rope_freqs.weight", (inverse / model.rotary_emb.inv_freq.numpy()).astype(np.float32))
    for key, value in golden(model).items():
        w.add_tensor(key, value.float().numpy())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


OUT.mkdir(exist_ok=True)
write_gguf("llama", model_of("Llama", torch.float32, rope_parameters=LLAMA3), gguf.GGMLQuantizationType.Q8_0)
for name, kind, dtype, more in [
        ("llama", "Llama", torch.float16, dict(rope_parameters=LLAMA3, attention_bias=True, mlp_bias=True)),
        ("qwen2", "Qwen2", torch.bfloat16, dict(rope_parameters=dict(rope_type="default", rope_theta=1000.0))),
        ("qwen3", "Qwen3", torch.bfloat16, dict(rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=1000.0), head_dim=12))]:
    write_safetensors(name, model_of(kind, dtype, **more), dtype)
buckets = transformers.models.t5.modeling_t5.T5Attention._relative_position_bucket
distances = torch.arange(-300, 301)
write_safetensors("t5", model_of("T5", torch.bfloat16, T5_SIZES, "EncoderModel"), torch.bfloat16,
                  {"golden.buckets": buckets(distances, True, 32, 128).int()})
write_safetensors("umt5", model_of("UMT5", torch.bfloat16, T5_SIZES, "EncoderModel"), torch.bfloat16)
bert = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, vocab_size=24, max_position_embeddings=16)
write_safetensors("bert", model_of("Bert", torch.bfloat16, bert), torch.bfloat16)
