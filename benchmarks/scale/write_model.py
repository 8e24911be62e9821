# SPDX-License-Identifier: MIT
"""Puts the tables of the cost model, from standard input, between its marks in a page. Run by scripts/bench-scale model."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "disk"))
from table import put_between_marks  # noqa: E402

MARKS = ("<!-- cost model: written by scripts/bench-scale model --write-docs -->", "<!-- /cost model -->")

if __name__ == "__main__":
    put_between_marks(Path(sys.argv[1]), sys.stdin.read(), MARKS)
