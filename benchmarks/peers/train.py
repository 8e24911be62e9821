# SPDX-License-Identifier: MIT
"""Trains the twin by rectified flow on captioned clips; logs validation loss against FLOPs as JSON lines."""
from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import json
import math
import resource
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import data
import stdit
import text

VALIDATION_SIGMAS = (0.1, 0.3, 0.5, 0.7, 0.9)


class TextToVideo(nn.Module):
    """Text encoder and video model: what is trained, saved and sampled as one."""

    def __init__(self, config: stdit.Config, text_depth: int = 2):
        super().__init__()
        width = config.caption_channels
        self.text = text.TextEncoder(width, text_depth, max(1, width // 32), config.model_max_length)
        self.video = stdit.STDiT(config)

    def forward(self, x: Tensor, sigma: Tensor, ids: Tensor, mask: Tensor, drop: Tensor | None = None) -> Tensor:
        return self.video(x, sigma * 1000.0, self.text(ids, mask), mask, drop)

    def flops(self, caption_tokens: int) -> float:
        """Forward FLOPs of one clip."""
        return stdit.forward_flops(self.video.config, caption_tokens) + text.forward_flops(self.text, caption_tokens)


def flow_pair(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Noisy clip (1 - sigma) x0 + sigma noise and velocity noise - x0."""
    s = sigma.view(-1, 1, 1, 1, 1)
    return (1 - s) * x0 + s * noise, noise - x0


@torch.no_grad()
def validation_loss(model: TextToVideo, clips: data.Clips, frames: int) -> dict[str, float]:
    """Velocity MSE over all clips at fixed sigmas with fixed noise."""
    generator = torch.Generator().manual_seed(1234)
    x0 = data.take(clips.frames, frames)
    noise = torch.randn(x0.shape, generator=generator)
    ids, mask = text.tokenize(clips.captions)
    losses = {}
    for sigma in VALIDATION_SIGMAS:
        total = 0.0
        for part in torch.arange(len(clips)).split(32):
            x, v = flow_pair(x0[part], noise[part], torch.full((len(part),), sigma))
            predicted = model(x, torch.full((len(part),), sigma), ids[part], mask[part])
            total += (predicted - v).square().mean(dim=(1, 2, 3, 4)).sum().item()
        losses[str(sigma)] = round(total / len(clips), 5)
    losses["mean"] = round(float(np.mean([losses[str(s)] for s in VALIDATION_SIGMAS])), 5)
    return losses


@torch.no_grad()
def sample(model: TextToVideo, captions: list[str], steps: int = 50, guidance: float = 3.0, seed: int = 0) -> Tensor:
    """Euler from sigma 1 to 0 with classifier-free guidance: [captions, 3, T, H, W] in [-1, 1]."""
    ids, mask = text.tokenize(captions)
    c, n = model.video.config, len(captions)
    x = torch.randn(n, c.in_channels, *c.input_size, generator=torch.Generator().manual_seed(seed))
    drop = torch.tensor([False] * n + [True] * n)
    sigmas = torch.linspace(1, 0, steps + 1)
    for sigma, following in zip(sigmas[:-1], sigmas[1:]):
        v = model(x.repeat(2, 1, 1, 1, 1), sigma.repeat(2 * n), ids.repeat(2, 1), mask.repeat(2, 1), drop)
        with_text, without = v.chunk(2)
        x = x + (following - sigma) * (without + guidance * (with_text - without))
    return x.clamp(-1, 1)


def contact_sheet(clips: Tensor, path: Path, scale: int = 3, every: int = 2) -> None:
    """One row a clip, every second frame, enlarged."""
    from PIL import Image

    pixels = ((clips + 1) * 127.5).round().byte()[:, :, ::every].permute(0, 3, 2, 4, 1)
    rows, height, frames, width, _ = pixels.shape
    image = Image.fromarray(pixels.reshape(rows * height, frames * width, 3).numpy())
    image.resize((image.width * scale, image.height * scale), Image.NEAREST).save(path)


def learning_rate(options: argparse.Namespace, done: float, step: int) -> float:
    """Warm-up over steps, then constant, cosine, or constant with a linear fall over the last part of the budget."""
    rate = options.lr * min(1.0, (step + 1) / options.warmup)
    if options.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * done))
    elif options.schedule == "decay":
        rate *= min(1.0, (1.0 - done) / options.decay_part)
    return rate


def parse() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", nargs="+", required=True, help="WebDataset tars")
    p.add_argument("--extra-data", nargs="*", default=[], help="tars whose training clips are added; never validated on")
    p.add_argument("--cache", help="folder for decoded clips")
    p.add_argument("--out", required=True, help="folder for log.jsonl, model.safetensors, samples.png")
    p.add_argument("--tflop", type=float, default=3.0, help="training budget, forward and backward")
    p.add_argument("--hidden", type=int, default=128)
    p.add_argument("--depth", type=int, default=4)
    p.add_argument("--head-dim", type=int, default=32)
    p.add_argument("--mlp-ratio", type=float, default=4.0)
    p.add_argument("--patch", type=int, nargs=3, default=[1, 4, 4])
    p.add_argument("--size", type=int, default=32)
    p.add_argument("--frames", type=int, default=8)
    p.add_argument("--text-width", type=int, default=64)
    p.add_argument("--text-depth", type=int, default=2)
    p.add_argument("--conv-temp", type=int, default=0, help="kernel of the temporal convolution")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--beta2", type=float, default=0.99)
    p.add_argument("--weight-decay", type=float, default=0.01)
    p.add_argument("--schedule", choices=["constant", "cosine", "decay"], default="constant")
    p.add_argument("--decay-part", type=float, default=0.2)
    p.add_argument("--warmup", type=int, default=100)
    p.add_argument("--clip", type=float, default=1.0)
    p.add_argument("--ema", type=float, default=0.999)
    p.add_argument("--sigma-mean", type=float, default=0.0)
    p.add_argument("--sigma-std", type=float, default=1.0)
    p.add_argument("--drop", type=float, default=0.1)
    p.add_argument("--all-frames", action="store_true", help="begin at a random frame of the stride")
    p.add_argument("--flip", action="store_true", help="mirror half of the clips whose caption names no side")
    p.add_argument("--evals", type=int, default=8)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--bf16", action="store_true", help="autocast matrix products")
    p.add_argument("--initial", help="model.safetensors to begin with")
    p.add_argument("--captions", nargs="*", default=[], help="captions to sample at the end")
    return p.parse_args()


def main() -> None:
    o = parse()
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    out = Path(o.out)
    out.mkdir(parents=True, exist_ok=True)
    train, validation = data.load(o.data, o.size, o.cache)
    for extra in o.extra_data:
        more, _ = data.load([extra], o.size, o.cache)
        train = data.Clips(train.keys + more.keys, train.captions + more.captions, np.concatenate([train.frames, more.frames]))

    config = stdit.Config(
        input_size=(o.frames, o.size, o.size), patch_size=tuple(o.patch), hidden_size=o.hidden, depth=o.depth,
        num_heads=o.hidden // o.head_dim, mlp_ratio=o.mlp_ratio, caption_channels=o.text_width,
        conv_temp_kernel=o.conv_temp,
    )  # fmt: skip
    model = TextToVideo(config, o.text_depth)
    if o.initial:
        from safetensors.torch import load_file

        model.load_state_dict(load_file(o.initial))
    ema = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=o.lr, betas=(0.9, o.beta2), weight_decay=o.weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(o.seed)
    order = np.random.default_rng(o.seed)
    stride = train.frames.shape[1] // o.frames
    autocast = lambda: torch.autocast("cpu", torch.bfloat16) if o.bf16 else contextlib.nullcontext()  # noqa: E731

    parameters = sum(p.numel() for p in model.video.parameters())
    text_parameters = sum(p.numel() for p in model.text.parameters())
    log = (out / "log.jsonl").open("w")

    def record(**entry) -> None:
        log.write(json.dumps(entry) + "\n")
        log.flush()
        print(json.dumps(entry), flush=True)

    record(parameters=parameters, text_parameters=text_parameters, train=len(train), validation=len(validation),
           gflop_per_clip=3 * model.flops(32) / 1e9, options=vars(o))  # fmt: skip
    budget, spent, step, seconds = o.tflop * 1e12, 0.0, 0, 0.0
    next_eval, losses, queue = 0.0, [], np.empty(0, dtype=int)
    while True:
        if spent >= next_eval * budget:
            with autocast():
                val = validation_loss(ema, validation, o.frames)
            record(step=step, tflop=spent / 1e12, clips=step * o.batch, seconds=round(seconds, 1),
                   train_loss=float(np.mean(losses)) if losses else None, val=val,
                   gflops=spent / 1e9 / max(seconds, 1e-9))  # fmt: skip
            next_eval, losses = next_eval + 1 / o.evals, []
        if spent >= budget:
            break
        begin = time.perf_counter()
        while len(queue) < o.batch:
            queue = np.concatenate([queue, order.permutation(len(train))])
        chosen, queue = queue[: o.batch], queue[o.batch :]
        x0 = data.take(train.frames[chosen], o.frames, int(order.integers(stride)) if o.all_frames else 0)
        captions = [train.captions[i] for i in chosen]
        if o.flip:
            turn = torch.tensor([order.random() < 0.5 and "left" not in c and "right" not in c for c in captions])
            x0[turn] = x0[turn].flip(-1)
        ids, mask = text.tokenize(captions)
        noise = torch.randn(x0.shape, generator=generator)
        sigma = torch.sigmoid(o.sigma_mean + o.sigma_std * torch.randn(o.batch, generator=generator))
        drop = torch.rand(o.batch, generator=generator) < o.drop
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(o, spent / budget, step)
        x, v = flow_pair(x0, noise, sigma)
        with autocast():
            predicted = model(x, sigma, ids, mask, drop)
        loss = (predicted.float() - v).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), o.clip)
        optimizer.step()
        step += 1
        decay = min(o.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - decay)
        losses.append(loss.item())
        spent += 3 * o.batch * model.flops(ids.shape[1])
        seconds += time.perf_counter() - begin

    from safetensors.torch import save_file

    save_file(model.state_dict(), out / "model.safetensors", {"config": json.dumps(dataclasses.asdict(config))})
    save_file(ema.state_dict(), out / "ema.safetensors", {"config": json.dumps(dataclasses.asdict(config))})
    record(peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if o.captions:
        with autocast():
            contact_sheet(sample(ema, o.captions).float(), out / "samples.png")


if __name__ == "__main__":
    main()
