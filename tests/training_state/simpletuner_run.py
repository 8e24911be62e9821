# SPDX-License-Identifier: MIT
"""A run of unmodified SimpleTuner on the CPU with its averages, stopped, grown by the tool and resumed.

Ten steps of a tiny Wan on clips of noise, which the trainer encodes by a tiny VAE and text encoder of random weights; saved by
the trainer, grown, ten more by the same trainer. It resumes twice: as it is, and with a tracker that gives the optimizer the
groups of param_groups.json, while what is new rests."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from documented import documented
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
STEPS = 10  # before the growth, and after it
SIDE, FRAMES, CHANNELS = 64, 9, 16
TRACKER = "losses_and_groups"
WEIGHTS = "diffusion_pytorch_model.safetensors"
SIZES = dict(num_attention_heads=2, attention_head_dim=12, ffn_dim=48, text_dim=16, num_layers=3)
CONFIG = dict(**SIZES, in_channels=CHANNELS, out_channels=CHANNELS)


def clips(folder):
    """A clip of noise with its caption, eight times: the trainer finds clips, and encodes those of a batch, in any order."""
    import imageio

    folder.mkdir()
    coarse = torch.rand(FRAMES, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    frames = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE)).mul(255).byte().permute(0, 2, 3, 1)
    for i in range(8):
        imageio.mimwrite(folder / f"{i}.mp4", list(frames.numpy()), fps=8, macro_block_size=None)
        (folder / f"{i}.txt").write_text("a clip of noise")


def tokenizer_of(words):
    """Of whole words, as a tokenizer of T5."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import T5TokenizerFast

    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + [(f"\u2581{w}", -1.0) for w in words]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return T5TokenizerFast(tokenizer_object=tokenizer, extra_ids=0)


def pipeline(folder):
    """What the trainer takes for a pipeline of Wan, with random weights."""
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(2)
    WanTransformer3DModel(**CONFIG).save_pretrained(folder / "transformer")
    one = dict(latents_mean=[0.0] * CHANNELS, latents_std=[1.0] * CHANNELS)
    AutoencoderKLWan(base_dim=8, z_dim=CHANNELS, num_res_blocks=1, **one).save_pretrained(folder / "vae")
    words = ["a", "clip", "of", "noise"]
    small = dict(vocab_size=len(words) + 3, d_model=CONFIG["text_dim"], d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    UMT5EncoderModel(UMT5Config(**small)).save_pretrained(folder / "text_encoder")
    tokenizer_of(words).save_pretrained(folder / "tokenizer")
    FlowMatchEulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    parts = {
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLWan"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "T5TokenizerFast"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    }
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "WanPipeline", **parts}))
    return folder


