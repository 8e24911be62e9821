# SPDX-License-Identifier: MIT
"""Grows tiny models of upstream classes with the command-line tool and runs old and new in unmodified diffusers.

  check_upstream.py --tool build/modelgrow [--family wan ...] [--growth depth ...] [--stored bfloat16]
                    [--keep DIR] [--table FILE.md] [--json FILE.json]

A growth that the certificate calls EXACT, with a class that loads it, must leave every output as it was to 1e-5 of the
largest one; a map between the states of two text encoders that is without an error, likewise. Where the certificate says
that the class cannot load the result, the result must indeed not load or not compute the same. Where family or class are
known to be able (`exact` and `unloadable` in families.py), the certificate must say so. What needs a permission must be
refused without it, and `check` must say of the grown folder what was found. Interpolated tables of positions, and the outputs
with them, must be those that torch makes of the old tables; a mixture of experts must leave the outputs as they were in a
class that has one (experts.py). Of an original that is stored in bf16, what the certificate calls rounded, or approximate, may
cost as much as bf16 costs the original. Exit status 0 when all of that holds, 1 when not, 2 when the check itself cannot run."""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import diffusers
import safetensors
import torch

import families  # noqa: F401  fills FAMILIES
from growths import GROWTHS, SIZES
from positions import reference, wrong_tensor
from subject import Subject, distance, grafted, load, size
from table import line, table
from tiny import FAMILIES, Absent, build, idle, outputs

TOLERANCE = 1e-5
REFUSED = 3  # the tool's exit status
AS_SAID = "as said"


class Broken(Exception):
    """The check itself cannot go on: there is no tool to run."""


class Unplanned(Exception):
    """The tool ended in another way than by growing or refusing."""


@dataclass
class Row:
    family: str
    class_name: str
    growth: str
    operators: str
    certificate: str = ""
    upstream: str = ""
    difference: float | None = None  # largest absolute difference / largest absolute output
    difference_bf16: float | None = None  # the same when both are loaded in bf16, for people to know: it decides nothing
    rounding_bf16: float | None = None  # the original in bf16 against itself in float32
    verdict: str = ""
    good: bool = True

    def wrong(self, verdict):
        self.verdict, self.good = verdict, False


class Tool:
    """The program, which either grows or refuses."""

    def __init__(self, *command):
        self.command = command

    def run(self, *words):
        try:
            done = subprocess.run([*self.command, *map(str, words)], capture_output=True, text=True, timeout=600)
        except OSError as e:
            raise Broken(f"cannot run {self.command[0]}: {e}") from e
        if done.returncode in (0, REFUSED):
            return done
        raise Unplanned(f"modelgrow {words[0]}: exit status {done.returncode}: {one_line(done.stderr or done.stdout)[:400]}")


def one_line(text):
    return " ".join(text.split())


