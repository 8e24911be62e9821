# SPDX-License-Identifier: MIT
"""Times one training step (forward, backward, AdamW) of the twin and prints JSON: median seconds, GFLOP/s, peak memory.

With --ddp it is one of several processes (torchrun starts them) that share the batch by DistributedDataParallel with gloo, and
the first of them prints. Each size is HIDDENxDEPTHxBATCH and runs in a process of its own, so that the peak resident memory belongs to it:
    bench_step.py --sizes 128x4x8 256x6x4 --threads 2
"""
from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch

import stdit
from train import TextToVideo, flow_pair


def measure(size: str, o: argparse.Namespace) -> dict:
    hidden, depth, batch = map(int, size.split("x"))
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    config = stdit.Config(
        input_size=tuple(o.clip), patch_size=tuple(o.patch), hidden_size=hidden, depth=depth,
        num_heads=hidden // o.head_dim, caption_channels=o.text_width,
    )  # fmt: skip
    model = TextToVideo(config)
    step_model = torch.compile(model) if o.compile else model
    if o.ddp:
        torch.distributed.init_process_group("gloo")
        batch //= torch.distributed.get_world_size()
        step_model = torch.nn.parallel.DistributedDataParallel(step_model, gradient_as_bucket_view=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    x0 = torch.rand(batch, 3, *o.clip) * 2 - 1
    ids = torch.randint(0, 256, (batch, o.caption_tokens))
    mask = torch.ones(batch, o.caption_tokens, dtype=torch.bool)
    drop = torch.zeros(batch, dtype=torch.bool)
    seconds = []
    begin_all = time.perf_counter()
    for i in range(o.warmup + o.steps):
        begin = time.perf_counter()
        sigma = torch.sigmoid(torch.randn(batch))
        x, v = flow_pair(x0, torch.randn_like(x0), sigma)
        loss = (step_model(x, sigma, ids, mask, drop) - v).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if i >= o.warmup:
            seconds.append(time.perf_counter() - begin)
        elif i == 0:
            first = time.perf_counter() - begin_all
    median = statistics.median(seconds)
    flops = 3 * batch * model.flops(o.caption_tokens)
    return {
        "size": size, "parameters": sum(p.numel() for p in model.parameters()), "gflop_per_step": flops / 1e9,
        "median_s": median, "fastest_s": min(seconds), "slowest_s": max(seconds), "gflops": flops / 1e9 / median,
        "first_step_s": first, "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "steps": o.steps, "threads": o.threads, "compile": o.compile, "ranks": torch.distributed.get_world_size() if o.ddp else 1, "torch": torch.__version__,
    }  # fmt: skip


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sizes", nargs="+", default=["128x4x8", "256x6x4"], metavar="HIDDENxDEPTHxBATCH")
    p.add_argument("--clip", type=int, nargs=3, default=[8, 32, 32], help="frames, height, width")
    p.add_argument("--patch", type=int, nargs=3, default=[1, 4, 4])
    p.add_argument("--head-dim", type=int, default=32)
    p.add_argument("--text-width", type=int, default=64)
    p.add_argument("--caption-tokens", type=int, default=32)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--compile", action="store_true", help="torch.compile the model")
    p.add_argument("--ddp", action="store_true", help="share the batch with the other processes; needs --one")
    p.add_argument("--one", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.one:
        found = measure(o.one, o)
        if not o.ddp or torch.distributed.get_rank() == 0:
            print(json.dumps(found))
        if o.ddp:
            torch.distributed.destroy_process_group()
        return
    results = []
    for size in o.sizes:
        run = subprocess.run([sys.executable, *sys.argv, "--one", size], check=True, capture_output=True, text=True)
        results.append(json.loads(run.stdout.splitlines()[-1]))
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
