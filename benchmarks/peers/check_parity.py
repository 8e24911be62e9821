# SPDX-License-Identifier: MIT
"""Checks the twin against a fixture written by the upstream class: check_parity.py stdit1.safetensors"""
from __future__ import annotations

import json
import sys

import torch
from safetensors import safe_open

from stdit import Config, STDiT

path = sys.argv[1]
with safe_open(path, "pt") as f:
    raw = json.loads(f.metadata()["config"])
    tensors = {name: f.get_tensor(name) for name in f.keys()}
model = STDiT(Config(**{k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}))
tables = {n: b for n, b in model.named_buffers() if n.startswith("pos_embed")}
for name, table in tables.items():
    print(f"{name}: max |ours - upstream| {(table - tensors['w.' + name]).abs().max():.2e}")
model.load_state_dict({n[2:]: t for n, t in tensors.items() if n.startswith("w.")}, strict=True)
failed = False
# Upstream's time features are float32: one ulp of exp() in their frequencies, which differs between releases of torch,
# already moves the output by some 2e-5 to 7e-5, in double too.
for dtype, tolerance in ((torch.float64, 1e-4), (torch.float32, 1e-4)):
    model = model.to(dtype)
    with torch.no_grad():
        out = model(tensors["in.x"].to(dtype), tensors["in.timestep"], tensors["in.y"][:, 0].to(dtype), tensors["in.mask"])
    want = tensors["out"]
    relative = ((out - want).abs().max() / want.abs().max()).item()
    failed |= not relative <= tolerance
    print(f"{dtype}: max |ours - upstream| / max |upstream| = {relative:.2e} (tolerance {tolerance:g})")
sys.exit(failed)
