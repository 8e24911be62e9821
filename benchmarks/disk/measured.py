# SPDX-License-Identifier: MIT
"""One program measured from its start until what it wrote is on the disk. Standard library only."""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE_S = 0.01


def files_under(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else [folder]


def forget(paths: list[Path]) -> None:
    """These files leave the page cache, for the disk."""
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)  # what is not there yet would stay
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def into_memory(paths: list[Path]) -> None:
    """These files are in the page cache."""
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


def synced(folder: Path) -> float:
    """Seconds until all files of a folder are on the disk."""
    begin = time.perf_counter()
    for path in files_under(folder):
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.close(file)
    return time.perf_counter() - begin


def private_bytes(process: int) -> int:
    """Memory of a process that is not a mapped file."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in status.splitlines() if line.startswith(("RssAnon:", "RssShmem:")))


def machine_seconds() -> tuple[float, float]:
    """Processor seconds that the whole machine has worked, and that its host gave to others."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, steal / tick


def run(command: list[str], writes: Path | None, one_core: bool = False, env: dict | None = None) -> tuple[dict, str]:
    """Seconds on the wall until `writes` is on the disk, of the processor, of other programs meanwhile; memory; what came
    from the disk; and what the program printed. Ends all where the program fails."""
    last_core = {max(os.sched_getaffinity(0))}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        worked, stolen = machine_seconds()
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors, stdin=subprocess.DEVNULL, env=os.environ | (env or {}),
                                   preexec_fn=(lambda: os.sched_setaffinity(0, last_core)) if one_core else None)  # fmt: skip
        private = 0
        try:
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                private = max(private, private_bytes(process.pid))
                time.sleep(SAMPLE_S)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        _, status, used = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds, cpu = time.perf_counter() - begin, used.ru_utime + used.ru_stime
        others, stolen = (now - before for now, before in zip(machine_seconds(), (worked + cpu, stolen)))
        sync = synced(writes) if writes and process.returncode == 0 else 0.0
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"bench-disk: {' '.join(command)} ended with {process.returncode}:\n{errors.read()[-2000:]}")
        return {"wall_s": seconds + sync, "sync_s": sync, "user_s": used.ru_utime, "system_s": used.ru_stime,
                "cpu_s": cpu, "others_cpu_s": max(others, 0.0), "stolen_s": stolen, "private_peak_mb": private / 1e6,
                "rss_peak_mb": used.ru_maxrss * 1024 / 1e6, "from_disk_mb": used.ru_inblock * 512 / 1e6}, out.read()  # fmt: skip
