# SPDX-License-Identifier: MIT
"""The command-line tool under faults, on a checkpoint of released width and few blocks. Run by scripts/check-faults.
Standard library only."""
from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks/disk"))
import sources  # noqa: E402
from jobs import GROWTHS, WEIGHTS  # noqa: E402

counts: Counter = Counter()
failed: list[str] = []


def expect(what: str, holds: bool, seen: object = "") -> None:
    counts[what] += holds
    if not holds:
        failed.append(what)
        print(f"FAILED: {what}: {seen}", flush=True)


def digests(folder: Path) -> dict[str, str]:
    """Of every file; reports hold times."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir()) if p.is_file()}


class Job:
    """One growth of one source, and what comes of it when nothing happens."""

    def __init__(self, tool: str, source: Path, work: Path, name: str):
        self.tool, self.source, self.out, self.name = tool, source, work / f"{name}-out", name
        self.partial = self.out.with_name(self.out.name + ".partial")
        begin = time.monotonic()
        done = self.run()
        self.seconds = time.monotonic() - begin
        if done.returncode:
            sys.exit(f"check-faults: {name} without a fault ended with {done.returncode}:\n{done.stderr}")
        self.whole = digests(self.out)
        self.clear()

    def command(self, out: Path | None = None, source: Path | None = None) -> list[str]:
        return [self.tool, "grow", str(source or self.source), str(out or self.out), *GROWTHS[self.name].flags]

    def run(self, out: Path | None = None, source: Path | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(out, source), capture_output=True, text=True)

    def start(self, source: Path | None = None) -> subprocess.Popen:
        return subprocess.Popen(self.command(source=source), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def half_way(self, source: Path | None = None) -> subprocess.Popen | None:
        """A growth that stands still in the middle; nothing where it was too fast."""
        process = self.start(source)
        journal = self.partial / ".modelgrow-journal"
        while process.poll() is None:
            if journal.exists() and journal.stat().st_size > 400:
                process.send_signal(signal.SIGSTOP)
                return process
        process.communicate()
        return None

    def clear(self) -> None:
        for folder in (self.out, self.partial):
            shutil.rmtree(folder, ignore_errors=True)


def killed(job: Job, times: int, rng: random.Random) -> None:
    """SIGKILL at random moments, some twice: nothing under the final name, and then the same bytes."""
    kept = 0
    for i in range(times):
        for _ in range(1 + (i % 4 == 3)):
            process = job.start()
            time.sleep(rng.uniform(0, job.seconds))
            process.kill()
            process.communicate()
            there = digests(job.out) if job.out.exists() else None
            expect("SIGKILL: OUT is absent or complete", there in (None, job.whole), there)
        kept += job.partial.exists()
        done = job.run()
        expect("SIGKILL: the same command ends with the same bytes",
               (done.returncode in (0, 3)) and digests(job.out) == job.whole, done.stderr)  # fmt: skip
        expect("SIGKILL: nothing else is left", not job.partial.exists(), list(job.out.parent.iterdir()))
        job.clear()
    print(f"{job.name}: {times} growths killed, {kept} of them with some of OUT.partial written", flush=True)


def asked_to_stop(job: Job) -> None:
    for how in (signal.SIGINT, signal.SIGTERM):
        process = job.half_way()
        if not process:
            continue
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate()
        expect(f"{how.name}: it ends, and says what stays", process.returncode != 0 and not job.out.exists(), said)
        done = job.run()
        expect(f"{how.name}: the same command ends with the same bytes", digests(job.out) == job.whole, done.stderr)
        job.clear()


def full_disk(job: Job, work: Path) -> None:
    """A small file system: too small is said before anything is written, and what fills up meanwhile while it is."""
    disk = work / "disk"
    disk.mkdir()
    needed = sum(os.stat(job.source / p).st_size for p in os.listdir(job.source))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={needed // 2}", "tmpfs", str(disk)], capture_output=True).returncode:
        print("full disk: not tried, mounting a tmpfs is not allowed here")
        return
    try:
        done = job.run(out=disk / "out")
        expect("full disk: refused with how much is needed and how much is there",
               done.returncode == 4 and "needs" in done.stderr, done.stderr)  # fmt: skip
        expect("full disk: nothing is left", not list(disk.iterdir()), list(disk.iterdir()))
        subprocess.run(["mount", "-o", "remount,size=6g", str(disk)], check=True)
        done = job.run(out=disk / "out")
        expect("full disk: with room, the same bytes", done.returncode == 0 and digests(disk / "out") == job.whole, done.stderr)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()


def two_writers(job: Job) -> None:
    first = job.half_way()
    if not first:
        return
    second = job.run()
    expect("two writers: the second is refused, and says why",
           second.returncode == 4 and "another process" in second.stderr, second.stderr)  # fmt: skip
    first.send_signal(signal.SIGCONT)
    first.communicate()
    expect("two writers: the first ends with the same bytes", first.returncode == 0 and digests(job.out) == job.whole)
    job.clear()


def other_source(job: Job, work: Path) -> None:
    """A source that is written to, or cut, while it is read."""
    copy = work / "source"
    weights = copy / WEIGHTS
    for what, harm, names in (
        ("a changed source", lambda: os.utime(weights), "was changed while it was read"),
        ("a cut source", lambda: os.truncate(weights, weights.stat().st_size // 2), WEIGHTS),
    ):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(job.source, copy)
        process = job.half_way(copy)
        if not process:
            continue
        harm()
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate()
        expect(f"{what}: refused, and the file is named", process.returncode in (1, 4) and names in said, said)
        expect(f"{what}: nothing under the final name", not job.out.exists())
        job.clear()
    shutil.rmtree(copy, ignore_errors=True)


def main() -> None:
    p = argparse.ArgumentParser(prog="scripts/check-faults")
    p.add_argument("--tool", required=True, help=argparse.SUPPRESS)
    p.add_argument("--kills", type=int, default=20, help="of each growth")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--dir", type=Path, default=ROOT / "out")
    p.add_argument("--blocks", type=int, default=6, help="of STDiT-XL/2, 100 MB each")
    o = p.parse_args()
    o.dir.mkdir(parents=True, exist_ok=True)
    rng = random.Random(o.seed)
    with tempfile.TemporaryDirectory(dir=o.dir, prefix="check-faults-") as folder:
        work = Path(folder)
        source = work / "in"
        release = sources.release("stdit1", "hpcai-tech/Open-Sora 1.0 STDiT-XL/2 16x256x256", "F32", o.blocks)
        sources.write_source(release, source, WEIGHTS, {"format": "pt"})
        for name in GROWTHS:
            job = Job(o.tool, source, work, name)
            killed(job, o.kills, rng)
            asked_to_stop(job)
            two_writers(job)
            other_source(job, work)
            full_disk(job, work)
    for what, n in counts.items():
        print(f"{n:5}  {what}")
    print(f"{sum(counts.values())} passed, {len(failed)} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
