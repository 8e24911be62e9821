# SPDX-License-Identifier: MIT
"""A run of DeepSpeed on the CPU: save_checkpoint and load_checkpoint, by the processes of a group."""

import json
import os

import torch.distributed as dist
from optimizers import OPTIMIZERS
from stores import Store, empty, regroup
from tiny_run import STEPS, build, losses, new_parameters


class Zero(Store):
    """Of one stage. New parameters rest by gradients of zero, since DeepSpeed steps whole groups."""

    def __init__(self, stage):
        self.stage = stage
        self.name = f"DeepSpeed ZeRO-{stage}"

    def begin(self, run, folder):
        engine = self.engine(build(), OPTIMIZERS[run])
        losses(engine, [engine], range(STEPS))
        engine.save_checkpoint(folder, tag="last")
        if dist.get_rank() == 0:
            engine.module.save_config(folder)
        return losses(engine, [engine], range(STEPS, 2 * STEPS))

    def losses_of(self, run, folder, way):
        model = empty(folder)
        listed = json.loads((folder / "param_groups.json").read_text())["optimizer"]["groups"]
        engine = self.engine(model, OPTIMIZERS[run], listed if way.groups else [])
        try:
            engine.load_checkpoint(folder, load_optimizer_states=way.moments)
        except (ValueError, RuntimeError):  # another number of groups
            if way.groups or not listed:
                raise
            return None
        at_rest = self.new(engine) if way.at_rest else ()
        for name, p in model.named_parameters():
            if name in at_rest:
                p.register_hook(lambda gradient: gradient * 0)
        return losses(engine, [engine], range(STEPS, 2 * STEPS))

    def engine(self, model, make, groups=()):
        rank, ranks = str(dist.get_rank()), str(dist.get_world_size())
        os.environ.update(DS_ACCELERATOR="cpu", RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=ranks, LOCAL_SIZE=ranks)
        import deepspeed

        (optimizer,) = make(list(model.named_parameters()))
        regroup()(optimizer, groups, model)
        settings = {"stage": self.stage, "reduce_bucket_size": 10**5, "allgather_bucket_size": 10**5}  # not of 2 GB
        if self.stage == 3:
            settings["stage3_param_persistence_threshold"] = 0
        config = {
            "train_micro_batch_size_per_gpu": 1,
            "zero_optimization": settings,
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
            "gradient_clipping": 0.0,
        }
        deepspeed.init_distributed(dist_backend="gloo")
        return deepspeed.initialize(model=model, optimizer=optimizer, config=config)[0]

    def new(self, engine):
        if self.stage < 3:
            return new_parameters(engine.module)
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(engine.module.parameters())):
            return new_parameters(engine.module)
