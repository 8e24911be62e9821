# SPDX-License-Identifier: MIT
"""Optimizers of torch and of packages, as a trainer makes them for the named parameters of a model."""

import bitsandbytes
import torch
import torchao.optim
from came_pytorch import CAME
from lion_pytorch import Lion
from schedulefree import AdamWScheduleFree

torch.compiler.set_stance("force_eager")  # torchao compiles its steps, for which these runs are too short


def matrices(named, yes):
    return [(n, p) for n, p in named if (p.dim() == 2) == yes]


def muon(named):
    return [
        torch.optim.Muon(matrices(named, True), lr=1e-3, weight_decay=0.01),
        torch.optim.AdamW(matrices(named, False), lr=1e-3),
    ]


OPTIMIZERS = {
    "AdamW": lambda named: [torch.optim.AdamW(named, lr=1e-3, weight_decay=0.01)],
    "AdamW, numbers only": lambda named: [torch.optim.AdamW([p for _, p in named], lr=1e-3, weight_decay=0.01)],
    "AdamW, fused": lambda named: [torch.optim.AdamW(named, lr=1e-3, weight_decay=0.01, fused=True)],
    "SGD": lambda named: [torch.optim.SGD(named, lr=1e-2, momentum=0.9, weight_decay=0.01)],
    # The first epsilon of torch is above the mean squared gradients of this model, which the claim excludes. Of 1e-30 the square is
    # 0, by which a gradient of 0 is divided, as new blocks have at first: NaN.
    "Adafactor, eps (1e-15, 1e-3)": lambda named: [torch.optim.Adafactor(named, lr=1e-3, eps=(1e-15, 1e-3))],
    "Muon and AdamW": muon,
    "Lion": lambda named: [Lion(named, lr=1e-4, weight_decay=0.01)],
    "CAME": lambda named: [CAME(named, lr=1e-3, weight_decay=0.01)],
    "ScheduleFree": lambda named: [AdamWScheduleFree(named, lr=1e-3, weight_decay=0.01)],
    "AdamW8bit of bitsandbytes": lambda named: [bitsandbytes.optim.AdamW8bit(named, lr=1e-3, weight_decay=0.01)],
    "AdamW8bit of torchao": lambda named: [torchao.optim.AdamW8bit(named, lr=1e-3, weight_decay=0.01)],
    "AdamW4bit of torchao": lambda named: [torchao.optim.AdamW4bit(named, lr=1e-3, weight_decay=0.01)],
    "AdamWFp8 of torchao": lambda named: [torchao.optim.AdamWFp8(named, lr=1e-3, weight_decay=0.01)],
}
