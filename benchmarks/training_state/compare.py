# SPDX-License-Identifier: MIT
"""Growth of a run with its optimizer, from a torch file and from a distributed checkpoint, beside the same from safetensors and
beside torch, in rounds of random order, into one JSON.

Run by scripts/bench-training-state. Sources are made by torch and kept out of the page cache before each run; the safetensors
form is made of them by `modelgrow convert`. Everything is removed at the end.
"""
from __future__ import annotations

import argparse
import datetime
import json
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "benchmarks/disk"))

import machine  # noqa: E402
import sources  # noqa: E402
from measured import files_under, forget, run  # noqa: E402
from table import put_between_marks, rows  # noqa: E402

RELEASE = "Wan-AI/Wan2.1-T2V-1.3B"
GROWTH, WIDER = ["--net2wider", "space=ffn,times=2"], {"ffn": 2}
FORMS = {"safetensors": "safetensors", "file": "torch.save", "dcp": "DCP"}
MARKS = ("<!-- bench-training-state: written by scripts/bench-training-state --write-docs -->", "<!-- /bench-training-state -->")
RATE, MEMORY_MB, FASTER = 0.7, 300, 4.0  # goals: of the rate of safetensors, private memory, times torch


class Work:
    """A source in its forms, and who grows it."""

    def __init__(self, folder: Path, blocks: int, tool: str, python: str):
        self.folder, self.tool, self.python = folder, tool, python
        self.source = sources.release("wan", RELEASE, "BF16", blocks)
        self.result = folder / "grown"
        folder.mkdir(parents=True)
        self.shapes, self.repeats = folder / "shapes.json", folder / "repeats.json"
        self.shapes.write_text(json.dumps(self.source.shapes()))
        self.repeats.write_text(json.dumps(self.source.repeats(WIDER)))

    def torch(self, *arguments: object) -> list[str]:
        return [self.python, str(HERE / "torch_side.py"), *map(str, arguments)]

    def make(self, form: str) -> Path:
        place = self.folder / form
        if place.exists():
            return place
        if form == "safetensors":
            subprocess.run([self.tool, "convert", str(self.make("file")), str(place)], check=True, stdout=subprocess.DEVNULL)
            return place
        place.mkdir()
        (place / "config.json").write_text(json.dumps(self.source.config))
        subprocess.run(self.torch("make", self.shapes, place, form), check=True, stderr=subprocess.DEVNULL)
        return place

    def measure(self, form: str, who: str) -> dict:
        place = self.make(form)
        shutil.rmtree(self.result, ignore_errors=True)
        forget(files_under(place))
        tool = [self.tool, "grow", str(place), str(self.result), *GROWTH, "--json"]
        found, text = run(tool if who == "modelgrow" else self.torch("grow", place, self.result, self.repeats), self.result)
        if who == "modelgrow":
            claim = json.loads(text)["trajectory"]
            if not claim.startswith("EXACT"):
                sys.exit(f"bench-training-state: from {form} the growth is {claim}")
        found |= {name: sum(p.stat().st_size for p in files_under(where)) for name, where in
                  (("bytes_in", place), ("bytes_out", self.result))}  # fmt: skip
        return found


def rounds(work: Work, jobs: list[tuple[str, str]], count: int) -> list[dict]:
    for form, _ in jobs:
        work.make(form)
    measured = []
    for round_ in range(count):
        for form, who in random.Random(round_).sample(jobs, len(jobs)):
            entry = {"form": form, "who": who, "round": round_, "gb_in": work.source.bytes() / 1e9} | work.measure(form, who)
            measured.append(entry)
            print(f"round {round_ + 1} of {count}  {FORMS[form]:12} {who:10} {entry['wall_s']:7.2f} s  "
                  f"{entry['bytes_out'] / entry['wall_s'] / 1e9:5.2f} GB/s  private {entry['private_peak_mb']:6.0f} MB", flush=True)  # fmt: skip
    return measured


def same_tensors(work: Work) -> None:
    """What the tool and torch made of the same files."""
    kept = work.folder / "of_the_tool"
    work.measure("file", "modelgrow")
    work.result.rename(kept)
    units = json.loads((kept / "plan.json").read_text())["steps"][0]["maps"][0]["from"]
    repeats = work.source.repeats(WIDER)
    for axis in (axis for axes in repeats.values() for axis in axes):
        axis["from"] = units
    work.repeats.write_text(json.dumps(repeats))
    work.measure("file", "torch")
    subprocess.run(work.torch("compare", kept, work.result), check=True)
    shutil.rmtree(kept)


