# SPDX-License-Identifier: MIT
"""What a class would be that has mixtures of experts: the upstream class with these in place of its layers."""

import copy
import json
import re
from pathlib import Path

import torch

from positions import tensors_of


class Mixture(torch.nn.Module):
    """A token goes to the experts of the largest logits; the softmax runs over these alone."""

    def __init__(self, layer, width, experts, active):
        super().__init__()
        self.experts = torch.nn.ModuleList(copy.deepcopy(layer) for _ in range(experts))
        self.router = torch.nn.Linear(width, experts, bias=False)
        self.active = active

    def forward(self, x):
        logits = self.router(x)
        chosen = logits.topk(self.active, -1)
        shares = torch.zeros_like(logits).scatter(-1, chosen.indices, chosen.values.softmax(-1))
        return sum(shares[..., [e]] * expert(x) for e, expert in enumerate(self.experts))


def mixed(family, folder):
    """Models of a folder whose config.json records mixtures, as it says and with every token seen by all experts. Every tensor
    of the file has its place, and none is left."""
    record = json.loads((Path(folder) / "config.json").read_text())["_modelgrow"]
    options = next(g["options"] for g in record["grafts"] if g["graft"] == "MixtureOfExperts")
    numbers = {key: int(n) for key, n in re.findall(r"(\w+)\W+(\d+)", str(options))}
    tensors = tensors_of(folder)
    model = family.type(**family.config()).eval()
    for name in tensors:
        if layer := re.fullmatch(r"(.*)\.router\.weight", name):
            width = tensors[name].shape[1]
            model.set_submodule(layer[1], Mixture(model.get_submodule(layer[1]), width, **numbers))
    model.load_state_dict(tensors)
    yield model
    for module in model.modules():
        if isinstance(module, Mixture):
            module.active = len(module.experts)
    yield model
