# SPDX-License-Identifier: MIT
"""Growth on disk by two ranks of one thread against one process of two threads, in turn, into one JSON.

Run by scripts/bench-scale growth. Both make the same bytes, which is checked; sources are made, kept out of the page cache
before each run, and removed at the end.
"""
from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import random
import shutil
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "disk"))
import machine  # noqa: E402
import sources  # noqa: E402
from jobs import GROWTHS, ROOT, WEIGHTS, all_sources  # noqa: E402
from measured import files_under, forget, run  # noqa: E402
from table import put_between_marks  # noqa: E402

MARKS = ("<!-- bench-scale growth: written by scripts/bench-scale growth --write-docs -->", "<!-- /bench-scale growth -->")
JOBS = [("stdit-xl", "width"), ("wan-1.3b", "depth"), ("wan-14b", "depth")]
BLOCKS = {"wan-14b": 20}  # of 40: half of it, as disks are
# Ranks of one machine, also as root, over nothing that leaves it: how Open MPI is told (docs/scale.md).
ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
               "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_oob_tcp_if_include": "lo",
               "OMPI_MCA_btl_tcp_if_include": "lo", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
               "OMPI_MCA_plm_rsh_agent": "false", "OMPI_MCA_pml": "ob1"}  # fmt: skip


def command_of(who: str, tool: str, mpirun: str) -> tuple[list[str], dict]:
    """What is run, and in which environment."""
    if who == "ranks":
        return [mpirun, "-n", "2", tool], ENVIRONMENT | {"OMP_NUM_THREADS": "1"}
    return [tool], {"OMP_NUM_THREADS": "2"}


def digest_of(folder: Path) -> str:
    """Of all files of a folder, their names included."""
    total = hashlib.sha256()
    for path in files_under(folder):
        total.update(str(path.relative_to(folder)).encode())
        with open(path, "rb") as file:
            while part := file.read(1 << 24):
                total.update(part)
    return total.hexdigest()[:16]


def measure(who: str, weights: Path, output: Path, growth: str, o: argparse.Namespace, compare: bool) -> dict:
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    if not o.quick:
        os.sync()
    forget([weights])
    start, env = command_of(who, o.tool, o.mpirun)
    grow = [*start, "grow", str(weights.parent), str(output / "grown"), *GROWTHS[growth].flags, "--json"]
    found, text = run(grow, output, env=env)
    report = json.loads(text)  # one, of rank 0
    entry = {"who": who} | found | {"seconds": report["seconds"], "certificate": report["certificate"]}
    entry["bytes_out"] = sum(p.stat().st_size for p in files_under(output))
    if compare:
        entry["digest"] = digest_of(output / "grown")
    return entry


def measure_job(name: str, growth: str, o: argparse.Namespace, place: Path) -> dict:
    blocks = o.blocks or (0 if o.quick else BLOCKS.get(name, 0))
    weights = sources.write_source(all_sources(o.quick, blocks)[name], place / "in", WEIGHTS)
    entries = []
    for round_ in range(o.rounds):
        for who in random.Random(f"{name} {round_}").sample(["ranks", "threads"], 2):
            entry = measure(who, weights, place / "out", growth, o, round_ == 0) | {"round": round_}
            entries.append(entry)
            print(f"round {round_ + 1} of {o.rounds}  {name}/{growth}/{who:8} {entry['wall_s']:7.2f} s  "
                  f"{entry['bytes_out'] / entry['wall_s'] / 1e9:5.2f} GB/s  CPU {entry['cpu_s']:6.2f} s", flush=True)  # fmt: skip
    shutil.rmtree(place)
    if len({e["digest"] for e in entries if "digest" in e}) != 1:
        sys.exit(f"bench-scale: two ranks and one process made other bytes of {name} ({growth})")
    medians = {who: statistics.median(e["wall_s"] for e in entries if e["who"] == who) for who in ("ranks", "threads")}
    return {"source": name, "growth": growth, "median_wall_s": medians, "ranks_of_threads": medians["threads"] / medians["ranks"],
            "measurements": entries}  # fmt: skip


def table(report: dict) -> str:
    lines = ["| model, growth | GB written | 1 process, 2 threads | 2 ranks | of 1 process (goal 1.00) |", "|---|---|---|---|---|"]
    for job in report["jobs"]:
        size = job["measurements"][0]["bytes_out"] / 1e9
        seconds = [f"{job['median_wall_s'][who]:.1f} s, {size / job['median_wall_s'][who]:.2f} GB/s" for who in ("threads", "ranks")]
        part = f" ({BLOCKS[job['source']]} blocks)" if job["source"] in BLOCKS else ""
        lines.append(f"| {job['source']}{part}, {job['growth']} | {size:.1f} | {seconds[0]} | {seconds[1]} | {job['ranks_of_threads']:.2f} |")
    m = report["machine"]
    told = f"{report['date']}, {m['processor']}, {m['cores']} cores, {m['disk'].get('file_system', 'unknown file system')}; cold sources; medians of {report['rounds']} rounds."
    return "\n".join([*lines, "", told]) + "\n"


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="scripts/bench-scale growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool", required=True, help=argparse.SUPPRESS)
    p.add_argument("--mpirun", default="mpirun")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--dir", type=Path, default=ROOT / "out/benchmarks", help="on the disk to be measured; 45 GB are needed there")
    p.add_argument("--out", type=Path, default=ROOT / "out/benchmarks/scale-growth.json")
    p.add_argument("--quick", action="store_true", help="tiny models, to see that all of it works: no figures")
    p.add_argument("--blocks", type=int, default=0, help="so many blocks instead of all: no figures for docs")
    p.add_argument("--write-docs", action="store_true", help="put the table between the marks of docs/results.md")
    return p.parse_args()


def main() -> None:
    o = options()
    place = o.dir / "bench-scale"
    try:
        jobs = [measure_job(name, growth, o, place) for name, growth in JOBS]
    finally:
        shutil.rmtree(place, ignore_errors=True)
    report = {"command": "scripts/bench-scale growth", "date": datetime.date.today().isoformat(), "quick": o.quick,
              "machine": machine.machine(o.dir), "commit": machine.commit(ROOT), "rounds": o.rounds, "goal": {"ranks_of_threads": 1.0}, "jobs": jobs}  # fmt: skip
    o.out.parent.mkdir(parents=True, exist_ok=True)
    o.out.write_text(json.dumps(report, indent=1) + "\n")
    for job in jobs:
        print(f"{job['source']}/{job['growth']}: 2 ranks of 1 thread at {job['ranks_of_threads']:.2f} of the rate of 1 process of 2 threads (goal: 1.00)")
    print(f"written to {o.out}")
    if o.write_docs:
        put_between_marks(ROOT / "docs/results.md", table(report), MARKS)


if __name__ == "__main__":
    main()
