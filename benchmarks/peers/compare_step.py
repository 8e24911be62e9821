# SPDX-License-Identifier: MIT
"""Times the training step of modelgrow and of the PyTorch twin in turn (A B A B ..) and writes one JSON with the ratio.

Run by scripts/bench-train-step. Every measurement is a process of its own with the same number of threads.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

SIZES = {"demo base": (96, 3, 3, 8), "larger": (384, 6, 6, 4)}  # hidden, depth, heads, batch
HERE = Path(__file__).parent


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def run(command: list[str], threads: int, cwd: Path | None = None) -> dict:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def summary(runs: list[dict]) -> dict:
    """Medians over the rounds; the spread is that of the rounds' medians."""
    seconds = [r["median_s"] for r in runs]
    rest = {key: statistics.median(r[key] for r in runs) for key in ("gflop_per_step", "peak_rss_mb", "parameters")}
    return {"median_s": statistics.median(seconds), "fastest_round_s": min(seconds), "slowest_round_s": max(seconds), **rest}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True, help="bench_train_step")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--steps", type=int, default=8, help="timed steps a round")
    p.add_argument("--warmup", type=int, default=2)
    o = p.parse_args()
    results = []
    for name, (hidden, depth, heads, batch) in SIZES.items():
        ours_command = [o.program, f"{hidden}x{depth}x{heads}x{batch}", str(o.steps), str(o.warmup)]
        twin_command = [sys.executable, "bench_step.py", "--one", f"{hidden}x{depth}x{batch}"]
        twin_command += ["--head-dim", str(hidden // heads), "--text-width", "96", "--caption-tokens", "24"]
        twin_command += ["--threads", str(o.threads), "--steps", str(o.steps), "--warmup", str(o.warmup)]
        ours, twin = [], []
        for i in range(o.rounds):
            ours.append(run(ours_command, o.threads))
            twin.append(run(twin_command, o.threads, HERE))
            print(f"{name}, round {i + 1}: modelgrow {ours[-1]['median_s']:.4f} s, torch {twin[-1]['median_s']:.4f} s")
        a, b = summary(ours), summary(twin)
        for side in (a, b):  # one count of operations for both: that of modelgrow, exact for the backward pass
            side["gflops"] = a["gflop_per_step"] / side["median_s"]
        results.append({"name": name, "size": ours[0]["size"], "modelgrow": a, "torch": b,
                        "speed_over_torch": b["median_s"] / a["median_s"],
                        "memory_over_torch": a["peak_rss_mb"] / b["peak_rss_mb"]})  # fmt: skip
        print(f"{name}: modelgrow is {results[-1]['speed_over_torch']:.2f} times as fast as torch {twin[0]['torch']}")
    o.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"command": "scripts/bench-train-step", "threads": o.threads, "rounds": o.rounds, "steps": o.steps,
              "processor": processor(), "torch": twin[0]["torch"], "results": results}  # fmt: skip
    o.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {o.out}")


if __name__ == "__main__":
    main()
