# SPDX-License-Identifier: MIT
"""Writes tests/families/tiny/NAME.json: config.json and the names, shapes and dtype of a tiny model, as diffusers saves it.

  $(scripts/peers-env torch==2.15.0 torchvision==0.29.2 diffusers==0.42.1 accelerate==1.15.0) tests/families/make_tiny_names.py [NAME ...]"""

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "upstream"))

from safetensors import safe_open  # noqa: E402
from tiny import FAMILIES, build  # noqa: E402


def saved(family):
    """config.json, and per dtype the names and shapes of the file."""
    with tempfile.TemporaryDirectory() as folder:
        build(family).save_pretrained(folder)
        config = json.loads((Path(folder) / "config.json").read_text())
        with safe_open(Path(folder) / "diffusion_pytorch_model.safetensors", "pt") as file:
            slices = {name: file.get_slice(name) for name in sorted(file.keys())}
            dtypes = {s.get_dtype() for s in slices.values()}
            assert len(dtypes) == 1, dtypes
            return config, dtypes.pop(), {name: s.get_shape() for name, s in slices.items()}


def main():
    (HERE / "tiny").mkdir(exist_ok=True)
    for name in sys.argv[1:] or FAMILIES:
        config, dtype, names = saved(FAMILIES[name])
        lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in names.items())
        text = f'{{"config": {json.dumps(config)},\n"dtype": "{dtype}",\n"names": {{\n{lines}}}}}\n'
        (HERE / "tiny" / f"{name}.json").write_text(text)


main()
