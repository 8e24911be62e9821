# SPDX-License-Identifier: MIT
"""Medians and ratios of what was measured, and the tables of docs/results.md. Standard library only."""
from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- bench-disk: written by scripts/bench-disk --write-docs -->", "<!-- /bench-disk -->"


@dataclass(frozen=True)
class Goal:
    """A bound on a ratio of a job, and how one says that it was missed."""

    value: float
    least: bool
    what: str

    def met(self, x: float) -> bool:
        return x >= self.value if self.least else x <= self.value


GOALS = {
    "of_disk": Goal(0.8, True, "of the rate at which the disk writes, the source read from the same disk"),
    "of_disk_warm": Goal(0.8, True, "of the rate at which the disk writes, the source in memory"),
    "of_copy": Goal(0.8, True, "of the rate at which the disk reads the source and writes"),
    "private_mb": Goal(256, False, "MB of private memory"),
    "check_gb_per_core_s": Goal(1.0, True, "GB/s a core of the check"),
    "numpy_wall": Goal(1.6, True, "times as fast as numpy"),
    "numpy_cpu": Goal(2.0, True, "times less processor time than numpy"),
    "torch_wall": Goal(6.0, True, "times as fast as torch"),
    "mergekit_cpu": Goal(4.0, True, "times less processor time than mergekit"),
}


def medians(entries: list[dict]) -> dict:
    """The median of every number of these measurements, within their parts too, and the range of seconds."""
    first = entries[0]
    found = {}
    for key, value in first.items():
        values = [e[key] for e in entries if key in e]
        if isinstance(value, dict):
            found[key] = medians(values)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[key] = statistics.median(values)
    found.pop("round", None)
    if "wall_s" in first:
        found["wall_range_s"] = [min(e["wall_s"] for e in entries), max(e["wall_s"] for e in entries)]
    return found


def rate_of(side: dict) -> float:
    """Bytes that were made in a second."""
    return side["bytes_out"] / side["wall_s"]


def ratios(by: dict[str, dict]) -> dict[str, float]:
    """What the goals are about, of the medians of a job."""
    found: dict[str, float] = {}
    ours = by.get("modelgrow")
    if not ours:
        return found
    rate = rate_of(ours)
    found["private_mb"] = ours["private_peak_mb"]
    if "disk" in by:
        found["of_disk"] = rate / rate_of(by["disk"])
    if "disk" in by and "warm" in by:
        found["of_disk_warm"] = rate_of(by["warm"]) / rate_of(by["disk"])
    if "copy" in by:
        found["of_copy"] = rate / rate_of(by["copy"])
    if "check" in ours and ours["check"]["cpu_s"]:
        found["check_gb_per_core_s"] = ours["bytes_out"] / ours["check"]["cpu_s"] / 1e9
    for peer in ("numpy", "torch", "mergekit"):
        if peer in by and ours["cpu_s"]:
            found[f"{peer}_wall"] = by[peer]["wall_s"] / ours["wall_s"]
            found[f"{peer}_cpu"] = by[peer]["cpu_s"] / ours["cpu_s"]
            found[f"{peer}_cpu_without_imports"] = (by[peer]["cpu_s"] - by[peer]["start"]["cpu_s"]) / ours["cpu_s"]
    return found


def summary(entries: list[dict], jobs: list[tuple[str, str, list]]) -> list[dict]:
    """One entry a job: (title, growth, contestants) -> their medians and ratios."""
    result = []
    for title, growth, contestants in jobs:
        by, skipped = {}, {}
        for c in contestants:
            of = [e for e in entries if e["what"] == c.label]
            measured = [e for e in of if "skipped" not in e]
            if measured:
                by[c.who] = {"rounds": len(measured)} | medians(measured)
            elif of:
                skipped[c.who] = of[0]["skipped"]
        if by or skipped:
            one = {"source": title, "growth": growth, "bytes_in": contestants[0].bytes_in, "medians": by, "skipped": skipped}
            result.append(one | {"ratios": ratios(by), "same_values": same_values(entries, contestants)})
    return result


def same_values(entries: list[dict], contestants: list) -> bool | None:
    """Whether everyone whose tensors were sampled made the same; None where they were not."""
    found = {c.who: {e["sampled"] for e in entries if e["what"] == c.label and "sampled" in e} for c in contestants}
    found = {who: values for who, values in found.items() if values}
    return len(set().union(*found.values())) == 1 if len(found) > 1 else None


def missed(jobs: list[dict]) -> list[str]:
    """One entry a goal that was missed: which, where, by how much."""
    found = []
    for name, goal in GOALS.items():
        short = [(job, job["ratios"][name]) for job in jobs if name in job["ratios"] and not goal.met(job["ratios"][name])]
        if short:
            where = ", ".join(f"{number(x)} ({job['source']}: {job['growth']})" for job, x in short)
            found.append(f"{goal.value:g} {goal.what}: {where}")
    return found


