# SPDX-License-Identifier: MIT
"""check_upstream.py against a stand-in for the tool: one that is right, and ones that are wrong in ways that must be caught."""

import sys
import tempfile

import diffusers

from check_upstream import check
from packing import packed_otherwise
from stand_in import StandIn
from table import line

CASES = {  # growth -> fault of the stand-in -> how the check must call it
    "depth": {
        "none": "equal", "writer": "DIFFERS", "config": "DOES NOT LOAD", "growth": "NOT GROWN", "possible": "LOADS AND IS EQUAL",
        "sure": "SHOULD BE POSSIBLE", "doubt": "GROWN without a question", "told": "CHECK SAYS OTHERWISE",
    },
    "in channels": {"none": "equal", "reader": "DIFFERS", "config": "DOES NOT LOAD", "sure": "SHOULD BE POSSIBLE"},
    "both in channels": {"none": "equal", "reader": "DIFFERS", "rows": "DIFFERS", "order": "DIFFERS"},
    "out channels": {"none": "equal", "rows": "DIFFERS", "order": "DIFFERS", "growth": "NOT GROWN"},
    "text map": {"none": "equal", "constant": "DIFFERS", "question": "GROWN without --allow-approximate"},
    "positions": {
        "none": "equal", "corners": "DIFFERS: pos_embed.pos_embed", "rest": "DIFFERS: proj_out.bias", "heads": "DIFFERS",
        "config": "DOES NOT LOAD", "growth": "DIFFERS: pos_embed.pos_embed", "sure": "SHOULD BE POSSIBLE", "exact": "EXACT, although",
        "question": "GROWN without --allow-approximate",
    },
    "positions ends": {"none": "equal", "corners": "DIFFERS: pos_embed.pos_embed"},
    "experts": {
        "none": "does not load, as said", "expert": "DIFFERS", "router": "NOT WHAT IT SHOULD BE", "loads": "DOES NOT LOAD",
        "growth": "LOADS AND IS EQUAL", "sure": "SHOULD BE POSSIBLE", "question": "GROWN without --accept-upstream",
        "told": "CHECK SAYS OTHERWISE",
    },
    "temporal conv": {"none": "equal", "graft": "DIFFERS", "growth": "NOT GROWN", "config": "DOES NOT LOAD", "silence": "LEFT OUT"},
}  # fmt: skip

CLASSES = {  # others cannot
    "both in channels": ("z_image",), "text map": ("wan",), "positions": ("sd3_medium",), "positions ends": ("sd3_medium",),
}  # fmt: skip


def main():
    diffusers.logging.set_verbosity_error()
    failed = 0
    for path in packed_otherwise():
        failed = 1
        print(f"self-test: {path} packs new channels elsewhere than the growths of channels say", file=sys.stderr)
    for growth, faults in CASES.items():
        names = CLASSES.get(growth, ("wan", "qwen_image"))
        growth = growth.removeprefix("both ")
        for fault, expected in faults.items():
            with tempfile.TemporaryDirectory() as folder:
                rows = check(StandIn(fault), names, (growth,), folder, say=lambda _: None)
            right = all(r.verdict.startswith(expected) and r.good == (fault == "none") for r in rows)
            if len(rows) != len(names) or not right:
                failed = 1
                print(f"self-test: {growth}: with fault {fault!r} expected {expected}, found", *map(line, rows), sep="\n", file=sys.stderr)
    print("self-test:", "FAILED" if failed else "the check tells right from wrong")
    return failed


if __name__ == "__main__":
    sys.exit(main())