def medians(measured: list[dict]) -> list[dict]:
    found = []
    for form, who in dict.fromkeys((e["form"], e["who"]) for e in measured):
        of = [e for e in measured if (e["form"], e["who"]) == (form, who)]
        median = {key: statistics.median(e[key] for e in of) for key in ("wall_s", "cpu_s", "private_peak_mb", "bytes_in", "bytes_out")}
        found.append({"form": form, "who": who, "range_s": [min(e["wall_s"] for e in of), max(e["wall_s"] for e in of)]} | median)
    return found


def rate(side: dict) -> float:
    return side["bytes_out"] / side["wall_s"] / 1e9


def table(report: dict) -> str:
    whole, quarter = report["whole"], report["quarter"]
    straight = next(s for s in whole if s["form"] == "safetensors")
    cells = lambda s: [f"{s['bytes_in'] / 1e9:.1f} -> {s['bytes_out'] / 1e9:.1f}", f"{s['wall_s']:.1f} s ({s['range_s'][0]:.1f} to {s['range_s'][1]:.1f})",
                       f"{rate(s):.2f}"]  # noqa: E731  # fmt: skip
    private = lambda s: f"{s['private_peak_mb']:.0f} MB" if s["private_peak_mb"] < 1000 else f"{s['private_peak_mb'] / 1000:.1f} GB"  # noqa: E731
    of = report["machine"]
    text = [f"{report['date']}, {of['cores']} cores of {of['processor']}, {of['disk'].get('file_system', 'unknown file system')}; "
            f"{', '.join(report['versions'])}; `{report['command']}`. Shapes of {RELEASE}, weights of bf16 and AdamW's moments of "
            f"float32, ffn x2; cold sources, until it is on the disk; the tool checks what it wrote. Medians of {report['rounds']} rounds."]  # fmt: skip
    text += rows(["saved by", "GB", "seconds", "GB/s", f"of the rate of safetensors ({RATE})", f"private memory ({MEMORY_MB} MB)"],
                 [[FORMS[s["form"]], *cells(s), f"{rate(s) / rate(straight):.2f}", private(s)] for s in whole])  # fmt: skip
    if quarter:
        theirs = next(s for s in quarter if s["who"] == "torch")
        text += ["", f"At a quarter of the blocks, the same files by `torch.load`, a loop and `torch.save` (goal: {FASTER:g} times as fast); both make the same tensors:"]
        text += rows(["who", "GB", "seconds", "GB/s", "faster than torch", "private memory"],
                     [[s["who"], *cells(s), f"{theirs['wall_s'] / s['wall_s']:.1f}", private(s)] for s in quarter])  # fmt: skip
    return "\n".join(text) + "\n"


def main() -> None:
    p = argparse.ArgumentParser(prog="scripts/bench-training-state", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool", required=True, help=argparse.SUPPRESS)
    p.add_argument("--python", required=True, help=argparse.SUPPRESS)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--blocks", type=int, default=0, help="so many blocks instead of all: no figures for docs")
    p.add_argument("--dir", type=Path, default=ROOT / "out/benchmarks", help="on the disk to be measured; 60 GB are needed there")
    p.add_argument("--out", type=Path, default=ROOT / "out/benchmarks/training_state.json")
    p.add_argument("--write-docs", action="store_true", help="put the table between the marks of docs/results.md")
    o = p.parse_args()
    if o.write_docs and o.blocks:
        p.error("docs/results.md holds figures of whole models")
    place = o.dir / "bench-training-state"
    shutil.rmtree(place, ignore_errors=True)
    depth = o.blocks or sources.release("wan", RELEASE, "BF16").config["num_layers"]
    try:
        whole = rounds(Work(place / "whole", o.blocks, o.tool, o.python), [(form, "modelgrow") for form in FORMS], o.rounds)
        shutil.rmtree(place)
        work = Work(place / "quarter", max(1, depth // 4), o.tool, o.python)
        quarter = rounds(work, [("file", "modelgrow"), ("file", "torch")], o.rounds)
        same_tensors(work)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    report = {
        "command": "scripts/bench-training-state", "date": datetime.date.today().isoformat(), "machine": machine.machine(o.dir),
        "versions": [f"modelgrow {machine.commit(ROOT)}", f"torch {machine.version(o.python, 'torch')}"], "rounds": o.rounds,
        "whole": medians(whole), "quarter": medians(quarter), "measurements": whole + quarter,
    }  # fmt: skip
    o.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n{table(report)}\nwritten to {o.out}")
    if o.write_docs:
        put_between_marks(ROOT / "docs/results.md", table(report), MARKS)


if __name__ == "__main__":
    main()
