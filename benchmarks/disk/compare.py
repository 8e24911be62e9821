# SPDX-License-Identifier: MIT
"""Growth on disk against what the disk takes and what people run today, in rounds of random order, into one JSON.

Run by scripts/bench-disk. Sources are made, kept out of the page cache before each run, and removed at the end; each of
them is measured in all rounds before the next. A run that was stopped goes on where it was.
"""
from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import machine
import table
from jobs import GROWTHS, HERE, ROOT, Contestant, Environment, all_sources, jobs_of
from measured import files_under, forget, into_memory, run
from sources import read_header, sample_of, sampled_names, tensor_of
from write_only import write

CHECKED_ROUNDS = 3  # `modelgrow check` reads both files again, and takes as long as the growth
WINDOWS = [(threads, window_mb) for threads in (1, 2, 4) for window_mb in (4, 16)]


class Rounds:
    """What was measured so far: a file of one JSON a line, the first of which says what it belongs to."""

    def __init__(self, path: Path, belongs_to: dict, fresh: bool):
        self.path, self.done = path, []
        if path.exists() and not fresh:
            lines = path.read_text().splitlines(keepends=True)
            if lines and not lines[-1].endswith("\n"):  # it was killed
                path.write_text("".join(lines := lines[:-1]))
            if lines and json.loads(lines[0]) == belongs_to:
                self.done = [json.loads(line) for line in lines[1:]]
                print(f"goes on after {len(self.done)} measurements of {path}; --fresh begins anew", flush=True)
                return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(belongs_to) + "\n")

    def add(self, entry: dict) -> None:
        self.done.append(entry)
        with open(self.path, "a") as file:
            file.write(json.dumps(entry) + "\n")

    def find(self, what: str, round_: int) -> dict | None:
        return next((e for e in self.done if e["what"] == what and e["round"] == round_), None)


def calibrate(folder: Path, size: int, tries: int) -> dict:
    """The number of threads and the window with which this disk takes most, of a few of each."""
    rates = {}
    for round_ in range(tries):
        for threads, window_mb in random.Random(round_).sample(WINDOWS, len(WINDOWS)):
            seconds = write(str(folder / "probe"), size, threads, window_mb << 20)["seconds"]["write"]
            rates.setdefault((threads, window_mb), []).append(size / seconds / 1e9)
            (folder / "probe").unlink()
    best = max(WINDOWS, key=lambda setting: statistics.median(rates[setting]))
    tried = [{"threads": t, "window_mb": w, "gb_per_s": rates[t, w]} for t, w in WINDOWS]
    return {"threads": best[0], "window_mb": best[1], "bytes": size, "tried": tried}


