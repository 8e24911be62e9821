# SPDX-License-Identifier: MIT
"""Checkpoints of released size to grow: names and shapes of releases (tests/families/releases) with random values.

Needs the standard library only.
"""
from __future__ import annotations

import hashlib
import json
import math
import os
import random
import re
import struct
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

RELEASES = Path(__file__).resolve().parents[2] / "tests/families/releases"
BYTES = {"F32": 4, "BF16": 2}
PERIOD = 1_000_003  # of the random numbers; odd, so that no two blocks of the disk are alike


@dataclass(frozen=True)
class Axis:
    """An extent as a sum of products, such as 3*heads*head_dim, at the sizes of a release."""

    text: str
    sizes: dict

    def extent(self, times: dict | None = None) -> int:
        sizes = {name: n * (times or {}).get(name, 1) for name, n in self.sizes.items()}
        total = 0
        for term in self.text.split("+"):
            product = 1
            for sign, word in re.findall(r"([*/]?)(\w+)", term):
                n = int(word) if word.isdigit() else sizes[word]
                product = product // n if sign == "/" else product * n
            total += product
        return total

    def unit(self) -> int:
        """Entries that go together when the axis grows: a whole head, or one."""
        return self.sizes["head_dim"] if "head_dim" in self.text else 1


@dataclass
class Source:
    """A checkpoint to be made: its tensors by name, and config.json."""

    title: str
    dtype: str
    config: dict
    tensors: dict[str, list[Axis]] = field(default_factory=dict)
    in_blocks: set[str] = field(default_factory=set)

    def add(self, name: str, extents: str, sizes: dict, in_block: bool) -> None:
        self.tensors[name] = [Axis(text, sizes) for text in extents.split(",")]
        if in_block:
            self.in_blocks.add(name)

    def shapes(self, times: dict | None = None) -> dict[str, list[int]]:
        return {name: [axis.extent(times) for axis in axes] for name, axes in self.tensors.items()}

    def bytes(self, times: dict | None = None) -> int:
        return bytes_of(self.dtype, self.shapes(times).values())

    def bytes_at_twice_the_depth(self) -> int:
        return self.bytes() + bytes_of(self.dtype, (s for name, s in self.shapes().items() if name in self.in_blocks))

    def names_at_twice_the_depth(self) -> list[str]:
        depth = 1 + max(int(re.search(r"[.](\d+)[.]", name)[1]) for name in self.in_blocks)
        others = (re.sub(r"[.](\d+)[.]", lambda i: f".{int(i[1]) + depth}.", name, count=1) for name in self.in_blocks)
        return [*self.tensors, *others]

    def repeats(self, times: dict) -> dict[str, list[dict]]:
        """Per tensor the axes that are wider where these spaces are: by what factor, in what units, and whether what is
        summed over it is to stay the same."""
        result = {}
        for name, axes in self.tensors.items():
            factors = [axis.extent(times) // axis.extent() for axis in axes]
            result[name] = [
                {"axis": i, "times": k, "unit": axes[i].unit(), "summed": i == 1 and name.endswith(".weight")}
                for i, k in enumerate(factors) if k > 1
            ]  # fmt: skip
        return result


def bytes_of(dtype: str, shapes: Iterable[list[int]]) -> int:
    return BYTES[dtype] * sum(math.prod(shape) for shape in shapes)


def release(family: str, name: str, dtype: str, blocks: int = 0, title: str = "") -> Source:
    """A release of a family, at `blocks` blocks instead of its own where that is given."""
    file = json.loads((RELEASES / f"{family}.json").read_text())
    index, found = next((i, r) for i, r in enumerate(file["releases"]) if r["name"] == name)
    stack, depth = next(iter(found["blocks"].items()))
    config = {"_class_name": file["class"], **found["config"]}
    if blocks:
        config = {key: blocks if key in ("depth", "num_layers") else value for key, value in config.items()}
    source = Source(title or name, dtype, config)
    for key, extents, *marks in file["tensors"]:
        if index not in (marks[0] if marks else {}).get("only_in", [index]):
            continue
        for i in range(blocks or depth) if "{}" in key else [0]:
            source.add(key.replace("{}", str(i)), extents, found["sizes"], "{}" in key)
    if not blocks and len(source.tensors) != found["tensors"]:
        sys.exit(f"{name}: {len(source.tensors)} tensors made of {RELEASES / family}.json, which counts {found['tensors']}")
    return source


def llama(hidden: int, ffn: int, blocks: int, vocabulary: int) -> Source:
    """A language model of the kind that mergekit is made for; heads of 64."""
    sizes = {"hidden": hidden, "ffn": ffn, "vocabulary": vocabulary}
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": ffn,
              "num_hidden_layers": blocks, "num_attention_heads": hidden // 64, "num_key_value_heads": hidden // 64,
              "vocab_size": vocabulary, "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
              "rope_theta": 10000.0, "tie_word_embeddings": False, "dtype": "bfloat16", "bos_token_id": 1,
              "eos_token_id": 2}  # fmt: skip
    block = {"input_layernorm": "hidden", "post_attention_layernorm": "hidden",
             **{f"self_attn.{part}_proj": "hidden,hidden" for part in "qkvo"},
             **{f"mlp.{part}_proj": "ffn,hidden" for part in ("gate", "up")}, "mlp.down_proj": "hidden,ffn"}  # fmt: skip
    source = Source("Llama of 1.4 B, bf16", "BF16", config)
    for name, axes in {"model.embed_tokens": "vocabulary,hidden", "model.norm": "hidden", "lm_head": "vocabulary,hidden"}.items():
        source.add(f"{name}.weight", axes, sizes, False)
    for i in range(blocks):
        for name, axes in block.items():
            source.add(f"model.layers.{i}.{name}.weight", axes, sizes, True)
    return source


