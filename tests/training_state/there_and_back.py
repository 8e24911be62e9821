# SPDX-License-Identifier: MIT
"""A run of torch becomes one of this library and goes back, and torch goes on as if it had stayed: there_and_back.py TOOL.

Run by scripts/check-training-state. Two groups, one without weight decay, parameters in another order than in the model.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

TOOL = sys.argv[1]


def optimizer_of(model: torch.nn.Module) -> torch.optim.AdamW:
    matrices = [(name, p) for name, p in model.named_parameters() if p.ndim > 1]
    others = [(name, p) for name, p in model.named_parameters() if p.ndim < 2]
    return torch.optim.AdamW([{"params": matrices}, {"params": others, "weight_decay": 0.0}], lr=3e-3)


def train(model: torch.nn.Module, optimizer: torch.optim.AdamW, seed: int) -> list[float]:
    losses = []
    for step in range(10):
        x = torch.randn(8, 16, generator=torch.Generator().manual_seed(seed + step))
        loss = model(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def modelgrow(*words: object) -> None:
    subprocess.run([TOOL, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.GELU(), torch.nn.Linear(32, 4))
    optimizer = optimizer_of(model)
    train(model, optimizer, 0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "run").mkdir()
        save_file(model.state_dict(), folder / "run/model.safetensors")
        torch.save(optimizer.state_dict(), folder / "run/optimizer.bin")
        modelgrow("convert", folder / "run", folder / "here")
        modelgrow("convert", folder / "here", folder / "back", "--like", folder / "run")
        before, after = (torch.load(folder / name / "optimizer.bin", weights_only=True) for name in ("run", "back"))
        weights = load_file(folder / "back/model.safetensors")
    assert after["param_groups"] == before["param_groups"], after["param_groups"]
    for number, entries in before["state"].items():
        for name, entry in entries.items():
            found = after["state"][number][name]
            assert found.dtype == entry.dtype and torch.equal(found, entry), (number, name)
    stayed = train(model, optimizer, 100)
    model.load_state_dict(weights)
    optimizer = optimizer_of(model)
    optimizer.load_state_dict(after)
    assert train(model, optimizer, 100) == stayed
    print("a run of torch that was converted and went back goes on with the same losses")


if __name__ == "__main__":
    main()
