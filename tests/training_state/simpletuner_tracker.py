# SPDX-License-Identifier: MIT
"""A tracker as users of SimpleTuner write them: keeps the losses, and gives the optimizer of a grown run its groups."""

import json
import os
from pathlib import Path

from accelerate.tracking import GeneralTracker
from documented import documented
from simpletuner.helpers.training.state_tracker import StateTracker


class LossesAndGroups(GeneralTracker):
    name = "losses_and_groups"
    requires_logging_directory = False

    def __init__(self, run_name):
        super().__init__()
        file = os.environ.get("GROWN_GROUPS")
        self.groups = json.loads(Path(file).read_text())["groups"] if file else []

    @property
    def tracker(self):
        return self

    def store_init_configuration(self, values):  # after the trainer has resumed; it does so twice
        groups, self.groups = self.groups, []
        if not groups:
            return
        accelerator = StateTracker.get_accelerator()
        optimizer, scheduler = accelerator._optimizers[0].optimizer, accelerator._schedulers[0].scheduler
        documented("hook", "regroup")(optimizer, groups, accelerator.unwrap_model(accelerator._models[0]))
        scheduler.base_lrs = [group["lr"] for group in optimizer.param_groups]  # it was made before the groups
        scheduler.lr_lambdas = scheduler.lr_lambdas[:1] * len(scheduler.base_lrs)

    def log(self, values, step=None, **options):
        with open("losses.jsonl", "a") as file:
            print(json.dumps([step, values["train_loss"]]), file=file)
