# SPDX-License-Identifier: MIT
"""Rows of check_upstream.py as lines of a terminal and as Markdown."""

from datetime import date

from growths import OTHERS, SIZES

WHAT = {
    "in channels": "4 more channels of the input (`--grow-channels space=in_channels`), which hold random numbers; where the class\n"
    "  knows one number for both, 4 more of the output, which must be zero behind the old ones",
    "control channels": "the same for those of a control branch (`space=vace_in_channels`)",
    "audio channels": "the same for those of the sound (`space=audio_in_channels`; `audio_channels` where it is one number)",
    "out channels": "2 more of the output (`space=out_channels`), which must be zero behind the old ones",
    "audio out channels": "the same for those of the sound (`space=audio_out_channels`)",
    "head dim": "heads twice as wide (`--grow-head-dim`)",
    "head dim x1.5": "half as wide again",
    "zero channels": "7 more channels of the residual stream (`--zero-channels`)",
    "positions": "stored tables of positions, half as long again along each axis (`--interpolate-positions`): APPROXIMATE, so not\n"
    "  the old outputs, but tables and outputs must be those of the class with tables that `torch.nn.functional.interpolate` made",
    "positions ends": "the same at other sizes, some of them shorter, and with `align=ends`",
    "experts": "mixtures of 4 experts, 2 of them for each token (`--mixture-of-experts`): no class loads it, as said; the number is\n"
    "  the difference of the class with mixtures, written in PyTorch for this check, in place of its layers",
    "text map": "another text encoder, whose states determine the old ones by a map (`--swap-text-encoder map=FILE`);\n"
    "  the certificate says APPROXIMATE, since it knows no states",
    "new text": "another text encoder without a map: it must load and run, and computes something else",
    "temporal conv": "a graft at the port for time (`--temporal-conv`); the class leaves it out, and it is closed",
    "cross text": "a graft at the port for text (`--cross-text`), likewise",
    "pooled text": "a graft beside the time embedding (`--pooled-text`), likewise",
    "together": "all of depth, width, heads, channels and a graft that leaves the family as it is, in one plan",
}


def number(x):
    return "" if x is None else "0" if x == 0 else f"{x:.0e}"


def line(row):
    """For a terminal."""
    good = "ok " if row.good else "BAD"
    return f"{good} {row.family:24s} {row.growth:16s} {number(row.difference):6s} {row.certificate} | {row.upstream} | {row.verdict}"


def cells(*texts):
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def happened(row):
    """In a cell."""
    if row.verdict == "equal" or not row.good:
        return row.verdict
    return "" if row.certificate == "refused" else row.verdict.split(":")[0]


def claim(row):
    """What the certificate, or the refusal, says: one clause."""
    if row.certificate == "refused":
        return "refused: " + row.verdict.rsplit("refused: ", 1)[-1].split("; to grow all the same")[0]
    word, _, reason = row.certificate.partition(" (")
    return f"EXACT if {reason.removesuffix(')')}" if word == "EXACT-IF" else word


def sizes(rows):
    """A line for each growth of depth and width."""
    text = [
        cells("family", "growth", "certificate", "upstream", "what happened", "difference", "in bf16", "bf16 alone"),
        "|---|---|---|---|---|---|---|---|",
    ]
    last = None
    for r in rows:
        first = f"{r.family}<br>`{r.class_name}`" if r.family != last else ""
        last = r.family
        differences = map(number, (r.difference, r.difference_bf16, r.rounding_bf16))
        text.append(cells(first, r.growth, claim(r), r.upstream, happened(r), *differences))
    return text


def others(rows):
    """A line for each family, a column for each of the other growths that any family has."""
    columns = [growth for growth in OTHERS if any(r.growth == growth for r in rows)]
    found = {(r.family, r.growth): r for r in rows}
    text = [cells("family", *columns), "|---" * (len(columns) + 1) + "|"]
    for family in dict.fromkeys(r.family for r in rows):
        text.append(cells(family, *(brief(found.get((family, growth))) for growth in columns)))
    return text


def brief(row):
    """An equal one is told by its difference."""
    if row is None:
        return ""
    if row.verdict == "equal":
        return number(row.difference)
    if not row.good:
        return row.verdict
    if row.certificate == "refused" or row.difference is None:
        return happened(row)
    if row.upstream.startswith("cannot"):
        return number(row.difference)
    return f"runs, {number(row.difference)}"


def reasons(rows):
    """Why the class cannot load what it cannot, once for families that share it."""
    why = {}
    for row in rows:
        if row.upstream.startswith("cannot"):
            cannot = row.upstream.split(" (")[0].split(", which takes")[0]
            why.setdefault((row.growth, claim(row), cannot), []).append(row.family)
    return [f"* *{growth}* of {', '.join(families)}: {said}; upstream {cannot}" for (growth, said, cannot), families in why.items()]


def table(rows, versions, tolerance):
    first, second = [r for r in rows if r.growth in SIZES], [r for r in rows if r.growth in OTHERS]
    rest = [r for r in rows if r not in first and r not in second]
    equal, bad = sum(r.verdict == "equal" for r in rows), sum(not r.good for r in rows)
    fate = "for the others the certificate had said why not" if not bad else f"{bad} are wrong"
    tried = [growth for growth in OTHERS if any(r.growth == growth for r in second)]
    nobody = [f"No family here takes *{growth}*: {WHAT[growth]}." for growth in OTHERS if growth not in tried]
    text = [
        "# Grown models in upstream's own classes",
        "",
        f"Written by `scripts/check-upstream` on {date.today()}: {versions}, float32, CPU.",
        "A tiny model with random weights, saved by `save_pretrained`, is grown by `modelgrow grow IN OUT` and loaded by the",
        "unmodified class with `from_pretrained`; every output is compared with that of the original.",
        f"{len(rows)} growths; {equal} of them load and are equal; {fate}.",
        "What `modelgrow check` says of a grown folder is held against what happened, too.",
        "",
        "*difference*: the largest absolute difference, over the largest output. What the certificate calls EXACT must stay below",
        f"{tolerance:g}. *in bf16*: the same with both loaded in bf16; *bf16 alone*: what bf16 does to the original.",
        "",
        "## Channels, heads, text encoders, grafts",
        "",
        "A number is the difference of a growth that loads and is equal; an empty cell: the family has no such growth, which",
        "`modelgrow plan` says with the reason.",
        "",
        *(f"* *{growth}*: {WHAT[growth]}" for growth in tried),
        "",
        *others(second),
        "",
        *reasons(second),
        "",
        *([*nobody, ""] if nobody else []),
        "## Depth and width",
        "",
        "* *depth*: a closed block behind each block of every stack (`--insert-blocks every=1`); *ffn*, *hidden*: twice as wide",
        "  (`--net2wider space=ffn,times=2`); *width*: all widths that belong together (*x3*: three times); *depth+width*: both.",
        "",
        *sizes(first + rest),
    ]
    return "\n".join(text) + "\n"
