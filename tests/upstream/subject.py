# SPDX-License-Identifier: MIT
"""A model as a user would load it, what it computes in float32 and bf16, and how far two sets of outputs are apart."""

import json
import re
from functools import cached_property
from pathlib import Path

import torch
from safetensors import safe_open

from tiny import outputs


def grafted(folder):
    """Names in the files of a folder that config.json records as those of grafts: "blocks.{}.conv_temp.weight"."""
    record = json.loads((Path(folder) / "config.json").read_text()).get("_modelgrow", {})
    patterns = [name for graft in record.get("grafts", ()) for name in graft["tensors"]]
    rules = [re.compile(re.escape(p).replace(re.escape("{}"), r"\d+")) for p in patterns]
    names = set()
    for path in Path(folder).glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            names.update(name for name in file.keys() if any(rule.fullmatch(name) for rule in rules))
    return frozenset(names)


def load(family, folder, dtype=torch.float32, left_out=frozenset()):
    """The model of a folder. Raises ValueError when anything of the file but `left_out` stays outside, or is not in it."""
    model, info = family.type.from_pretrained(folder, output_loading_info=True, torch_dtype=dtype)
    for kind, names in info.items():
        wrong = set(map(str, names)) ^ (left_out if kind == "unexpected_keys" else set())
        if wrong:
            raise ValueError(f"{kind}: {', '.join(sorted(wrong)[:3])}{' ..' if len(wrong) > 3 else ''}")
    with torch.no_grad():
        for p in model.parameters():
            p.data = p.clone()  # in memory of its own: products round by where in a mapped file a weight begins
    return model.eval()


def distance(before, after):
    """The largest absolute difference, over the largest absolute value."""
    if [t.shape for t in before] != [t.shape for t in after]:
        return float("inf")
    largest = max(t.abs().max().item() for t in before)
    return max((a - b).abs().nan_to_num(nan=float("inf")).max().item() for a, b in zip(before, after)) / largest


def size(model):
    return sum(p.numel() for p in model.parameters())


class Subject:
    """The original: its folder, the type of its numbers there, the loaded model, and what it computes."""

    def __init__(self, family, folder, stored):
        self.family, self.folder, self.stored, self.model = family, folder, stored, load(family, folder)
        self.outputs = outputs(self.model, family.inputs())

    @cached_property
    def half(self):
        """Outputs of the model loaded in bf16."""
        return outputs(load(self.family, self.folder, torch.bfloat16), self.family.inputs(torch.bfloat16))

    @cached_property
    def rounding(self):
        """What bf16 does to it."""
        return distance(self.outputs, self.half)
