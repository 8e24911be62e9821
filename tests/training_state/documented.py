# SPDX-License-Identifier: MIT
"""The lines that docs/training-state.md gives to trainers, as they stand there."""

import json
import re
from pathlib import Path

import safetensors.torch
import torch

DOCS = Path(__file__).resolve().parents[2] / "docs/training-state.md"


def documented(mark, function):
    """The function that is defined behind `<!-- mark -->`."""
    code = re.search(rf"<!-- {mark} -->\n```python\n(.*?)```", DOCS.read_text(), re.S).group(1)
    scope = {"json": json, "safetensors": safetensors, "torch": torch}
    exec(code, scope)
    return scope[function]