class Trainer:
    def __init__(self, work):
        trackers = Path(find_spec("simpletuner").origin).parent / "custom-trackers"  # where it looks for those of its users
        trackers.mkdir(exist_ok=True)
        shutil.copy(HERE / "simpletuner_tracker.py", trackers / f"{TRACKER}.py")
        self.work = work
        self.base = pipeline(work / "pipeline")
        clips(work / "clips")
        data = [
            {
                "id": "clips",
                "type": "local",
                "dataset_type": "video",
                "instance_data_dir": str(work / "clips"),
                "cache_dir_vae": str(work / "latents"),
                "caption_strategy": "textfile",
                "resolution": SIDE,
                "resolution_type": "pixel",
                "minimum_image_size": 0,
                "repeats": 20,
                "video": {"num_frames": FRAMES, "min_frames": FRAMES},
            },
            {
                "id": "captions",
                "type": "local",
                "dataset_type": "text_embeds",
                "default": True,
                "cache_dir": str(work / "captions"),
            },
        ]
        (work / "data.json").write_text(json.dumps(data))

    def run(self, name, transformer, steps, restore=None, groups=None):
        """The folder that it saved last, and the loss of every step."""
        folder = self.work / name
        out = folder / "out"
        out.mkdir(parents=True)
        if restore:
            shutil.copytree(restore, out / f"checkpoint-{STEPS}")
        config = {
            "model_family": "wan",
            "model_type": "full",
            "model_flavour": "t2v-480p-1.3b-2.1",
            "pretrained_model_name_or_path": str(self.base),
            "pretrained_transformer_model_name_or_path": str(transformer),
            "output_dir": str(out),
            "cache_dir": str(folder / "cache"),
            "data_backend_config": str(self.work / "data.json"),
            "resume_from_checkpoint": f"checkpoint-{STEPS}" if restore else "",
            "seed": 1,
            "mixed_precision": "no",
            "optimizer": "torch-adamw",
            "learning_rate": 1e-3,
            "lr_scheduler": "constant",
            "lr_warmup_steps": 0,
            "max_grad_norm": 0,  # growth changes the norm of all gradients
            "train_batch_size": 4,
            "num_train_epochs": 0,
            "max_train_steps": steps,
            "checkpoint_step_interval": STEPS,
            "vae_cache_disable": True,  # latents of a cache are pinned, which asks for a GPU
            "caption_dropout_probability": 0,
            "use_ema": True,
            "ema_cpu_only": True,
            "disable_benchmark": True,
            "disable_bucket_pruning": True,
            "validation_disable": True,
            "aspect_bucket_alignment": 32,
            "resolution": SIDE,
            "resolution_type": "pixel",
            "report_to": "custom-tracker",
            "custom_tracker": TRACKER,
        }
        (folder / "config.json").write_text(json.dumps(config))
        own = {"CONFIG_BACKEND": "json", "CONFIG_PATH": str(folder / "config.json"), "PYTHONPATH": str(HERE)}
        quiet = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        if groups:
            own["GROWN_GROUPS"] = str(groups)
        said = subprocess.run(
            [sys.executable, "-m", "simpletuner.train"],
            env={**os.environ, **quiet, **own},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        saved, told = out / f"checkpoint-{steps}", folder / "losses.jsonl"
        if said.returncode or not (saved / "optimizer.bin").exists() or "Could not load EMA" in said.stdout:
            raise SystemExit(f"{name}: the trainer stopped, or went on without its averages:\n{said.stdout[-4000:]}")
        return saved, dict(json.loads(line) for line in told.read_text().splitlines())


def parameter_order(config, work):
    """A file with the names of the parameters in the order of the trainer's own class, a line each."""
    names = """
import json, sys, torch
from simpletuner.helpers.models.wan.transformer import WanTransformer3DModel
with torch.device("meta"):
    model = WanTransformer3DModel(**json.loads(sys.argv[1]))
open("order.txt", "w").write("\\n".join(name for name, _ in model.named_parameters()))
"""
    subprocess.run([sys.executable, "-c", names, json.dumps(config)], cwd=work, check=True, capture_output=True)
    return work / "order.txt"


def new_parameters(grown):
    """Those of blocks that the growth put in: their last layer is zero."""
    weights = load_file(grown / "transformer" / WEIGHTS)
    closed = [n.split(".ffn.")[0] + "." for n, t in weights.items() if n.endswith("ffn.net.2.weight") and not t.any()]
    return [n for n in weights if n.startswith(tuple(closed))] if closed else []


def groups(grown, file):
    """param_groups.json, and new parameters as a group that does not move."""
    told = json.loads((grown / "param_groups.json").read_text())["optimizer.bin"]
    new = new_parameters(grown)
    for group in told["groups"]:
        group["params"] = [n for n in group["params"] if n not in new]
    if new:
        told["groups"].append({"group": 0, "factors": {"lr": 0.0}, "params": new})
    file.write_text(json.dumps(told))
    return file


def grow(tool, folder, out, order, how):
    said = subprocess.run([tool, "grow", folder, out, "--json", "--parameter-order", order, *how], capture_output=True, text=True)
    if said.returncode:
        raise SystemExit(f"{out.name}: {said.stderr}")
    return json.loads(said.stdout)["trajectory"]


def off(weights, expected, new):
    """How far weights that are not new are from those that they should be, by the largest of all numbers."""
    a, b = load_file(weights), load_file(expected)
    if a.keys() != b.keys():
        raise SystemExit(f"{weights}: tensors of other names than {expected}")
    return max((a[n] - b[n]).abs().max().item() for n in a if n not in new) / max(t.abs().max().item() for t in b.values())


def rows(tool, work, growths):
    """As those of check_trainer.py, and how far weights and averages are in the end from what ends without the growth, grown."""
    trainer = Trainer(work)
    order = parameter_order(CONFIG, work)
    run, before = trainer.run("begin", trainer.base, STEPS)
    end, stayed = trainer.run("stayed", trainer.base, 2 * STEPS, run)
    yield "none", "", before, stayed, stayed, None
    for growth, how in growths.items():
        grown = work / f"grown-{growth}"
        claim = grow(tool, run, grown, order, how)
        documented("shadow", "shadow")(run, grown)
        grow(tool, end, work / f"end-{growth}", order, how)
        told = groups(grown, work / f"groups-{growth}.json")
        _, alone = trainer.run(f"alone-{growth}", grown, 2 * STEPS, grown)
        last, rates = trainer.run(f"told-{growth}", grown, 2 * STEPS, grown, told)
        ends, new = work / f"end-{growth}/transformer", new_parameters(grown)
        weights = off(last / "transformer" / WEIGHTS, ends / WEIGHTS, new)
        averages = off(last / "transformer_ema" / WEIGHTS, ends / "transformer_ema" / WEIGHTS, new)
        yield growth, claim, stayed, alone, rates, (weights, averages)