def look_at(c: Contestant, environment: Environment) -> dict:
    """How much was made, and of what must be alike a checksum over a few tensors. Ends all where it is not what was asked."""
    made = [p for p in files_under(c.place.output) if p.suffix in (".safetensors", ".pt", "")]
    found = {"bytes_out": sum(p.stat().st_size for p in made)}
    if not 0 <= found["bytes_out"] - c.bytes_out < 0.01 * c.bytes_out + 1_000_000:
        sys.exit(f"bench-disk: {c.label} made {found['bytes_out']} bytes of {c.bytes_out}")
    names = sampled_names(c.compared)
    if c.who == "torch":
        sample = [environment.interpreter(c.who), HERE / "widen_torch.py", "--sample", made[0], *names]
        found["sampled"] = subprocess.run(sample, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    elif names and not c.is_disk:
        shard_of = {name: p for p in made if p.suffix == ".safetensors" for name in read_header(p)[0]}
        found["sampled"] = sample_of((name, *tensor_of(shard_of[name], name)) for name in names)
    return found


def checked(c: Contestant, environment: Environment) -> dict:
    """What `modelgrow check` takes for what was just made, both files read from the disk."""
    forget(c.reads + files_under(c.place.output))
    return run([environment.tool, "check", str(c.place.output / "grown"), "--json"], None)[0]


def measure(c: Contestant, environment: Environment, yardstick: dict, check: bool) -> dict:
    """One run, of which nothing stays; then `modelgrow check`, if asked for."""
    available = machine.memory_bytes("MemAvailable")
    if c.memory_needed() > available:
        return {"skipped": f"needs {c.memory_needed() / 1e9:.0f} GB of memory, {available / 1e9:.0f} GB are free"}
    c.prepare(environment)
    c.place.output.mkdir(parents=True)
    start = c.start(environment)
    if start:
        run(start, None, c.one_core)
        start = run(start, None, c.one_core)[0]
    (into_memory if c.who == "warm" else forget)(c.reads)
    entry = {} if c.is_disk else {"version": environment.version_of(c.who)}
    entry |= {"at": datetime.datetime.now().isoformat(timespec="seconds"), "load_before": os.getloadavg()[0]}
    found, text = run(c.command(environment, yardstick), c.place.output, c.one_core, c.environment())
    entry |= found
    if c.is_disk or c.is_tool:
        report = json.loads(text)
        entry |= {key: report[key] for key in ("seconds", "direct", "certificate", "read_back") if key in report}
    if c.is_disk:
        entry["wall_s"] = report["seconds"]["write"]  # without the start of the interpreter
    if c.who not in ("disk", "warm"):
        entry["bytes_in"] = c.bytes_in  # from the disk
    if start:
        entry["start"] = {key: start[key] for key in ("wall_s", "cpu_s")}
    entry |= look_at(c, environment)
    if check and c.who == "modelgrow" and not c.one_core:
        entry["check"] = checked(c, environment)
    return entry


def line_of(entry: dict, rounds: int) -> str:
    text = f"round {entry['round'] + 1} of {rounds}  {entry['what']:32}"
    if "skipped" in entry:
        return f"{text} skipped: {entry['skipped']}"
    return (f"{text} {entry['wall_s']:7.2f} s  {entry['bytes_out'] / entry['wall_s'] / 1e9:5.2f} GB/s  "
            f"CPU {entry['cpu_s']:6.2f} s  private {entry['private_peak_mb']:6.0f} MB")  # fmt: skip


def wanted(c: Contestant, only: list[str]) -> bool:
    return not only or any(part in c.label for part in only)


def measure_source(
    jobs: list[list[Contestant]], name: str, o: argparse.Namespace, environment: Environment, rounds: Rounds, yardstick: dict
) -> None:
    """All rounds of a source: jobs in random order, and within each job those who do it."""
    for round_ in range(o.rounds):
        order = random.Random(f"{name} {round_}")
        for job in order.sample(jobs, len(jobs)):
            for c in order.sample(job, len(job)):
                if not wanted(c, o.only) or rounds.find(c.label, round_):
                    continue
                shutil.rmtree(c.place.output, ignore_errors=True)
                if not o.quick:
                    os.sync()
                entry = {"what": c.label, "round": round_} | measure(c, environment, yardstick, round_ < CHECKED_ROUNDS)
                rounds.add(entry)
                print(line_of(entry, o.rounds), flush=True)
                shutil.rmtree(c.place.output, ignore_errors=True)


def title_of(job: list[Contestant]) -> tuple[str, str]:
    return job[0].place.source.title, GROWTHS[job[0].growth].title + (", one core" if job[0].one_core else "")


def needed_bytes(jobs: list[list[Contestant]]) -> int:
    """On the disk at a time: what is read, in all its forms, and the largest of what is written."""
    all_of = [c for job in jobs for c in job]
    read = {path: c.bytes_in for c in all_of for path in [c.place.weights, *c.reads]}
    return sum(read.values()) + max((c.bytes_out for c in all_of), default=0)


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="scripts/bench-disk", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool", required=True, help=argparse.SUPPRESS)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--only", nargs="+", default=[], metavar="PART",
                   help="measure SOURCE/GROWTH/WHO that contain one of these, as wan-1.3b/width /modelgrow /disk")  # fmt: skip
    p.add_argument("--dir", type=Path, default=ROOT / "out/benchmarks", help="on the disk to be measured; 22 GB are needed there")
    p.add_argument("--out", type=Path, default=ROOT / "out/benchmarks/disk.json", help="and OUT.rounds.jsonl, every measurement")
    p.add_argument("--write-docs", nargs="?", type=Path, const=ROOT / "docs/results.md", metavar="FILE",
                   help="put the tables between the marks of docs/results.md, or of this file")  # fmt: skip
    p.add_argument("--fresh", action="store_true", help="forget the measurements of a run that was stopped")
    p.add_argument("--keep", action="store_true", help="leave the sources in DIR")
    p.add_argument("--quick", action="store_true", help="tiny models, to see that all of it works: no figures")
    p.add_argument("--blocks", type=int, default=0, help="so many blocks instead of all: no figures for docs")
    o = p.parse_args()
    if o.write_docs and o.write_docs.resolve() == ROOT / "docs/results.md" and (o.quick or o.blocks):
        p.error("docs/results.md holds figures of whole models")
    return o


