# SPDX-License-Identifier: MIT
"""An optimizer that a trainer makes as it makes any other, and that takes the groups of a grown run when it loads one."""

import json
from pathlib import Path
from types import SimpleNamespace

import torch
from documented import documented

OPTIMIZER = "optim/optim"  # as param_groups.json calls it: the folder of the run, and the keys within


def adamw(params, groups, **options):
    """Of the parameters in the order of the model; `groups` is a file as param_groups.json."""
    optimizer = torch.optim.AdamW(params, **options)
    told = json.loads(Path(groups).read_text())[OPTIMIZER]
    model = SimpleNamespace(named_parameters=lambda: zip(told["parameters"], params, strict=True))
    regroup = documented("hook", "regroup")
    optimizer.register_load_state_dict_post_hook(lambda o: regroup(o, told["groups"], model))
    return optimizer