class Trial:
    """One growth of one model: what the tool says of it, and what the class makes of the grown folder."""

    def __init__(self, tool, subject, name, row):
        self.tool, self.subject, self.row, self.growth = tool, subject, row, GROWTHS[name]
        self.grown = subject.folder.parent / name.replace(" ", "-")

    def run(self, words):
        row, permits = self.row, self.growth.permits
        planned = self.plan(permits, words)
        if planned.returncode == REFUSED and not permits:
            planned, permits = self.plan_on_condition(planned, words)
        if planned.returncode == REFUSED:
            row.certificate, row.verdict = "refused", one_line(planned.stderr)
            return
        plan = json.loads(planned.stdout)
        row.certificate, row.upstream = one_line(plan["certificate"]), one_line(plan["upstream"])
        if self.growth.tables and not self.subject.family.grid:
            return row.wrong("GROWN, but families.py knows no table of it")
        loads, exact = row.upstream == "loads", row.certificate.startswith("EXACT")
        if not exact and not permits:
            return row.wrong("GROWN without a question, although not EXACT")
        if exact and not self.growth.kept:
            return row.wrong("EXACT, although it computes something else")
        needed = [*permits, *([] if loads else ["--accept-upstream"])]
        for permit in needed:
            if self.grow([p for p in needed if p != permit], words).returncode != REFUSED:
                return row.wrong(f"GROWN without {permit}")
        self.grow(needed, words)
        if not loads:
            self.impossible()
        elif self.growth.tables:
            self.follows(*self.growth.tables(self.subject.family.grid))
        elif row.certificate.startswith("EXACT-IF"):
            self.runs("loads and runs, its condition accepted")
        elif self.growth.kept:
            self.keeps()
        else:
            self.runs("loads and runs")
        told = self.told_of_diffusers()
        if row.good and told.startswith("loads") != loads:
            row.wrong(f"CHECK SAYS OTHERWISE: {told}")

    def plan(self, permits, words):
        return self.tool.run("plan", self.subject.folder, *permits, *words, "--json")

    def plan_on_condition(self, refusal, words):
        """A plan that needs its condition accepted, or the refusal."""
        permits = ("--accept-conditions",)
        planned = self.plan(permits, words)
        conditional = planned.returncode != REFUSED and json.loads(planned.stdout)["certificate"].startswith("EXACT-IF")
        return (planned, permits) if conditional else (refusal, ())

    def grow(self, permits, words):
        return self.tool.run("grow", self.subject.folder, self.grown, *permits, *words, "--json")

    def told_of_diffusers(self):
        """What `check` says that diffusers does with the grown folder."""
        consumers = json.loads(self.tool.run("check", self.grown, "--json").stdout)["consumers"]
        return next((c["does"] for c in consumers if c["name"] == "diffusers"), "nothing")

    def output(self, dtype=torch.float32, left_out=frozenset()):
        model = load(self.subject.family, self.grown, dtype, left_out)
        feed = lambda inputs: self.growth.feed(self.subject.family, inputs)  # noqa: E731
        return model, outputs(model, self.subject.family.inputs(dtype, feed))

    def tolerance(self):
        """New numbers that a file in bf16 cannot hold may cost what bf16 costs the original, where the certificate says so."""
        said = "rounded" in self.row.certificate or not self.row.certificate.startswith("EXACT")
        return self.subject.rounding if said and self.subject.stored == torch.bfloat16 else TOLERANCE

    def distance(self, before, after):
        return distance(self.growth.expect(self.subject.family, before), after)

    def keeps(self):
        """The certificate, or the map, says that the outputs stay."""
        row, subject = self.row, self.subject
        left_out = grafted(self.grown) if self.growth.left_out else frozenset()
        try:
            model, now = self.output(left_out=left_out)
        except Exception as e:  # whatever the class raises is the finding
            return row.wrong(f"DOES NOT LOAD: {one_line(str(e))[:300]}")
        row.difference = self.distance(subject.outputs, now)
        if not left_out and size(model) <= size(subject.model):
            return row.wrong("NOT GROWN: no more parameters than before")
        if row.difference > self.tolerance():
            return row.wrong("DIFFERS")
        row.verdict = "equal"
        if left_out:
            row.upstream = self.told_of_diffusers()
            if "leaves them out" not in row.upstream:
                return row.wrong("LEFT OUT, which nothing says")
        try:
            row.difference_bf16 = self.distance(subject.half, self.output(torch.bfloat16, left_out)[1])
            row.rounding_bf16 = subject.rounding
        except Exception as e:  # an original that does not run in bf16 is a mistake of this check
            row.wrong(f"FAILS IN BF16: {one_line(str(e))[:300]}")

    def follows(self, sizes, ends):
        """Tables of positions, and with them the outputs, are what they are by torch, and all else stays."""
        row, subject, family = self.row, self.subject, self.subject.family
        if wrong := wrong_tensor(family.grid, subject.folder, self.grown, sizes, ends):
            return row.wrong(f"DIFFERS: {wrong}")
        try:
            now = self.output()[1]
        except Exception as e:
            return row.wrong(f"DOES NOT LOAD: {one_line(str(e))[:300]}")
        feed = lambda inputs: self.growth.feed(family, inputs)  # noqa: E731
        before = outputs(reference(family, subject.model, sizes, ends), family.inputs(feed=feed))
        row.difference = distance(before, now)
        if row.difference > self.tolerance():
            return row.wrong("DIFFERS")
        row.verdict = "equal"

    def runs(self, verdict):
        """Another function, or one that stays only on a condition: how far it is from the old one is told, not judged."""
        row = self.row
        try:
            now = self.output()[1]
        except Exception as e:
            return row.wrong(f"DOES NOT LOAD: {one_line(str(e))[:300]}")
        row.difference, row.verdict = self.distance(self.subject.outputs, now), verdict
        if not all(t.isfinite().all() for t in now):
            row.wrong("NOT FINITE")

    def impossible(self):
        """The certificate said that the class cannot load it."""
        row = self.row
        try:
            row.difference = self.distance(self.subject.outputs, self.output()[1])
        except Exception as e:
            row.verdict = f"does not load, {AS_SAID}: {one_line(str(e))[:160]}"
            return self.in_a_class_of_its_own() if self.growth.own else None
        row.verdict = f"loads and differs, {AS_SAID}"
        if row.difference <= TOLERANCE:
            row.wrong("LOADS AND IS EQUAL, although the certificate says it cannot")

    def in_a_class_of_its_own(self):
        row, subject = self.row, self.subject
        try:
            answers = [outputs(model, subject.family.inputs()) for model in self.growth.own(subject.family, self.grown)]
        except Exception as e:
            return row.wrong(f"NOT WHAT IT SHOULD BE: {one_line(str(e))[:300]}")
        row.difference = max(distance(subject.outputs, now) for now in answers)
        if row.difference > self.tolerance():
            row.wrong("DIFFERS")


