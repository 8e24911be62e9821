#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes classes.pt, order.pt, broken.pt, averages.pt, low_bit.pt, dcp_flat and dcp_broken of tests/golden/training_state with torch
itself, and what packages read from low_bit.pt into values.json.

    make_training_state.py [folder]        needs torch, bitsandbytes and torchao
                                           (scripts/peers-env torch==2.15.0 bitsandbytes==0.50.2 torchao==0.18.0)

The other files there were left by real runs (torch 2.15.0, accelerate 1.15.0, deepspeed 0.19.8, diffusers 0.42.1, two gloo
processes where ranks are told apart); values.json says what their own packages read from them.
"""
import json
import os
import pickle
import sys
from pathlib import Path

import bitsandbytes
import torch
import torch.distributed.checkpoint as dcp
import torchao.optim
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "training_state").absolute()


def model():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 4))


def stepped(make, parameters=None):
    net = model()
    optimizer = make(parameters(net) if parameters else net.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        (net(torch.ones(2, 4)) ** 2).sum().backward()
        optimizer.step()
    return optimizer


def matrices(net):
    return [p for p in net.parameters() if p.ndim == 2]


optim = torch.optim
classes = {
    "adamw": stepped(lambda p: optim.AdamW(p, amsgrad=True)), "adam": stepped(optim.Adam), "nadam": stepped(optim.NAdam),
    "radam": stepped(optim.RAdam), "adamax": stepped(optim.Adamax),
    "rmsprop": stepped(lambda p: optim.RMSprop(p, momentum=0.9, centered=True)), "adagrad": stepped(optim.Adagrad),
    "adadelta": stepped(optim.Adadelta), "sgd": stepped(lambda p: optim.SGD(p, lr=1e-3, momentum=0.9)),
    "adafactor": stepped(optim.Adafactor), "muon": stepped(optim.Muon, matrices),
    "muon_rms": stepped(lambda p: optim.Muon(p, adjust_lr_fn="match_rms_adamw"), matrices),
    "rprop": stepped(optim.Rprop),
}
classes = {name: o.state_dict() for name, o in classes.items()}


def written(entries, **options):
    """The state of an optimizer of another package, as its sources say it looks, for a 4 x 3 matrix."""
    return {"state": {0: entries}, "param_groups": [{"lr": 1e-3, **options, "params": [0]}]}


whole = torch.arange(12.0).reshape(4, 3)
classes["lion"] = written({"exp_avg": whole}, betas=(0.9, 0.99), weight_decay=0.0)
classes["came"] = written({"step": 2, "exp_avg": whole, "exp_avg_sq_row": torch.arange(4.0), "RMS": torch.tensor(0.5),
                           "exp_avg_sq_col": torch.arange(3.0), "exp_avg_res_row": torch.arange(4.0),
                           "exp_avg_res_col": torch.arange(3.0)}, eps=(1e-30, 1e-16), clip_threshold=1.0,
                          betas=(0.9, 0.999, 0.9999), weight_decay=0.0)
classes["schedule_free"] = written({"z": whole, "exp_avg_sq": whole}, betas=(0.9, 0.999), eps=1e-8, r=0.0, k=2,
                                   warmup_steps=0, train_mode=True, weight_sum=2.0, lr_max=1e-3, weight_lr_power=2.0,
                                   weight_decay=0.0, foreach=False)
prodigy = dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, d=1e-6, d0=1e-6, d_coef=1.0, growth_rate=1e9, k=2)
classes["prodigy"] = written({"step": 2, "s": torch.arange(12.0), "p0": torch.arange(12.0), "exp_avg": whole,
                              "exp_avg_sq": whole}, slice_p=1, **prodigy)
classes["some_of_prodigy"] = written({"step": 2, "s": torch.arange(2.0), "p0": torch.arange(2.0), "exp_avg": whole,
                                      "exp_avg_sq": whole}, slice_p=11, **prodigy)
classes["old_adam"] = written({"step": 2, "exp_avg": whole, "exp_avg_sq": whole}, betas=(0.9, 0.999), eps=1e-8,
                              weight_decay=0.01, amsgrad=False)
classes["old_adam_without_decay"] = written({"step": 2, "exp_avg": whole, "exp_avg_sq": whole}, betas=(0.9, 0.999),
                                            eps=1e-8, weight_decay=0, amsgrad=False)
classes["transformers"] = written({"step": 2, "exp_avg_sq_row": torch.arange(4.0), "exp_avg_sq_col": torch.arange(3.0),
                                   "RMS": 0.5}, eps=(1e-30, 1e-3), scale_parameter=True, relative_step=True,
                                  clip_threshold=1.0, beta1=None)
classes["bitsandbytes"] = written({"step": 2, "__bnb_optimizer_quant_state__": {"state1": whole}}, betas=(0.9, 0.999))
torch.save(classes, folder / "classes.pt")


def groups(net):
    """As trainers do it: biases without decay."""
    return [{"params": matrices(net), "weight_decay": 0.1},
            {"params": [p for p in net.parameters() if p.ndim < 2], "weight_decay": 0.0}]


def frozen(net):
    for p in net[0].parameters():
        p.requires_grad = False
    return net.parameters()


def alike(net):
    return [{"params": [net[0].bias]}, {"params": [net[1].weight, net[1].bias]}, {"params": [net[0].weight]}]


order = {
    "named": stepped(optim.AdamW, lambda net: net.named_parameters()), "groups": stepped(optim.AdamW, groups),
    "first_frozen": stepped(optim.AdamW, frozen), "alike": stepped(lambda p: optim.SGD(p, lr=1e-3), alike),
    "muon": stepped(optim.Muon, matrices), "beside_muon": stepped(optim.AdamW, lambda net: groups(net)[1]["params"]),
}
torch.save({name: o.state_dict() for name, o in order.items()}, folder / "order.pt")


def group(*params, **options):
    return {"lr": 1e-3, "momentum": 0.9, "dampening": 0, "weight_decay": 0, "nesterov": False, **options,
            "params": list(params)}


entry = {"momentum_buffer": whole}
torch.save({
    "stray": {"state": {0: entry, 7: entry}, "param_groups": [group(0)]},
    "twice": {"state": {0: entry}, "param_groups": [group(0), group(0)]},
    "names": {"state": {0: entry}, "param_groups": [group(0, 1, param_names=["a"])]},
    "one_name": {"state": {0: entry}, "param_groups": [group(0, 1, param_names=["a", "a"])]},
    "nameless": {"state": {0: {3: whole}}, "param_groups": [group(0)]},
    "nested": {"state": {0: {"momentum_buffer": {"packed": whole}}}, "param_groups": [group(0)]},
    "no_params": {"state": {}, "param_groups": [{"lr": 1e-3}]},
    "float_id": {"state": {}, "param_groups": [group(0.5)]},
    "none": {"state": {0: {"momentum_buffer": None}}, "param_groups": [group(0)]},
    "by_name": {"state": {"a": entry}, "param_groups": [group("a", "b")]},
}, folder / "broken.pt")

average = list(model().parameters())
torch.save({
    "ema_model": {"decay": 0.99, "min_decay": 0.0, "optimization_step": 3, "update_after_step": 0,
                  "use_ema_warmup": False, "inv_gamma": 1.0, "power": 2 / 3, "shadow_params": average},
    "averaged": torch.optim.swa_utils.AveragedModel(model()).state_dict(),
    "plain": model().state_dict(),
}, folder / "averages.pt")


def in_few_bits(make, rows, columns):
    torch.manual_seed(2)
    net = torch.nn.Linear(columns, rows)
    optimizer = make(net.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        (net(torch.randn(4, columns)) ** 2).sum().backward()
        optimizer.step()
    return optimizer


def seen(entry):
    numbers = entry.double().flatten()
    return {"dtype": "float32", "shape": list(entry.shape), "sum": numbers.sum().item(), "first": numbers[:4].tolist(),
            "last": numbers[-2:].tolist()}


def read_by_package(state):
    """The moments of a weight as the steps of its optimizer see them."""
    if "state1" not in state:
        return {key: state[key].dequantize().float() for key in ("exp_avg", "exp_avg_sq")}
    read = bitsandbytes.functional.dequantize_blockwise
    return {key: read(state[f"state{i}"], absmax=state[f"absmax{i}"], code=state[f"qmap{i}"], blocksize=256)
            for i, key in ((1, "exp_avg"), (2, "exp_avg_sq"))}


torch.compiler.set_stance("force_eager")  # torchao compiles its steps
low_bit = {
    "bitsandbytes": in_few_bits(lambda p: bitsandbytes.optim.AdamW8bit(p, min_8bit_size=600), 24, 30),
    "bitsandbytes_32": in_few_bits(bitsandbytes.optim.AdamW, 3, 4),
    "bitsandbytes_lion": in_few_bits(lambda p: bitsandbytes.optim.Lion8bit(p, min_8bit_size=600), 24, 30),
    "bitsandbytes_ademamix": in_few_bits(lambda p: bitsandbytes.optim.AdEMAMix8bit(p, min_8bit_size=600), 24, 30),
    "torchao_8": in_few_bits(torchao.optim.AdamW8bit, 64, 64), "torchao_4": in_few_bits(torchao.optim.AdamW4bit, 64, 64),
    "torchao_fp8": in_few_bits(torchao.optim.AdamWFp8, 64, 64),
}
torch.save({name: o.state_dict() for name, o in low_bit.items()}, folder / "low_bit.pt")
values = json.loads((folder / "values.json").read_text())
values["low_bit.pt"] = {f"{name}/{key}": seen(entry) for name, o in low_bit.items() if name in ("bitsandbytes", "torchao_8", "torchao_4", "torchao_fp8")
                        for key, entry in read_by_package(o.state[o.param_groups[0]["params"][0]]).items()}
lines = (f" {json.dumps(file)}: {{\n" + ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items()) + "\n }"
         for file, entries in values.items())
(folder / "values.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

net = model()
optimizer = optim.AdamW([{"params": net[0].parameters(), "lr": 1e-2}, {"params": net[1].parameters()}])
(net(torch.ones(2, 4)) ** 2).sum().backward()
optimizer.step()
flat = get_optimizer_state_dict(net, optimizer, options=StateDictOptions(flatten_optimizer_state_dict=True))
os.chdir(folder)  # the name stands in .metadata
dcp.save({"model": net.state_dict(), "optim": flat}, checkpoint_id="dcp_flat", no_dist=True)

# What .metadata of the folder dcp may say wrongly of a.weight. The last items give the files their sizes.
kept = {"model.a.weight", "optim.state.conv.bias.exp_avg_sq", "extra.list.2.x"}
(folder / "dcp_broken").mkdir(exist_ok=True)
for mistake in ("none", "overlap", "hole", "no_place", "no_values"):
    with open(folder / "dcp/.metadata", "rb") as file:
        metadata = pickle.load(file)
    metadata.planner_data = {k: v for k, v in metadata.planner_data.items() if k in kept}
    metadata.state_dict_metadata = {k: v for k, v in metadata.state_dict_metadata.items() if k in kept}
    places = {k: v for k, v in metadata.storage_data.items() if k.fqn in kept}
    second = [k for k in places if k.fqn == "model.a.weight" and k.offset[0] == 3][0]
    chunks = metadata.state_dict_metadata["model.a.weight"].chunks
    if mistake == "overlap":
        places[type(second)(second.fqn, torch.Size([2, 0]))] = places.pop(second)
        chunks[1].offsets = torch.Size([2, 0])
    if mistake == "hole":
        chunks.pop()
    if mistake == "no_place":
        places.pop(second)
    metadata.storage_data = None if mistake == "no_values" else places
    with open(folder / "dcp_broken" / f"{mistake}.metadata", "wb") as file:
        pickle.dump(metadata, file, protocol=4)
