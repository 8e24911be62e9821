# SPDX-License-Identifier: MIT
"""What the figures depend on: processor, kernel, disk, versions. Standard library only."""
from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from pathlib import Path


def text_of(path: str | Path) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def field(path: str, name: str) -> str:
    """The value of the first line `name : value`."""
    for line in text_of(path).splitlines():
        if line.split(":")[0].strip() == name:
            return line.split(":", 1)[1].strip()
    return ""


def memory_bytes(what: str) -> int:
    """MemTotal or MemAvailable."""
    return int((field("/proc/meminfo", what) or "0 kB").split()[0]) * 1024


def mount_of(path: Path) -> dict:
    """The mount that holds a path: its file system, options and device."""
    found = {"mounted_on": ""}
    for line in text_of("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        place = left.split()[4].replace("\\040", " ")
        if path.resolve().is_relative_to(place) and len(place) >= len(found["mounted_on"]):
            kind, device, options = right.split()
            found = {"mounted_on": place, "file_system": kind, "options": options, "device": device}
    return found


def disk_of(path: Path) -> dict:
    """The disk under a path, as far as the system tells."""
    number = os.stat(path).st_dev
    block = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    whole = block if (block / "queue").exists() else block.resolve().parent
    wanted = ("device/model", "queue/rotational", "queue/scheduler", "queue/write_cache")
    facts = {name: text_of(whole / name) for name in wanted}
    space = os.statvfs(path)
    told = {name.split("/")[1]: value for name, value in facts.items() if value}
    return mount_of(path) | told | {"bytes": space.f_blocks * space.f_frsize}


def machine(path: Path) -> dict:
    return {"processor": field("/proc/cpuinfo", "model name") or platform.processor(), "cores": len(os.sched_getaffinity(0)),
            "memory_bytes": memory_bytes("MemTotal"), "kernel": platform.release(), "disk": disk_of(path)}  # fmt: skip


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def commit(root: Path) -> str:
    """Of a work tree; "unknown" outside of one."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def version(python: str, package: str) -> str:
    """Of a package, in the environment of an interpreter."""
    code = f"import importlib.metadata; print(importlib.metadata.version('{package}'))"
    return subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def free_bytes(path: Path) -> int:
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize
