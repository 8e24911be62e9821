# SPDX-License-Identifier: MIT
"""Grows tiny models of upstream classes with the command-line tool and runs old and new in unmodified diffusers.

  check_upstream.py --tool build/modelgrow [--family wan ...] [--growth depth ...] [--stored bfloat16]
                    [--keep DIR] [--table FILE.md] [--json FILE.json]
  check_upstream.py --self-test

A growth that the certificate calls EXACT, with a class that loads it, must leave every output as it was to 1e-5 of the
largest one. Where the certificate says that the class cannot load the result, the result must indeed not load or not
compute the same. Where the class is known to be able (`exact` in tiny.py), the certificate must say so. Exit status 0 when
all of that holds, 1 when not, 2 when the check itself cannot run."""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import diffusers
import safetensors
import torch

from tiny import FAMILIES, GROWTHS, Absent, build, idle, operators, outputs

TOLERANCE = 1e-5
REFUSED = 3  # the tool's exit status


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


def run(tool, *words):
    try:
        done = subprocess.run([*tool, *map(str, words)], capture_output=True, text=True, timeout=600)
    except OSError as e:
        raise Broken(f"cannot run {tool[0]}: {e}") from e
    if done.returncode in (0, REFUSED):
        return done
    raise Unplanned(f"modelgrow {words[0]}: exit status {done.returncode}: {one_line(done.stderr or done.stdout)[:400]}")


def one_line(text):
    return " ".join(text.split())


def load(family, folder, dtype=torch.float32):
    """The model as a user would load it. Raises ValueError when anything of the file stays outside, or is not in it."""
    model, info = family.type.from_pretrained(folder, output_loading_info=True, torch_dtype=dtype)
    for kind, names in info.items():
        if names:
            raise ValueError(f"{kind}: {', '.join(map(str, sorted(names)[:3]))}{' ..' if len(names) > 3 else ''}")
    return model.eval()


def compare(before, after):
    if [t.shape for t in before] != [t.shape for t in after]:
        return float("inf")
    largest = max(t.abs().max().item() for t in before)
    return max((a - b).abs().nan_to_num(nan=float("inf")).max().item() for a, b in zip(before, after)) / largest


def size(model):
    return sum(p.numel() for p in model.parameters())


def judge_grown(row, family, model, before, original, folder):
    """Fills the row from the grown folder, which the certificate called EXACT and loadable."""
    try:
        grown = load(family, folder)
    except Exception as e:  # whatever the class raises is the finding
        row.verdict, row.good = f"DOES NOT LOAD: {one_line(str(e))[:300]}", False
        return
    row.difference = compare(before, outputs(grown, family.inputs()))
    if size(grown) <= size(model):
        row.verdict, row.good = "NOT GROWN: no more parameters than before", False
    elif row.difference > TOLERANCE:
        row.verdict, row.good = "DIFFERS", False
    else:
        row.verdict = "equal"
        compare_bf16(row, family, before, original, folder)


def compare_bf16(row, family, before, original, folder):
    """Both once more in bf16; an original that does not run there is a mistake of this check."""
    try:
        half = [outputs(load(family, f, torch.bfloat16), family.inputs(torch.bfloat16)) for f in (original, folder)]
    except Exception as e:
        row.verdict, row.good = f"FAILS IN BF16: {one_line(str(e))[:300]}", False
        return
    row.difference_bf16, row.rounding_bf16 = compare(*half), compare(before, half[0])


def judge_impossible(row, family, before, folder):
    """Fills the row from a folder of which the certificate said that the class cannot load it."""
    try:
        row.difference = compare(before, outputs(load(family, folder), family.inputs()))
    except Exception as e:
        row.verdict = f"does not load, as said: {one_line(str(e))[:160]}"
        return
    row.good = row.difference > TOLERANCE
    row.verdict = "loads and differs, as said" if row.good else "LOADS AND IS EQUAL, although the certificate says it cannot"


def check_growth(tool, name, growth, model, before, folder):
    family = FAMILIES[name]
    row = Row(name, family.class_name, growth, " ".join(operators(family, growth)))
    try:
        fill(row, tool, family, model, before, folder)
    except Unplanned as e:
        row.verdict, row.good = f"TOOL FAILED: {e}", False
    if growth in family.exact and row.verdict != "equal" and row.good:
        row.verdict, row.good = f"SHOULD BE EXACT: {row.verdict}", False
    return row


def fill(row, tool, family, model, before, folder):
    growth, words = row.growth, operators(family, row.growth)
    original, grown = folder / "original", folder / growth.replace(" ", "-")
    planned = run(tool, "plan", original, *words, "--json")
    if planned.returncode == REFUSED:
        row.certificate, row.verdict = "refused", one_line(planned.stderr)
    else:
        plan = json.loads(planned.stdout)
        row.certificate, row.upstream = one_line(plan["certificate"]), one_line(plan["upstream"])
        exact = row.certificate.split("(")[0].strip() == "EXACT"
        if exact and row.upstream == "loads":
            run(tool, "grow", original, grown, *words, "--json")
            judge_grown(row, family, model, before, original, grown)
        elif exact:
            run(tool, "grow", original, grown, "--accept-upstream", *words, "--json")
            judge_impossible(row, family, before, grown)
        elif run(tool, "grow", original, grown, *words, "--json").returncode == REFUSED:
            row.verdict = "refused unless its condition is accepted"
        else:
            row.verdict, row.good = "GROWN without a question, although not EXACT", False


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
    model = load(family, folder / "original")
    before = outputs(model, family.inputs())
    rows = []
    for growth in growths:
        rows.append(check_growth(tool, name, growth, model, before, folder))
        say(line(rows[-1]))
    return rows


