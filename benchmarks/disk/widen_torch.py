# SPDX-License-Identifier: MIT
"""Width as most people write it: torch.load, index, torch.save.

    widen_torch.py IN.pt OUT.pt REPEATS.json
    widen_torch.py --convert IN.safetensors OUT.pt      the same weights as torch saves them
    widen_torch.py --sample OUT.pt NAME..               a checksum over these tensors (sources.sample_of)
"""
import json
import os
import sys

import torch


def widened(w: torch.Tensor, axes: list[dict]) -> torch.Tensor:
    for a in axes:
        units = torch.arange(w.shape[a["axis"]]).view(-1, a["unit"]).repeat_interleave(a["times"], 0).flatten()
        w = w.index_select(a["axis"], units)
        if a["summed"]:
            w = w / a["times"]
    return w


def main(source: str, target: str, repeats: dict) -> None:
    weights = torch.load(source, map_location="cpu")
    grown = {name: widened(weights.pop(name), repeats[name]) for name in list(weights)}
    torch.save(grown, target)


def convert(source: str, target: str) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(source), target + ".part")
    os.replace(target + ".part", target)


def sample(path: str, names: list[str]) -> str:
    from sources import sample_of

    weights = torch.load(path, mmap=True)
    return sample_of((n, weights[n].shape, weights[n].view(torch.uint8).numpy().tobytes()) for n in names)


if __name__ == "__main__":
    if sys.argv[1] == "--convert":
        convert(sys.argv[2], sys.argv[3])
    elif sys.argv[1] == "--sample":
        print(sample(sys.argv[2], sys.argv[3:]))
    else:
        main(sys.argv[1], sys.argv[2], json.load(open(sys.argv[3])))