def random_values(dtype: str) -> bytes:
    """PERIOD finite numbers below 0.05."""
    source = random.Random(1)
    floats = array("f", (source.uniform(-0.05, 0.05) for _ in range(PERIOD)))
    return floats.tobytes() if dtype == "F32" else array("H", floats.tobytes())[1::2].tobytes()


def header_of(dtype: str, shapes: dict[str, list[int]], metadata: dict | None = None) -> bytes:
    """What a safetensors file of these tensors begins with."""
    table, offset = {"__metadata__": metadata} if metadata else {}, 0
    for name, shape in shapes.items():
        end = offset + BYTES[dtype] * math.prod(shape)
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def read_header(path: Path) -> tuple[dict, int]:
    """The tensors of a safetensors file, and where its data begin."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        table = json.loads(file.read(size))
    return {name: entry for name, entry in table.items() if name != "__metadata__"}, 8 + size


def tensor_of(path: Path, name: str) -> tuple[list[int], bytes]:
    """Shape and values of one tensor of a file."""
    tensors, begin = read_header(path)
    first, end = tensors[name]["data_offsets"]
    with open(path, "rb") as file:
        file.seek(begin + first)
        return tensors[name]["shape"], file.read(end - first)


def sampled_names(names: Iterable[str]) -> list[str]:
    """A few names, the same ones for everyone."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:8]


def sample_of(tensors: Iterable[tuple[str, list[int], bytes]]) -> str:
    """A checksum over names, shapes and values."""
    total = hashlib.sha256()
    for name, shape, values in tensors:
        total.update(f"{name} {list(shape)} ".encode() + values)
    return total.hexdigest()[:16]


def write_source(source: Source, folder: Path, file_name: str, metadata: dict | None = None) -> Path:
    """Makes the checkpoint, weights first and config.json last, so that a folder with config.json is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    path, config = folder / file_name, folder / "config.json"
    wanted = json.dumps(source.config, indent=2) + "\n"
    if config.exists() and config.read_text() == wanted:
        return path
    config.unlink(missing_ok=True)
    values = memoryview(random_values(source.dtype) * 2)
    period, at = len(values) // 2, 0
    with open(path, "wb") as file:
        file.write(header_of(source.dtype, source.shapes(), metadata))
        left = source.bytes()
        while left:  # one endless row of numbers through all tensors
            part = values[at : at + min(left, period)]
            file.write(part)
            at, left = (at + len(part)) % period, left - len(part)
        file.flush()
        os.fsync(file.fileno())
    config.write_text(wanted)
    return path
