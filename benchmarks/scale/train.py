# SPDX-License-Identifier: MIT
"""A training step by two ranks of one thread, by one process of two threads, and by PyTorch's DistributedDataParallel on two
processes, in turn, into one JSON.

Run by scripts/bench-scale train. All share one batch of the same model; every measurement is a run of its own.
"""
from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
for folder in (HERE, HERE.parent / "disk", HERE.parent / "peers"):
    sys.path.insert(0, str(folder))
import machine  # noqa: E402
from compare_step import SIZES  # noqa: E402
from growth import ENVIRONMENT  # noqa: E402
from table import put_between_marks  # noqa: E402

# Ranks copy from each other's memory where the system lets them.
RANKS = {name: value for name, value in ENVIRONMENT.items() if "single_copy" not in name}
SIDES = ["threads", "whole", "sharded", "torch"]
GOALS = {"of_threads": 0.95, "waited": 0.10, "over_torch": 1.2}
MARKS = ("<!-- bench-scale train: written by scripts/bench-scale train --write-docs -->", "<!-- /bench-scale train -->")


def command_of(side: str, size: tuple[int, ...], o: argparse.Namespace) -> tuple[list[str], int]:
    """What is run, and with how many threads a process."""
    hidden, depth, heads, batch = size
    counts = [str(o.steps), str(o.warmup)]
    if side == "torch":
        start = [o.python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "bench_step.py", "--ddp"]
        model = ["--one", f"{hidden}x{depth}x{batch}", "--head-dim", str(hidden // heads), "--text-width", "96", "--caption-tokens", "24"]
        return [*start, *model, "--threads", "1", "--steps", counts[0], "--warmup", counts[1]], 1
    program = [o.program, "x".join(map(str, size)), *counts]
    return (program, 2) if side == "threads" else ([o.mpirun, "-n", "2", *program, side], 1)


def measure(side: str, size: tuple[int, ...], o: argparse.Namespace) -> dict:
    command, threads = command_of(side, size, o)
    env = os.environ | RANKS | {"OMP_NUM_THREADS": str(threads), "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=HERE.parent / "peers")
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]) | {"side": side}


def ratios(by: dict[str, dict]) -> dict:
    """Throughputs of the ranks over that of the threads and of torch, and the share of a step that they wait."""
    found = {}
    for side in ("whole", "sharded"):
        ours = by[side]["median_s"]
        found[side] = {"of_threads": by["threads"]["median_s"] / ours, "over_torch": by["torch"]["median_s"] / ours,
                       "waited": by[side]["waited_s"] / ours, "least_waited": by[side]["least_waited_s"] / ours}  # fmt: skip
    return found


def measure_size(name: str, size: tuple[int, ...], o: argparse.Namespace) -> dict:
    entries = []
    for round_ in range(o.rounds):
        for side in random.Random(f"{name} {round_}").sample(SIDES, len(SIDES)):
            entries.append(measure(side, size, o) | {"round": round_})
            print(f"round {round_ + 1} of {o.rounds}  {name}/{side:8} {entries[-1]['median_s']:.4f} s a step", flush=True)
    by = {side: {key: statistics.median(e[key] for e in entries if e["side"] == side)
                 for key in ("median_s", "waited_s", "least_waited_s") if side in ("whole", "sharded") or key == "median_s"}
          for side in SIDES}  # fmt: skip
    return {"name": name, "size": "x".join(map(str, size)), "parameters": entries[0]["parameters"], "batch": size[3],
            "sides": by, "ratios": ratios(by), "measurements": entries}  # fmt: skip


def table(report: dict) -> str:
    lines = ["| model, clips a step | 1 process, 2 threads | 2 ranks, `whole` | 2 ranks, `sharded` | torch DDP, gloo |", "|---|---|---|---|---|"]
    for r in report["results"]:
        cells = [f"{r['name']}, {r['parameters'] / 1e6:.1f} M, {r['batch']}"]
        for side in SIDES:
            speed = r["batch"] / r["sides"][side]["median_s"]
            of = r["ratios"].get(side)
            more = f" ({of['of_threads']:.2f} of 1 process, {of['over_torch']:.2f} x torch; waits {100 * of['waited']:.0f} %)" if of else ""
            cells.append(f"{speed:.1f}{more}")
        lines.append("| " + " | ".join(cells) + " |")
    m = report["machine"]
    told = f"{report['date']}, {m['processor']}, {m['cores']} cores, torch {report['torch']}; medians of {report['rounds']} rounds of {report['steps']} steps."
    return "\n".join([*lines, "", told]) + "\n"


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="scripts/bench-scale train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True, help=argparse.SUPPRESS)
    p.add_argument("--python", required=True, help=argparse.SUPPRESS)
    p.add_argument("--mpirun", default="mpirun")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--steps", type=int, default=12, help="timed steps a run")
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--out", type=Path, default=ROOT / "out/benchmarks/scale-train.json")
    p.add_argument("--write-docs", action="store_true", help="put the table between the marks of docs/results.md")
    return p.parse_args()


def main() -> None:
    o = options()
    results = [measure_size(name, size, o) for name, size in SIZES.items()]
    torch = next(e["torch"] for e in results[0]["measurements"] if e["side"] == "torch")
    report = {"command": "scripts/bench-scale train", "date": datetime.date.today().isoformat(), "machine": machine.machine(ROOT),
              "commit": machine.commit(ROOT), "torch": torch.partition("+")[0], "rounds": o.rounds, "steps": o.steps, "goals": GOALS,
              "results": results}  # fmt: skip
    o.out.parent.mkdir(parents=True, exist_ok=True)
    o.out.write_text(json.dumps(report, indent=1) + "\n")
    for r in results:
        for side, of in r["ratios"].items():
            print(f"{r['name']}, {side}: {of['of_threads']:.2f} of the throughput of 1 process of 2 threads (goal: {GOALS['of_threads']}), "
                  f"waits {100 * of['waited']:.1f} % of a step, the rank that waits least {100 * of['least_waited']:.1f} % "
                  f"(goal: {100 * GOALS['waited']:.0f} %), {of['over_torch']:.2f} x DDP (goal: {GOALS['over_torch']})")  # fmt: skip
    print(f"written to {o.out}")
    if o.write_docs:
        put_between_marks(ROOT / "docs/results.md", table(report), MARKS)


if __name__ == "__main__":
    main()