def check_growth(tool, subject, name, growth):
    """A row, or none where the family has no such growth."""
    family = subject.family
    words = GROWTHS[growth].words(family, subject.folder.parent)
    row = Row(name, family.class_name, growth, " ".join(map(str, words or ())))
    if words:
        try:
            Trial(tool, subject, growth, row).run(words)
        except Unplanned as e:
            row.wrong(f"TOOL FAILED: {e}")
    else:
        row.certificate = "refused"
    known = "equal" if growth in family.exact else AS_SAID if growth in family.unloadable else ""
    if known not in row.verdict and row.good:
        row.wrong(f"SHOULD BE POSSIBLE: {row.verdict}")
    return None if growth not in SIZES and row.certificate == "refused" and row.good else row


def in_last_block(name, model):
    """Nothing reads the text side of the last block of a two-stream model."""
    stack = re.match(r"(.*?\.)(\d+)\.", name)
    return stack and not any(n.startswith(f"{stack[1]}{int(stack[2]) + 1}.") for n, _ in model.named_parameters())


def check_family(tool, name, growths, folder, stored, say):
    family = FAMILIES[name]
    try:
        model = build(family)
    except Absent as e:
        return [Row(name, family.class_name, "", "", verdict=f"absent: {e}")]
    unused = [name for name in idle(model, family.inputs()) if not in_last_block(name, model)]
    if unused:
        return [Row(name, family.class_name, "", "", verdict=f"IDLE PARAMETERS: {', '.join(unused[:3])}", good=False)]
    model.zero_grad()
    model.to(stored).save_pretrained(folder / "original")
    subject, rows = Subject(family, folder / "original", stored), []
    for growth in growths:
        if row := check_growth(tool, subject, name, growth):
            rows.append(row)
            say(line(row))
    return rows


def versions():
    return f"diffusers {diffusers.__version__}, torch {torch.__version__.split('+')[0]}, safetensors {safetensors.__version__}"


def check(tool, names, growths, folder, stored=torch.float32, say=lambda text: print(text, flush=True)):
    return [row for name in names for row in check_family(tool, name, growths, Path(folder) / name, stored, say)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True, help="the modelgrow program")
    parser.add_argument("--family", action="append", choices=FAMILIES, help="only this family; may be repeated")
    parser.add_argument("--growth", action="append", choices=GROWTHS, help="only this growth; may be repeated")
    parser.add_argument("--stored", choices=("float32", "bfloat16"), default="float32", help="how the original is saved; it is compared in float32")
    parser.add_argument("--keep", metavar="DIR", help="leave original and grown folders here")
    parser.add_argument("--table", metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--json", metavar="FILE", help="write the rows as JSON")
    options = parser.parse_args()
    diffusers.logging.set_verbosity_error()  # what it warns of is in the loading report that load() reads
    with tempfile.TemporaryDirectory() as scratch:
        folder, stored = options.keep or scratch, getattr(torch, options.stored)
        rows = check(Tool(options.tool), options.family or FAMILIES, options.growth or GROWTHS, folder, stored)
    if options.table:
        Path(options.table).write_text(table(rows, versions(), TOLERANCE))
    if options.json:
        Path(options.json).write_text(json.dumps({"versions": versions(), "rows": [asdict(r) for r in rows]}, indent=1) + "\n")
    equal, bad = sum(r.verdict == "equal" for r in rows), sum(not r.good for r in rows)
    print(f"check-upstream: {len(rows)} growths, {equal} loaded and equal, {bad} wrong ({versions()})")
    return int(bad > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as e:
        print(f"check-upstream: {e}", file=sys.stderr)
        sys.exit(2)
