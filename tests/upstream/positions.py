# SPDX-License-Identifier: MIT
"""Stored tables of positions at other lengths: what torch makes of the old ones, and a model that holds it.

Grids are stored flat, a row a position, behind rows that are no positions. torch.nn.functional.interpolate knows nothing of
the tool, and neither does the class that is built with the configuration of the new lengths."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch
from safetensors.torch import load_file

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
ROUNDING = {torch.float32: 1e-6, torch.bfloat16: 2.0**-8}  # of the largest number of a table


@dataclass(frozen=True)
class Grid:
    """The tables of a family."""

    sizes: dict  # of each space
    tables: dict  # name -> the spaces that its last rows number, outermost first
    config: Callable  # sizes -> the keys of the configuration that hold them
    inputs: Callable  # sizes -> inputs that read every position

    def longer(self):
        return {space: n + n // 2 + 1 for space, n in self.sizes.items()}

    def other(self):
        """The last space meets its old positions, the others lose one."""
        *first, last = self.sizes
        return {**{space: self.sizes[space] - 1 for space in first}, last: 2 * self.sizes[last] - 1}

    def at(self, name, table, sizes, ends):
        """A table at these sizes, by torch."""
        old, new = ([s[space] for space in self.tables[name]] for s in (self.sizes, sizes))
        width, count = table.shape[-1], torch.Size(old).numel()
        rows = table.reshape(-1, width)
        grid = rows[-count:].T.reshape(1, width, *old).double()
        grid = torch.nn.functional.interpolate(grid, new, mode=MODES[len(old)], align_corners=ends)
        rows = torch.cat([rows[:-count].double(), grid.reshape(width, -1).T])
        return rows.reshape(*table.shape[:-2], -1, width)


def tensors_of(folder):
    return {name: t for path in Path(folder).glob("*.safetensors") for name, t in load_file(path).items()}


def wrong_tensor(grid, original, grown, sizes, ends):
    """A tensor that is not what it should be: a table that torch makes otherwise, or one that is none and changed."""
    old, new = tensors_of(original), tensors_of(grown)
    for name in sorted(old.keys() | new.keys()):
        if not (name in old and name in new):
            return name
        if name not in grid.tables:
            good = torch.equal(old[name], new[name])
        else:
            expected = grid.at(name, old[name], sizes, ends)
            good = expected.shape == new[name].shape and new[name].dtype == old[name].dtype
            good = good and (new[name] - expected).abs().max() <= ROUNDING[old[name].dtype] * expected.abs().max()
        if not good:
            return name
    return None


def reference(family, model, sizes, ends):
    """The class with these sizes in its configuration, and the numbers of a model of the old ones."""
    grid = family.grid
    new = family.type(**{**family.config(), **grid.config(**sizes)}).eval()
    tensors = {k: grid.at(k, t, sizes, ends).float() if k in grid.tables else t for k, t in model.state_dict().items()}
    new.load_state_dict(tensors)
    return new