def conditions(measurements: list[dict]) -> str:
    """How idle the machine was, and whether what was read came from the disk."""
    measured = [e for e in measurements if "skipped" not in e]
    busy = statistics.median([(e["others_cpu_s"] + e["stolen_s"]) / e["wall_s"] for e in measured] or [0])
    cached = [e["what"] for e in measured if e.get("bytes_in", 0) > 1.05 * e["from_disk_mb"] * 1e6 + 1e6]
    return (f"Everything else on the machine took {busy:.2f} cores in the median run; "
            + (f"{len(cached)} of {len(measured)} runs found some of their source in memory." if cached
               else "every source came from the disk."))  # fmt: skip


def number(x: float) -> str:
    return f"{x:.0f}" if x >= 20 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def gb(x: float) -> str:
    return f"{x / 1e9:.2f}"


def rows(head: list[str], body: list[list[str]]) -> list[str]:
    """A table; nothing where it has no rows."""
    line = lambda cells: "| " + " | ".join(cells) + " |"  # noqa: E731
    return ["", line(head), "|" + "---|" * len(head), *map(line, body)] if body else []


def cell(job: dict, name: str) -> str:
    return number(job["ratios"][name]) if name in job["ratios"] else ""


def memory(side: dict) -> str:
    mb = side["private_peak_mb"]
    return f"{mb:.0f} MB" if mb < 1000 else f"{mb / 1000:.1f} GB"


def seconds(side: dict) -> str:
    least, most = side["wall_range_s"]
    return f"{number(side['wall_s'])} s ({number(least)} to {number(most)})"


def growth_rows(job: dict) -> list[str]:
    by = job["medians"]
    ours = by["modelgrow"]
    rate = lambda who: f"{rate_of(by[who]) / 1e9:.2f}" if who in by else ""  # noqa: E731
    return [f"{job['source']}: {job['growth']}", f"{gb(job['bytes_in'])} -> {gb(ours['bytes_out'])}", seconds(ours),
            seconds(by["warm"]) if "warm" in by else "", rate("modelgrow"), rate("warm"), rate("disk"), rate("copy"),
            *(cell(job, name) for name in ("of_disk", "of_disk_warm", "of_copy")), f"{number(ours['cpu_s'])} s", memory(ours),
            cell(job, "check_gb_per_core_s")]  # fmt: skip


def peer_rows(job: dict, peer: str) -> list[str]:
    if peer in job["skipped"]:
        return [f"{job['source']}: {job['growth']}", peer, job["skipped"][peer], "", "", "", "", ""]
    ours, theirs = job["medians"]["modelgrow"], job["medians"][peer]
    pair = lambda text: f"{text(ours)} / {text(theirs)}"  # noqa: E731
    return [f"{job['source']}: {job['growth']}", peer, pair(lambda s: f"{number(s['wall_s'])} s"), cell(job, f"{peer}_wall"),
            pair(lambda s: f"{number(s['cpu_s'])} s"), cell(job, f"{peer}_cpu"),
            cell(job, f"{peer}_cpu_without_imports"), pair(memory)]  # fmt: skip


def rounds_of(jobs: list[dict]) -> str:
    counts = sorted({side["rounds"] for job in jobs for side in job["medians"].values()})
    return " to ".join(map(str, dict.fromkeys([counts[0], counts[-1]]))) if counts else "no"


def tables(report: dict) -> str:
    """The text between the marks."""
    jobs = [job for job in report["jobs"] if "modelgrow" in job["medians"]]
    of = report["machine"]
    plain = [growth_rows(job) for job in jobs if "disk" in job["medians"] or "check" in job["medians"]["modelgrow"]]
    peers = [peer_rows(job, p) for job in jobs for p in ("numpy", "torch", "mergekit") if p in job["medians"] or p in job["skipped"]]
    versions = ", ".join(report["versions"])
    text = [f"{report['date']}, {of['cores']} cores of {of['processor']}, {of['disk'].get('file_system', 'unknown file system')}, "
            f"Linux {of['kernel']}; {versions}. Medians of {rounds_of(jobs)} rounds. "
            + conditions(report["measurements"])]  # fmt: skip
    text += rows(["growth", "GB", "start to synced and checked", "source in memory", "GB/s", "source in memory", "the disk writes, GB/s",
                  "it reads and writes", "of its writing (0.8)", "source in memory (0.8)", "of its reading and writing (0.8)", "processor", "private memory (256 MB)", "`modelgrow check`, GB/s a core (1)"], plain)  # fmt: skip
    text += rows(["growth", "against", "modelgrow / it", "faster by (numpy 1.6, torch 6)", "processor",
                  "less by (numpy 2, mergekit 4)", "its imports apart", "private memory"], peers)  # fmt: skip
    if behind := missed(jobs):
        text += ["", "Behind the goal:", "", *(f"* {line}" for line in behind)]
    elif jobs:
        text += ["", "No goal is missed."]
    return "\n".join(text) + "\n"


def put_between_marks(path: Path, text: str, marks: tuple[str, str] = (BEGIN, END)) -> None:
    begin, end = marks
    old = path.read_text()
    if begin not in old or end not in old:
        raise SystemExit(f"{path} has no lines '{begin}' and '{end}' to write between")
    path.write_text(old[: old.index(begin) + len(begin)] + "\n" + text + old[old.index(end) :])
