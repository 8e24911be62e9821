# SPDX-License-Identifier: MIT
"""Stands in for the tool in the self-test of check_upstream.py: insertion of blocks for two classes, right or wrong as asked.

  stand_in.py --fault=none|writer|config|growth|possible|sure plan IN OPERATORS --json
  stand_in.py --fault=... grow IN OUT OPERATORS --json

writer: one output projection is not zeroed; config: the number of blocks stays; growth: nothing happens; possible: says that
upstream cannot load what it can; sure: refuses."""

import json
import re
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

FILE = "diffusion_pytorch_model.safetensors"
STACKS = {  # class -> its stack, the layers that write to the residual stream
    "WanTransformer3DModel": ("blocks", ["attn1.to_out.0", "attn2.to_out.0", "ffn.net.2"]),
    "QwenImageTransformer2DModel": ("transformer_blocks", ["attn.to_out.0", "attn.to_add_out", "img_mlp.net.2", "txt_mlp.net.2"]),
}


def insert_blocks(config, tensors, fault):
    """A copy with zeroed writers behind every block."""
    stack, writers = STACKS[config["_class_name"]]
    zeroed = writers[1:] if fault == "writer" else writers
    grown = {}
    for name, tensor in tensors.items():
        inside = re.fullmatch(rf"{stack}\.(\d+)\.(.*)", name)
        if not inside:
            grown[name] = tensor
            continue
        block, rest = int(inside[1]), inside[2]
        closed = any(rest in (f"{w}.weight", f"{w}.bias") for w in zeroed)
        grown[f"{stack}.{2 * block}.{rest}"] = tensor
        grown[f"{stack}.{2 * block + 1}.{rest}"] = tensor * 0 if closed else tensor.clone()
    blocks = config["num_layers"]
    return {**config, "num_layers": blocks if fault == "config" else 2 * blocks}, grown


def main():
    fault, verb, folder, *rest = sys.argv[1].removeprefix("--fault="), sys.argv[2], Path(sys.argv[3]), *sys.argv[4:]
    if "--net2wider" in rest or fault == "sure":
        print("refused: the stand-in only inserts blocks", file=sys.stderr)
        return 3
    if verb == "grow":
        out = Path(rest[0])
        config, tensors = json.loads((folder / "config.json").read_text()), load_file(folder / FILE)
        if fault != "growth":
            config, tensors = insert_blocks(config, tensors, fault)
        out.mkdir(parents=True)
        (out / "config.json").write_text(json.dumps(config))
        save_file(tensors, out / FILE, metadata={"format": "pt"})
    upstream = "cannot, because it was told so" if fault == "possible" else "loads"
    print(json.dumps({"certificate": "EXACT (blocks are closed)", "upstream": upstream}))
    return 0


sys.exit(main())
