# SPDX-License-Identifier: MIT
"""Stands in for the tool in the self-test of check_upstream.py: a few growths of four classes, right or wrong as asked.

What can be wrong with it:
  growth    nothing happens
  config    the configuration stays
  sure      it refuses
  possible  it says that upstream cannot load what it can
  loads     it says that upstream loads what it cannot
  told      of the grown folder, it says the contrary
  exact     it says that what changes the outputs is exact
  question  it needs no permission where it should
  doubt     what it grows is not exact, by its own word
  writer    one output projection of a new block is not zeroed
  reader    new channels of the input are read
  rows      new channels of the output are copies
  order     they lie where the class does not look for them
  constant  a map between text encoders is taken without its constant
  graft     a graft touches a tensor of the model
  silence   nothing says that a graft is left out
  corners   a table of positions is aligned as nobody asked for
  rest      along with the table another tensor changes
  heads     along with the table the configuration changes, in a way that loads
  expert    the last of the experts is no copy
  router    there is none"""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import load_file, save_file

FILE = "diffusion_pytorch_model.safetensors"
STACKS = {  # class -> its stack, the layers that write to the residual stream
    "WanTransformer3DModel": ("blocks", ["attn1.to_out.0", "attn2.to_out.0", "ffn.net.2"]),
    "QwenImageTransformer2DModel": ("transformer_blocks", ["attn.to_out.0", "attn.to_add_out", "img_mlp.net.2", "txt_mlp.net.2"]),
}
READERS = {"WanTransformer3DModel": "patch_embedding.weight", "QwenImageTransformer2DModel": "img_in.weight"}
TABLE, SIDE = "pos_embed.pos_embed", "pos_embed_max_size"  # of SD3Transformer2DModel
BOTH = {"ZImageTransformer2DModel": ("all_x_embedder.2-1.weight", "all_final_layer.2-1.linear")}  # one number for both
CHANNELS_LAST = {"WanTransformer3DModel": True, "QwenImageTransformer2DModel": False}  # in a patch of the output
TEXT = "condition_embedder.text_embedder.linear_1"


def insert_blocks(config, tensors, options, fault):
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
    return {**config, "num_layers": 2 * config["num_layers"]}, grown


def grow_channels(config, tensors, options, fault):
    space, to = options["space"], int(options["to"])
    if config["_class_name"] in BOTH:
        return {**config, space: to}, grow_both(config, tensors, to - config[space], fault)
    more, name = to - config[space], READERS[config["_class_name"]]
    if space == "in_channels":
        new = tensors[name][:, :more] * (fault == "reader")
        return {**config, space: to}, {**tensors, name: torch.cat([tensors[name], new], 1)}
    last = CHANNELS_LAST[config["_class_name"]] ^ (fault == "order")
    grown = dict(tensors)
    for name in ("proj_out.weight", "proj_out.bias"):
        old = tensors[name].unflatten(0, (-1, config[space]) if last else (config[space], -1))
        axis = 1 if last else 0
        grown[name] = torch.cat([old, old.narrow(axis, 0, more) * (fault == "rows")], axis).flatten(0, 1)
    return {**config, space: to}, grown


def grow_both(config, tensors, more, fault):
    """All channels of one place of a patch lie side by side, on both sides."""
    reader, writer = BOTH[config["_class_name"]]
    grown, channels = dict(tensors), config["in_channels"]
    for name, axis in ((reader, 1), (f"{writer}.weight", 0), (f"{writer}.bias", 0)):
        last = name == reader or fault != "order"
        old = tensors[name].unflatten(axis, (-1, channels) if last else (channels, -1))
        kept = fault == ("reader" if name == reader else "rows")
        grown[name] = torch.cat([old, old.narrow(axis + last, 0, more) * kept], axis + last).flatten(axis, axis + 1)
    return grown


def swap_text_encoder(config, tensors, options, fault):
    new, weight, bias = load_file(options["map"]), tensors[f"{TEXT}.weight"].double(), tensors[f"{TEXT}.bias"].double()
    constant = weight @ new["bias"] * (fault != "constant")
    filled = {f"{TEXT}.weight": (weight @ new["weight"]).float(), f"{TEXT}.bias": (bias + constant).float()}
    return {**config, "text_dim": new["weight"].shape[1]}, {**tensors, **filled}


