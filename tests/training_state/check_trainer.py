# SPDX-License-Identifier: MIT
"""A run of an unmodified trainer on the CPU, stopped, grown by the tool and resumed, against the run that did not grow.

SimpleTuner is run in simpletuner_run.py, NeMo AutoModel here: ten steps of a tiny Wan on latents and embeddings of noise, saved
by the trainer, grown, ten more by the same trainer. It resumes twice: as it is, and with an optimizer that takes the groups of
param_groups.json, while what is new rests."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import simpletuner_run
import torch
import yaml
from diffusers import WanTransformer3DModel
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from trainer_optimizer import OPTIMIZER

HERE = Path(__file__).resolve().parent
STEPS = 10  # before the growth, and after it
WIDER, DEEPER = ["--net2wider", "space=ffn,times=2"], ["--insert-blocks", "every=1"]
GROWTHS = {"wider": WIDER, "deeper": DEEPER, "both": DEEPER + WIDER}
CONFIG = dict(num_attention_heads=2, attention_head_dim=12, ffn_dim=48, text_dim=16, in_channels=4, out_channels=4, num_layers=3)
EXACT = 1e-6  # relative; the trainer prints six decimals


def data(folder):
    """Clips as the trainer caches them: latents and embeddings of the text."""
    folder.mkdir()
    g = torch.Generator().manual_seed(1)
    for i in range(8):
        clip = {"text_embeddings": torch.randn(1, 6, 16, generator=g), "video_latents": torch.randn(1, 4, 3, 8, 8, generator=g)}
        torch.save(clip, folder / f"{i}.meta")
    return folder


def base_of(config, folder):
    """The folder that the trainer takes sizes from; it makes random weights by itself."""
    (folder / "transformer").mkdir(parents=True)
    (folder / "transformer/config.json").write_text(config)
    return folder


class Trainer:
    def __init__(self, work, ranks):
        self.work, self.ranks, self.data = work, ranks, data(work / "data")

    def run(self, name, base, steps, restore=None, optimizer=None):
        """The folder that it saved, and the loss of every step."""
        out = self.work / f"out-{name}"
        config = {
            "recipe": "nemo_automodel.recipes.diffusion.train.TrainDiffusionRecipe",
            "seed": 1,
            "dist_env": {"backend": "gloo", "timeout_minutes": 5},
            "model": {
                "pretrained_model_name_or_path": str(base),
                "mode": "pretrain",
                "pipeline_spec": {"transformer_cls": "WanTransformer3DModel", "subfolder": "transformer"},
                "torch_dtype": "float32",
                "compute_dtype": "float32",
            },
            "optimizer": {"_target_": "torch.optim.AdamW", **(optimizer or {}), "lr": 1e-3, "weight_decay": 0.01},
            "clip_grad_norm": {"max_norm": 1e9},  # growth changes the norm of all gradients
            "fsdp": {"activation_checkpointing": False},
            "flow_matching": {"adapter_type": "simple"},
            "step_scheduler": {
                "global_batch_size": 4,
                "local_batch_size": 4 // self.ranks,
                "num_epochs": 100,
                "max_steps": steps,
                "ckpt_every_steps": 1000,
                "save_checkpoint_every_epoch": False,
            },
            "data": {
                "dataloader": {
                    "_target_": "nemo_automodel.components.datasets.diffusion.meta_files_dataset.build_dataloader",
                    "meta_folder": str(self.data),
                    "num_workers": 0,
                }
            },
            "checkpoint": {
                "enabled": True,
                "checkpoint_dir": str(out),
                "model_save_format": "torch_save",
                "save_consolidated": False,
                **({"restore_from": str(restore)} if restore else {}),
            },
        }
        file = self.work / f"{name}.yaml"
        file.write_text(yaml.safe_dump(config))
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={self.ranks}"]
        quiet = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        own = {"NEMO_ENABLE_USER_MODULES": "1", "PYTHONPATH": str(HERE)} if optimizer else {}
        said = subprocess.run(
            [*launch, "-m", "nemo_automodel.cli.app", file],
            env={**os.environ, **quiet, **own},
            cwd=self.work,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        losses = {int(step): float(loss) for step, loss in re.findall(r"\[TRAIN\] step=(\d+) epoch=\d+ loss=(\S+)", said.stdout)}
        saved = list(out.glob("epoch_*_step_*"))
        if said.returncode or len(saved) != 1:
            raise SystemExit(f"{name}: the trainer stopped:\n{said.stdout[-4000:]}")
        return saved[0], losses


def new_parameters(grown):
    """Those of blocks that the growth put in: their last layer is zero."""
    with tempfile.NamedTemporaryFile() as file:
        dcp_to_torch_save(grown / "model", file.name)
        tensors = torch.load(file.name, weights_only=True)
    closed = [n.split(".ffn.")[0] + "." for n, t in tensors.items() if n.endswith("ffn.net.2.weight") and not t.any()]
    return [n for n in tensors if n.startswith(tuple(closed))] if closed else []


def groups(grown, file):
    """param_groups.json, and new parameters as a group that does not move."""
    told = json.loads((grown / "param_groups.json").read_text())
    new = new_parameters(grown)
    own = told[OPTIMIZER]["groups"]
    for group in own:
        group["params"] = [n for n in group["params"] if n not in new]
    if new:
        own.append({"group": 0, "factors": {"lr": 0.0}, "params": new})
    file.write_text(json.dumps(told))
    return file


def apart(stayed, losses):
    if stayed.keys() != losses.keys():
        raise SystemExit(f"steps {sorted(losses)} instead of {sorted(stayed)}")
    return max(abs(losses[s] - stayed[s]) for s in stayed) / max(map(abs, stayed.values()))


def rows(tool, work, ranks):
    trainer = Trainer(work, ranks)
    config = WanTransformer3DModel(**CONFIG).to_json_string()
    base = base_of(config, work / "base")
    run, before = trainer.run("begin", base, STEPS)
    saved, stayed = trainer.run("stayed", base, 2 * STEPS, run)
    yield "none", "", before, stayed, stayed, None
    (run / "config.json").write_text(config)
    for growth, how in GROWTHS.items():
        grown = work / f"grown-{growth}"
        said = subprocess.run([tool, "grow", run, grown, "--json", *how], capture_output=True, text=True)
        if said.returncode:
            raise SystemExit(f"{growth}: {said.stderr}")
        base = base_of((grown / "config.json").read_text(), work / f"base-{growth}")
        optimizer = {"_target_": f"{HERE / 'trainer_optimizer.py'}:adamw", "groups": str(groups(grown, work / f"groups-{growth}.json"))}
        _, alone = trainer.run(f"alone-{growth}", base, 2 * STEPS, grown)
        _, told = trainer.run(f"told-{growth}", base, 2 * STEPS, grown, optimizer)
        yield growth, json.loads(said.stdout)["trajectory"], stayed, alone, told, None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--trainer", choices=["automodel", "simpletuner"], default="automodel")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2], help="of automodel")
    options = parser.parse_args()
    simpletuner = options.trainer == "simpletuner"
    wrong = []
    for ranks in [1] if simpletuner else options.ranks:
        with tempfile.TemporaryDirectory() as work:
            of = (Path(options.tool).resolve(), Path(work))
            found = simpletuner_run.rows(*of, GROWTHS) if simpletuner else rows(*of, ranks)
            for growth, claim, stayed, alone, told, ends in found:
                if growth == "none":
                    print(f"{ranks} rank(s): losses before {list(stayed.values())}", flush=True)
                    print(f"{ranks} rank(s): resumed, not grown {list(alone.values())}", flush=True)
                    continue
                first = min(stayed)
                off = apart({first: stayed[first]}, {first: alone[first]}), apart(stayed, alone), apart(stayed, told)
                print(
                    f"{ranks} rank(s), {growth}: claimed {claim}; off at the first step {off[0]:.0e}, at most {off[1]:.0e}; "
                    f"with the groups, what is new at rest {off[2]:.0e}",
                    flush=True,
                )
                if ends:
                    print(f"    in the end weights are off by {ends[0]:.0e}, averages by {ends[1]:.0e}", flush=True)
                print(f"    {list(alone.values())}\n    {list(told.values())}", flush=True)
                left = off[2] > EXACT or (ends and ends[1] > ends[0])  # a mean is not off by more than what it is of
                if off[0] > EXACT or (claim.startswith("EXACT") and left):
                    wrong.append(f"{ranks} rank(s), {growth}")
    if wrong:
        raise SystemExit("these leave the trajectory that is claimed: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
