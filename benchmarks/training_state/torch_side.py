# SPDX-License-Identifier: MIT
"""The side of torch: makes the run of a trainer, grows it as most people would, and compares what two programs made.

    torch_side.py make SHAPES.json FOLDER FORM     weights of bf16 with random values, and AdamW's state of float32, as torch
                                                   saves them: FORM is file (torch.save) or dcp
    torch_side.py grow IN OUT REPEATS.json         both files of IN, every parameter wider, by the units that it lists or all
                                                   of them again
    torch_side.py compare OF_THE_TOOL OF_TORCH     ends with an error where a tensor differs
"""
import json
import os
import sys
from pathlib import Path

import torch

WEIGHTS, OPTIMIZER = "pytorch_model.bin", "optimizer.bin"
GROUP = {"lr": 1e-4, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01, "amsgrad": False, "maximize": False,
         "foreach": None, "capturable": False, "differentiable": False, "fused": None, "decoupled_weight_decay": True}  # fmt: skip


def made(shapes: dict) -> tuple[dict, dict]:
    """Weights and moments by name; one row of random numbers runs through all of them, which is faster than a generator."""
    numbers = torch.empty(1_000_003).uniform_(-0.05, 0.05, generator=torch.Generator().manual_seed(1))

    def values(shape: list[int], first: int) -> torch.Tensor:
        size = torch.Size(shape).numel()
        rows = numbers.roll(-first).repeat(-(-size // len(numbers)))
        return rows[:size].view(shape)

    weights, state = {}, {}
    for i, (name, shape) in enumerate(shapes.items()):
        weights[name] = values(shape, i).to(torch.bfloat16)
        state[name] = {"step": torch.tensor(1000.0), "exp_avg": values(shape, 3 * i + 1).clone(),
                       "exp_avg_sq": values(shape, 5 * i + 2).square()}  # fmt: skip
    return weights, state


def make(shapes: str, folder: str, form: str) -> None:
    names = json.loads(Path(shapes).read_text())
    weights, state = made(names)
    if form == "dcp":
        import torch.distributed.checkpoint as dcp

        group = GROUP | {"params": list(names)}
        dcp.save({"model": weights, "optim": {"state": state, "param_groups": [group]}}, checkpoint_id=folder, no_dist=True)
        return
    torch.save(weights, f"{folder}/{WEIGHTS}")
    group = GROUP | {"params": list(range(len(names))), "param_names": list(names)}
    torch.save({"state": dict(enumerate(state.values())), "param_groups": [group]}, f"{folder}/{OPTIMIZER}")


def widened(t: torch.Tensor, axes: list[dict]) -> torch.Tensor:
    for a in axes:
        units = torch.tensor(a["from"]) if "from" in a else torch.arange(t.shape[a["axis"]]).repeat(a["times"])
        t = t.index_select(a["axis"], units)
    return t


def grow(source: str, target: str, repeats: str) -> None:
    wider = json.loads(Path(repeats).read_text())
    os.makedirs(target)
    weights = torch.load(f"{source}/{WEIGHTS}", map_location="cpu", weights_only=True)
    optimizer = torch.load(f"{source}/{OPTIMIZER}", map_location="cpu", weights_only=True)
    state = optimizer["state"]
    for i, name in enumerate(optimizer["param_groups"][0]["param_names"]):
        reads = writes = 1  # how often what it sums over is there, and how often what it writes
        for axis in wider[name]:
            reads, writes = (reads * axis["times"], writes) if axis["summed"] else (reads, writes * axis["times"])
        weights[name] = widened(weights[name], wider[name]) / reads
        state[i]["exp_avg"] = widened(state[i]["exp_avg"], wider[name]) / writes
        state[i]["exp_avg_sq"] = widened(state[i]["exp_avg_sq"], wider[name]) / writes**2
    torch.save(weights, f"{target}/{WEIGHTS}")
    torch.save(optimizer, f"{target}/{OPTIMIZER}")


def compare(tool: str, torch_made: str) -> None:
    from safetensors.torch import load_file

    mapped = {"map_location": "cpu", "weights_only": True, "mmap": True}
    ours, theirs = load_file(f"{tool}/model.safetensors"), torch.load(f"{torch_made}/{WEIGHTS}", **mapped)
    apart = [name for name in theirs if not torch.equal(ours[name], theirs[name])]
    ours, theirs = (torch.load(f"{x}/{OPTIMIZER}", **mapped)["state"] for x in (tool, torch_made))
    apart += [f"{i}.{key}" for i in theirs for key in theirs[i] if not torch.equal(ours[i][key], theirs[i][key])]
    if apart:
        sys.exit(f"{tool} and {torch_made} differ in {', '.join(apart[:5])}")


if __name__ == "__main__":
    {"make": make, "grow": grow, "compare": compare}[sys.argv[1]](*sys.argv[2:])