def temporal_conv(config, tensors, options, fault):
    stack, writers = STACKS[config["_class_name"]]
    touched = f"{stack}.0.{writers[0]}.weight"
    new = {f"{stack}.0.conv_temp.weight": torch.zeros(3), touched: tensors[touched] * (2 if fault == "graft" else 1)}
    record = {"grafts": [{"graft": "TemporalConv", "tensors": {f"{stack}.{{}}.conv_temp.weight": "out 3"}}]}
    return {**config, "_modelgrow": record}, {**tensors, **new}


def interpolate_positions(config, tensors, options, fault):
    side, to, old = config[SIDE], int(options["to"]), tensors[TABLE]
    grid = old.reshape(1, side, side, -1).movedim(-1, 1)
    ends = ("align" in options) ^ (fault == "corners")
    grid = torch.nn.functional.interpolate(grid, (to, to), mode="bilinear", align_corners=ends)
    changed = {TABLE: grid.movedim(1, -1).reshape(1, to * to, -1)}
    if fault == "rest":
        changed["proj_out.bias"] = tensors["proj_out.bias"] + 1e-6
    heads = {"num_attention_heads": 4, "attention_head_dim": 6} if fault == "heads" else {}  # 3 of 8
    return {**config, SIDE: to, **heads}, {**tensors, **changed}


def mixture_of_experts(config, tensors, options, fault):
    stack, writers = STACKS[config["_class_name"]]
    layers = [writer.removesuffix(".net.2") for writer in writers if writer.endswith(".net.2")]
    experts, grown = int(options["experts"]), {}
    for name, tensor in tensors.items():
        inside = re.fullmatch(rf"({stack}\.\d+\.(?:{'|'.join(layers)}))\.(.*)", name)
        if not inside:
            grown[name] = tensor
            continue
        for e in range(experts):
            other = fault == "expert" and e + 1 == experts
            grown[f"{inside[1]}.experts.{e}.{inside[2]}"] = tensor * 2 if other else tensor.clone()
        if inside[2] == "net.0.proj.weight" and fault != "router":
            grown[f"{inside[1]}.router.weight"] = torch.randn(experts, tensor.shape[1], generator=torch.Generator().manual_seed(5))
    record = {"graft": "MixtureOfExperts", "options": {"experts": experts, "active": int(options["active"])}, "tensors": {}}
    return {**config, "_modelgrow": {"grafts": [record]}}, grown


OPERATORS = {
    "--insert-blocks": insert_blocks, "--grow-channels": grow_channels, "--swap-text-encoder": swap_text_encoder,
    "--temporal-conv": temporal_conv, "--interpolate-positions": interpolate_positions, "--mixture-of-experts": mixture_of_experts,
}  # fmt: skip


APPROXIMATE = ("--swap-text-encoder", "--interpolate-positions")


class StandIn:
    """As check_upstream.Tool, with a fault."""

    def __init__(self, fault):
        self.fault = fault

    def run(self, verb, folder, *rest):
        fault = self.fault
        if verb == "check":
            mixed = "MixtureOfExperts" in (Path(folder) / "config.json").read_text()
            if mixed != (fault == "told"):
                return answer({"consumers": [{"name": "diffusers", "does": "cannot run it: it has no such layer"}]})
            told = "loads it" + ("" if fault == "silence" else "; the tensors of grafts: leaves them out")
            return answer({"consumers": [{"name": "diffusers", "does": told}]})
        operator = next(word for word in rest if word in OPERATORS)
        approximate = operator in APPROXIMATE and fault != "exact"
        cannot = fault == "possible" or operator == "--mixture-of-experts" and fault != "loads"
        permit = "--allow-approximate" if approximate else "--accept-upstream" if cannot and verb == "grow" else None
        if fault == "sure" or permit and permit not in rest and fault != "question":
            return SimpleNamespace(returncode=3, stdout="", stderr="refused: the stand-in does not do that")
        if verb == "grow":
            options = dict(pair.split("=", 1) for pair in rest[rest.index(operator) + 1].split(","))
            self.write(folder, Path(rest[0]), OPERATORS[operator], options)
        upstream = "cannot, because it was told so" if cannot else "loads"
        return answer({"certificate": "APPROXIMATE" if approximate or fault == "doubt" else "EXACT (it was told so)", "upstream": upstream})

    def write(self, folder, out, operator, options):
        config, tensors = json.loads((folder / "config.json").read_text()), load_file(folder / FILE)
        if self.fault != "growth":
            new, tensors = operator(config, tensors, options, self.fault)
            config = config if self.fault == "config" else new
        out.mkdir(parents=True)
        (out / "config.json").write_text(json.dumps(config))
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, out / FILE, metadata={"format": "pt"})


def answer(told):
    return SimpleNamespace(returncode=0, stdout=json.dumps(told), stderr="")