def measure_all(work: dict[str, list], place: Path, o: argparse.Namespace, environment: Environment, rounds: Rounds) -> None:
    """Source after source. What was made is removed, also when it is stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        place.mkdir(parents=True, exist_ok=True)
        yardstick = rounds.find("yardstick", -1)
        if not yardstick:
            largest = max(c.bytes_out for jobs in work.values() for job in jobs for c in job)
            size = min(max(largest // 8, 2**20), 2**30)
            yardstick = {"what": "yardstick", "round": -1} | calibrate(place, size, 1 if o.quick else 3)
            rounds.add(yardstick)
        for name, jobs in work.items():
            measure_source(jobs, name, o, environment, rounds, yardstick)
            if not o.keep:
                shutil.rmtree(place)
                place.mkdir()
    except KeyboardInterrupt:
        sys.exit("bench-disk: stopped; the same command goes on from here")
    finally:
        if not o.keep:
            shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    o = options()
    o.dir.mkdir(parents=True, exist_ok=True)
    place = o.dir / "bench-disk"
    known = {name: jobs_of(name, source, place) for name, source in all_sources(o.quick, o.blocks).items()}
    work = {name: jobs for name, jobs in known.items() if any(wanted(c, o.only) for job in jobs for c in job)}
    if not work:
        sys.exit(f"bench-disk: nothing is called {' or '.join(o.only)}; names are stdit-xl/width/modelgrow and the like")
    needed, free = max(map(needed_bytes, work.values())) + 2**30, machine.free_bytes(o.dir)
    if free < needed:
        sys.exit(f"bench-disk: {o.dir} has {free / 1e9:.0f} GB free of {needed / 1e9:.0f} GB that are needed; name another with --dir")
    environment, of_machine = Environment(o.tool), machine.machine(o.dir)
    belongs_to = {"tool": machine.digest(Path(o.tool)), "machine": of_machine, "quick": o.quick, "blocks": o.blocks}
    rounds = Rounds(o.out.with_suffix(".rounds.jsonl"), belongs_to, o.fresh)
    if o.rounds:
        for c in (c for jobs in work.values() for job in jobs for c in job if wanted(c, o.only)):
            c.start(environment)  # makes the environments of peers now, not half an hour later
        measure_all(work, place, o, environment, rounds)
    report = {
        "command": "scripts/bench-disk", "date": datetime.date.today().isoformat(), "machine": of_machine,
        "versions": sorted({e["version"] for e in rounds.done if "version" in e}),
        "yardstick": rounds.find("yardstick", -1),
        "jobs": table.summary(rounds.done, [(*title_of(job), job) for jobs in known.values() for job in jobs]),
        "measurements": [e for e in rounds.done if e["round"] >= 0],
    }  # fmt: skip
    if differ := [job for job in report["jobs"] if job["same_values"] is False]:
        sys.exit(f"bench-disk: those who grow {differ[0]['source']} ({differ[0]['growth']}) made different tensors; see {rounds.path}")
    o.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n{table.tables(report)}\nwritten to {o.out}")
    if o.write_docs:
        table.put_between_marks(o.write_docs, table.tables(report))


if __name__ == "__main__":
    main()