def number(x):
    return "" if x is None else "0" if x == 0 else f"{x:.0e}"


def line(row):
    return f"{'ok ' if row.good else 'BAD'} {row.family:24s} {row.growth:12s} {number(row.difference):6s} {row.certificate} | {row.upstream} | {row.verdict}"


def versions():
    return f"diffusers {diffusers.__version__}, torch {torch.__version__.split('+')[0]}, safetensors {safetensors.__version__}"


def short(row):
    """What happened, in a cell."""
    if row.verdict == "equal" or not row.good:
        return row.verdict
    return row.verdict.split(":")[0] if "as said" in row.verdict else ""


def reason(row):
    """What the certificate, or the refusal, says: one clause."""
    if row.certificate == "refused":
        return "refused: " + row.verdict.rsplit("refused: ", 1)[-1].split("; to grow all the same")[0]
    return row.certificate.split(" (")[0]


def table(rows):
    def cell(text):
        return text.replace("|", "\\|")

    equal, bad = sum(r.verdict == "equal" for r in rows), sum(not r.good for r in rows)
    others = "for the others the certificate had said why not" if not bad else f"{bad} are wrong"
    text = [
        "# Grown models in upstream's own classes",
        "",
        f"Written by `scripts/check-upstream` on {date.today()}: {versions()}, float32, CPU.",
        "A tiny model with random weights, saved by `save_pretrained`, is grown by `modelgrow grow IN OUT` and loaded by the",
        "unmodified class with `from_pretrained`; every output is compared with that of the original.",
        f"{len(rows)} growths; {equal} of them load and are equal; {others}.",
        "",
        "* *depth*: a closed block behind each block of every stack (`--insert-blocks every=1`); *ffn*, *hidden*: twice as wide",
        "  (`--net2wider space=ffn,times=2`); *width*: all widths that belong together (*x3*: three times); *depth+width*: both.",
        f"* *difference*: the largest absolute difference, over the largest output. EXACT must stay below {TOLERANCE:g}.",
        "* *in bf16*: the same with both loaded in bf16; *bf16 alone*: what bf16 does to the original.",
        "",
        "| family | growth | certificate | upstream | what happened | difference | in bf16 | bf16 alone |",
        "|---|---|---|---|---|---|---|---|",
    ]
    last = None
    for r in rows:
        first = f"{r.family}<br>`{r.class_name}`" if r.family != last else ""
        last = r.family
        numbers = map(number, (r.difference, r.difference_bf16, r.rounding_bf16))
        text.append("| " + " | ".join(map(cell, (first, r.growth, reason(r), r.upstream, short(r), *numbers))) + " |")
    return "\n".join(text) + "\n"


def check(tool, names, growths, folder, stored=torch.float32, say=lambda text: print(text, flush=True)):
    return [row for name in names for row in check_family(tool, name, growths, Path(folder) / name, stored, say)]


def self_test():
    """The check against a stand-in for the tool: one that is right, and ones that are wrong in ways that must be caught."""
    stand_in = [sys.executable, str(Path(__file__).with_name("stand_in.py"))]
    failed = 0
    for fault, caught in (
        ("none", None), ("writer", "DIFFERS"), ("config", "DOES NOT LOAD"), ("growth", "NOT GROWN"), ("possible", "LOADS AND IS EQUAL"),
        ("sure", "SHOULD BE EXACT"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            rows = check([*stand_in, f"--fault={fault}"], ("wan", "qwen_image"), ("depth",), folder, say=lambda _: None)
        right = all(r.verdict == "equal" if caught is None else not r.good and r.verdict.startswith(caught) for r in rows)
        if len(rows) != 2 or not right:
            failed = 1
            print(f"self-test: with fault {fault!r} expected {caught or 'equal'}, found", *map(line, rows), sep="\n", file=sys.stderr)
    print("self-test:", "FAILED" if failed else "the check tells right from wrong")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", help="the modelgrow program")
    parser.add_argument("--family", action="append", choices=FAMILIES, help="only this family; may be repeated")
    parser.add_argument("--growth", action="append", choices=GROWTHS, help="only this growth; may be repeated")
    parser.add_argument("--stored", choices=("float32", "bfloat16"), default="float32", help="how the original is saved; it is compared in float32")
    parser.add_argument("--keep", metavar="DIR", help="leave original and grown folders here")
    parser.add_argument("--table", metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--json", metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--self-test", action="store_true", help="check the check, without the tool")
    options = parser.parse_args()
    diffusers.logging.set_verbosity_error()  # what it warns of is in the loading report that load() reads
    if options.self_test:
        return self_test()
    if not options.tool:
        parser.error("--tool is missing")
    with tempfile.TemporaryDirectory() as scratch:
        rows = check([options.tool], options.family or FAMILIES, options.growth or GROWTHS, options.keep or scratch, getattr(torch, options.stored))
    if options.table:
        Path(options.table).write_text(table(rows))
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
