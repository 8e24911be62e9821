# SPDX-License-Identifier: MIT
"""Runs of unmodified torch and diffusers, stopped, grown by the tool and continued, against the run that did not grow.

Twenty steps of a tiny Wan, saved, grown, loaded by the same classes, twenty more. What is new rests, as the claim asks for."""

import argparse
import json
import math
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from deepspeed_run import Zero
from documented import DOCS
from stores import WAYS, Accelerate, Distributed, OnTwoRanks, Plain, Sharded
from tiny_run import STEPS, build

WIDER, DEEPER = ["--net2wider", "space=ffn,times=2"], ["--insert-blocks", "every=1"]
GROWTHS = {"wider": WIDER, "deeper": DEEPER, "both": DEEPER + WIDER}

# How the runs of each optimizer are saved.
RUNS = {
    "AdamW": (Plain(), Accelerate(), Distributed(), OnTwoRanks(Sharded())),
    "AdamW, numbers only": (Plain(), Accelerate(), *(OnTwoRanks(Zero(stage)) for stage in (1, 2, 3))),
    "AdamW, fused": (Plain(), Accelerate(), Distributed()),
    "SGD": (Plain(), Distributed(), OnTwoRanks(Sharded())),
    "Adafactor, eps (1e-15, 1e-3)": (Plain(),),
    "Muon and AdamW": (Plain(), Accelerate()),
    "Lion": (Plain(), Accelerate()),
    "CAME": (Plain(), Accelerate()),
    "ScheduleFree": (Plain(), Accelerate()),
    "AdamW8bit of bitsandbytes": (Plain(), Accelerate()),
    "AdamW8bit of torchao": (Plain(),),
    "AdamW4bit of torchao": (Plain(),),
    "AdamWFp8 of torchao": (Plain(),),
}
# Of these the file does not tell which one it is.
TOLD = {name: ["--optimizer", "adamw"] for name in RUNS if "torchao" in name}


def apart(stayed, losses):
    """Nothing where the trainer refuses to load; a loss that is no number is infinitely far."""
    off = [abs(x - y) if math.isfinite(y) else math.inf for x, y in zip(stayed, losses or ())]
    return max(off) / max(map(abs, stayed)) if off else None


def text(found):
    return "refused" if found is None else f"{found:.0e}"


def rows(tool, work, chosen):
    """Of the table: how far losses are off, in each of the WAYS."""
    (work / "order.txt").write_text("\n".join(n for n, _ in build().named_parameters()) + "\n")
    for name, stores in RUNS.items():
        for store in stores if not chosen or name in chosen else ():
            base, grown = work / "base", work / "grown"
            shutil.rmtree(base, ignore_errors=True)
            stayed = store.begin(name, base)
            for growth, how in GROWTHS.items():
                shutil.rmtree(grown, ignore_errors=True)
                order = ["--parameter-order", work / "order.txt"] if "numbers" in name else []
                told = TOLD.get(name, [])
                said = subprocess.run([tool, "grow", base, grown, "--json", *order, *told, *how], capture_output=True, text=True)
                if said.returncode:
                    raise SystemExit(f"{name}, {store.name}, {growth}: {said.stderr}")
                found = [apart(stayed, losses) for losses in store.go_on(name, grown)]
                yield name, store.name, growth, json.loads(said.stdout)["trajectory"], found


def write(table):
    """The table of the documentation; rows of optimizers that did not run stay."""
    docs = DOCS.read_text()
    is_row = re.compile("|".join(rf"\| {re.escape(name)} \|" for name in RUNS)).match
    head, rows = [line for line in table if not is_row(line)], [line for line in table if is_row(line)]
    ran = {row.split(" | ")[0] for row in rows}
    found = re.search(r"<!-- runs -->\n(.*)\n<!-- end of runs -->", docs, re.S)
    rows += [row for row in found[1].split("\n") if is_row(row) and row.split(" | ")[0] not in ran]
    place = {f"| {name}": i for i, name in enumerate(RUNS)}
    rows.sort(key=lambda row: place[row.split(" | ")[0]])
    DOCS.write_text(docs[: found.start(1)] + "\n".join(head + rows) + docs[found.end(1) :])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--optimizer", action="append", default=[])
    parser.add_argument("--table", action="store_true", help="writes its rows into the table of docs/training-state.md")
    options = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # tensors are tiny
    table = [
        f"Tiny Wan of diffusers, float32, {STEPS} steps before and {STEPS} after (`scripts/check-training-state`); how far losses are off, at most:",
        "",
        f"| optimizer | saved by | growth | claimed | {' | '.join(WAYS)} |",
        "|---" * (4 + len(WAYS)) + "|",
    ]
    wrong = []
    with tempfile.TemporaryDirectory() as work:
        for name, store, growth, claim, found in rows(options.tool, Path(work), options.optimizer):
            table.append(f"| {name} | {store} | {growth} | {claim} | " + " | ".join(map(text, found)) + " |")
            print(table[-1], flush=True)
            if claim.startswith("EXACT") and found[0] > 1e-6:
                wrong.append(table[-1])
    if options.table:
        write(table)
    if wrong:
        raise SystemExit("these leave the trajectory that is claimed:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
