# SPDX-License-Identifier: MIT
"""How a run is saved, and how it goes on in a grown folder: torch.save, accelerate, torch.distributed.checkpoint."""

import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import torch.multiprocessing as mp
from accelerate import Accelerator
from diffusers import WanTransformer3DModel
from documented import documented
from optimizers import OPTIMIZERS
from tiny_run import STEPS, build, losses, new_parameters
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard



class Way(NamedTuple):
    """How a grown run goes on: with the saved moments, the groups of param_groups.json, and what is new at rest."""

    moments: bool = True
    groups: bool = True
    at_rest: bool = True


WAYS = {
    "grown": Way(),
    "without the groups": Way(groups=False),
    "without moments": Way(moments=False, groups=False),
    "what is new trained, too": Way(at_rest=False),
}


def regroup():
    """The lines of the documentation."""
    return documented("hook", "regroup")


def file_of(i):
    return f"optimizer_{i}.bin" if i else "optimizer.bin"


def empty(folder):
    return WanTransformer3DModel.from_config(WanTransformer3DModel.load_config(folder))


class Store:
    def begin(self, run, folder):
        """Trains, saves, and trains on; the losses after that."""
        model = self.made(build(run))
        optimizers = OPTIMIZERS[run](list(model.named_parameters()))
        losses(model, optimizers, range(STEPS))
        self.save(model, optimizers, folder)
        return losses(model, optimizers, range(STEPS, 2 * STEPS))

    def go_on(self, run, folder):
        """The losses of a grown run in each of the WAYS."""
        return [self.losses_of(run, folder, way) for way in WAYS.values()]

    def losses_of(self, run, folder, way):
        model, optimizers = self.load(OPTIMIZERS[run], folder, way.moments)
        files = json.loads((folder / "param_groups.json").read_text())
        for i, o in enumerate(optimizers if way.groups else ()):
            regroup()(o, files.get(file_of(i), files.get("optim"))["groups"], model)
        return losses(model, optimizers, range(STEPS, 2 * STEPS), new_parameters(model) if way.at_rest else ())

    def made(self, model):
        return model


class Plain(Store):
    """torch.save beside save_pretrained."""

    name = "torch.save"

    def save(self, model, optimizers, folder):
        model.save_pretrained(folder)
        for i, o in enumerate(optimizers):
            torch.save(o.state_dict(), folder / file_of(i))

    def load(self, make, folder, moments):
        model = WanTransformer3DModel.from_pretrained(folder)
        optimizers = make(list(model.named_parameters()))
        for i, o in enumerate(optimizers if moments else ()):
            o.load_state_dict(torch.load(folder / file_of(i), weights_only=True))
        return model, optimizers


class Accelerate(Store):
    """Accelerator.save_state and load_state."""

    name = "accelerate"

    def save(self, model, optimizers, folder):
        accelerator = Accelerator(cpu=True)
        accelerator.prepare(model, *optimizers)
        accelerator.save_state(folder)
        model.save_config(folder)

    def load(self, make, folder, moments):
        model = empty(folder)
        optimizers = make(list(model.named_parameters()))
        accelerator = Accelerator(cpu=True)
        model, *prepared = accelerator.prepare(model, *optimizers)
        accelerator.load_state(folder)
        return (model, optimizers) if moments else (model, make(list(model.named_parameters())))


class Distributed(Store):
    """torch.distributed.checkpoint, of one process."""

    name = "DCP"
    how = dict(no_dist=True)

    def save(self, model, optimizers, folder):
        weights, state = get_state_dict(model, optimizers)
        dcp.save({"model": weights, "optim": state}, checkpoint_id=folder, **self.how)
        model.save_config(folder)

    def load(self, make, folder, moments):
        model = self.made(empty(folder))
        optimizers = make(list(model.named_parameters()))
        weights, state = get_state_dict(model, optimizers)
        dcp.load({"model": weights, "optim": state}, checkpoint_id=folder, **self.how)
        set_state_dict(model, optimizers, model_state_dict=weights, optim_state_dict=state)
        return (model, optimizers) if moments else (model, make(list(model.named_parameters())))


class Sharded(Distributed):
    """The same with FSDP2, of the processes of a group."""

    name = "DCP, FSDP2"
    how = {}

    def made(self, model):
        for block in model.blocks:
            fully_shard(block)
        return fully_shard(model)


def in_process(rank, ranks, store, method, arguments, found):
    dist.init_process_group("gloo", init_method=f"file://{found}.group", rank=rank, world_size=ranks)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # tensors are tiny
    result = getattr(store, method)(*arguments)
    if rank == 0:
        found.write_text(json.dumps(result))
    dist.destroy_process_group()


class OnTwoRanks:
    """What a store does, done by two processes that talk over the loopback interface (gloo)."""

    ranks = 2

    def __init__(self, store):
        self.store = store
        self.name = f"{store.name} on two ranks"

    def begin(self, run, folder):
        return self.together("begin", run, folder)

    def go_on(self, run, folder):
        return self.together("go_on", run, folder)

    def together(self, method, *arguments):
        with tempfile.TemporaryDirectory() as work:
            found = Path(work) / "losses.json"
            mp.spawn(in_process, (self.ranks, self.store, method, arguments, found), nprocs=self.ranks)
            return json.loads(found.read_text())
