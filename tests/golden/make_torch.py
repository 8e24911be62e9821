#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the files of tests/golden/torch with torch itself, and what is in them (expected.json).

    make_torch.py [folder]        needs torch and numpy (made with torch 2.15.0: scripts/peers-env)

Copied from real runs beside them (torch 2.15.0, accelerate 1.15.0, deepspeed 0.19.8): adamw_dtensor_rank0.pt (the state of
AdamW over DTensors, rank 0 of two), random_states_0.pkl (accelerate), zero3_optim_states.pt (ZeRO-3 in bf16, rank 0 of
two), dcp.metadata (the .metadata of a distributed checkpoint).
"""
import json
import sys
from collections import OrderedDict
from pathlib import Path

import torch

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "torch")
expected = {}


def numbers(tensor):
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return [float(x) for x in tensor.detach().to(torch.float64).contiguous().flatten()]


def about(tensors):
    return {name: {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape), "values": numbers(t)}
            for name, t in tensors.items()}


def save(name, value, tensors, **options):
    torch.save(value, folder / name, **options)
    expected[name] = about(tensors)


def every_type(legacy):
    values = torch.arange(6).reshape(2, 3)
    names = ["float32", "bfloat16", "float16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64"]
    if not legacy:
        names += ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"]
    types = OrderedDict((name, values.to(getattr(torch, name))) for name in names)
    if not legacy:
        types["float8_e8m0fnu"] = (2.0 ** values).to(torch.float8_e8m0fnu)
    return types


def views():
    """Slices, a transposed and an expanded tensor, two names of one tensor, memory in another order, a parameter."""
    base = torch.arange(40.0).reshape(4, 10)
    tied = torch.arange(3.0)
    pictures = torch.arange(2.0 * 3 * 2 * 2).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last)
    marked = torch.arange(4.0)
    marked.mark = "by a trainer"
    return {"rows": base[2:4], "turned": base[2:4].t(), "every_other": base[:, ::2], "repeated": base[:1].expand(3, 10),
            "one": base[3, 9], "none": base[:0], "tied.a": tied, "tied.b": tied, "pictures": pictures,
            "parameter": torch.nn.Parameter(torch.arange(5.0)), "marked": marked}


torch.manual_seed(1)
types, old_types, some = every_type(False), every_type(True), views()
save("every_type.pt", types, types)
save("every_type_old.pth", old_types, old_types, _use_new_zipfile_serialization=False)
save("views.pt", some, some)
save("views_old.pth", some, some, _use_new_zipfile_serialization=False)

model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 4))
optimizer = torch.optim.AdamW(model.parameters())
for _ in range(2):
    optimizer.zero_grad()
    model(torch.randn(3, 4)).square().sum().backward()
    optimizer.step()
average = OrderedDict((k, v / 2) for k, v in model.state_dict().items())
save("run.ckpt", {"epoch": 2, "model": model.state_dict(), "ema": average, "optimizer": optimizer.state_dict()},
     {"model/" + k: v for k, v in model.state_dict().items()} | {"ema/" + k: v for k, v in average.items()})
save("adamw.pt", optimizer.state_dict(),
     {f"{i}/{k}": v for i, state in optimizer.state_dict()["state"].items() for k, v in state.items()})

with open(folder / "expected.json", "w") as out:
    lines = [f'"{file}": {{\n' + ",\n".join(f'  "{n}": {json.dumps(t)}' for n, t in tensors.items()) + "\n}"
             for file, tensors in expected.items()]
    out.write("{\n" + ",\n".join(lines) + "\n}\n")
