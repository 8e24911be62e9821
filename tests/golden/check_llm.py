#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the hidden states that a program (tests/support/hidden_states.cpp) gives with those of transformers.

    check_llm.py <program> <model>
"""
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

TOLERANCE = 1e-4
TEXTS = ["A cat with heart eyes, waving slowly.", "the 3 moves up while the 7 moves left", "Grüße! \U0001F331\n\n\tx = {1, 2};",
         "<|im_start|>user\nDescribe a grinning face with smiling eyes.<|im_end|>\n<|im_start|>assistant\n"]

program, path = sys.argv[1], Path(sys.argv[2])
where = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name} if path.suffix == ".gguf" else \
    {"pretrained_model_name_or_path": path}
kind = transformers.AutoConfig.from_pretrained(**where).model_type
loader = transformers.AutoModelForTextEncoding if "t5" in kind else transformers.AutoModel
model = loader.from_pretrained(**where, dtype=torch.float32).double().eval()
tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
generator = torch.Generator().manual_seed(1)
prompts = [tokenizer(text)["input_ids"] for text in TEXTS]
prompts += [torch.randint(0, model.config.vocab_size, (n,), generator=generator).tolist() for n in (1, 2, 63, 64, 65, 200)]

sent = b"".join(np.array([len(p), *p], np.int32).tobytes() for p in prompts)
reply = subprocess.run([program, str(path)], input=sent, capture_output=True, check=True).stdout
tokens = sum(map(len, prompts))
ours = torch.from_numpy(np.frombuffer(reply, np.float32).reshape(-1, tokens, model.config.hidden_size).copy()).double()
with torch.no_grad():
    parts = [torch.cat(model(torch.tensor([p]), output_hidden_states=True).hidden_states) for p in prompts]
theirs = torch.cat(parts, 1)
assert ours.shape == theirs.shape, (ours.shape, theirs.shape)

error = [((o - t).abs().max() / t.abs().max()).item() for o, t in zip(ours, theirs)]
# Largest values belong to a few channels of the first token; so the error of each token is looked at, too.
token_error = [((o - t).norm(dim=1) / t.norm(dim=1)).max().item() for o, t in zip(ours, theirs)]
print(f"{path}: {len(prompts)} prompts, {tokens} tokens, {len(error)} states, transformers {transformers.__version__}")
for i in sorted({0, 1, len(error) // 2, len(error) - 2, len(error) - 1}):
    print(f"  state {i:3d}: largest error {error[i]:.1e} of the largest value, {token_error[i]:.1e} of a token's norm")
worst = max(error + token_error)
print(f"  all states: {max(error):.1e} of the largest value, {max(token_error):.1e} of a token's norm (allowed {TOLERANCE:.0e})")
sys.exit(not worst <= TOLERANCE)
