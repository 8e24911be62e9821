# SPDX-License-Identifier: MIT
"""Classes that take packed patches leave it to their pipelines how a patch is packed: theirs put new channels last.

The functions are read from the installed source, because the modules import what only pipelines need."""

import ast
from pathlib import Path

import diffusers
import torch

from tiny import noise

PIPELINES = {  # source -> functions, one after another; arguments beside the latents
    "pipelines/flux/pipeline_flux.py": (["_pack_latents"], True, {}),
    "pipelines/flux2/pipeline_flux2.py": (["_patchify_latents", "_pack_latents"], True, {}),
    "pipelines/qwenimage/pipeline_qwenimage.py": (["_pack_latents"], True, {}),
    "pipelines/ltx/pipeline_ltx.py": (["_pack_latents"], False, dict(patch_size=2, patch_size_t=1)),
    "pipelines/ltx2/pipeline_ltx2.py": (["_pack_latents"], False, dict(patch_size=2, patch_size_t=1)),
    "modular_pipelines/minimax_h3/before_denoise.py": (["patchify_video_latents"], False, dict(patch_size=(1, 2, 2))),
}


def functions(path):
    """The functions of a source, without what decorates them."""
    found = {}
    for node in ast.walk(ast.parse((Path(diffusers.__file__).parent / path).read_text())):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
            found[node.name] = node
    return found


def pack(path, names, named, latents):
    nodes, (batch, channels, *_, height, width) = functions(path), latents.shape
    for name in names:
        node, scope = nodes[name], {"torch": torch}
        exec(compile(ast.Module([node], []), path, "exec"), scope)  # noqa: S102
        sizes = (batch, channels, height, width) if len(node.args.args) == 5 else ()
        latents = scope[name](latents, *sizes, **named)
    return latents


def packed_otherwise():
    """Sources whose packing of old and new channels is not that of the old ones with that of the new ones behind."""
    wrong = []
    for path, (names, picture, named) in PIPELINES.items():
        old, new = (noise(2, c, *([] if picture else [3]), 4, 6, seed=c) for c in (5, 2))
        together, *apart = (pack(path, names, named, x) for x in (torch.cat([old, new], 1), old, new))
        if not torch.equal(together, torch.cat(apart, -1)):
            wrong.append(path)
    return wrong
