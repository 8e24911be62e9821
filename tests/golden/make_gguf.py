#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes gguf.gguf with the upstream writer: every metadata type, and two rows of 256 elements of every block type with
random bits, beside what upstream dequantises them to ("<TYPE>.floats").

    make_gguf.py [file]        needs pip install gguf (made with 0.19.0)
"""
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Value

# Where the halves (scales and minima) of a block begin.
TYPES = {Type.F32: [], Type.F16: [], Type.BF16: [], Type.Q8_0: [0], Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0],
         Type.Q5_1: [0, 2], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208]}

random = np.random.default_rng(3)
writer = gguf.GGUFWriter(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "gguf.gguf", "golden")
writer.add_custom_alignment(64)
for kind, value in {Value.UINT8: 200, Value.INT8: -100, Value.UINT16: 60000, Value.INT16: -30000, Value.UINT32: 4000000000,
                    Value.INT32: -2000000000, Value.FLOAT32: 0.1, Value.BOOL: True, Value.STRING: "grün \U0001F331",
                    Value.UINT64: 2**63 - 1, Value.INT64: -2**63, Value.FLOAT64: 0.1}.items():
    name = kind.name.lower()
    writer.add_key_value(f"golden.{name}", value, kind)
    writer.add_key_value(f"golden.{name}s", [value, value, value], Value.ARRAY, kind)
for kind, halves in TYPES.items():
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (2 * 256 // elements, size), dtype=np.uint8)
    if kind == Type.F32:
        blocks = random.standard_normal((512, 1)).astype(np.float32).view(np.uint8)
    elif elements == 1:  # all bits random, but neither infinite nor NaN
        blocks[:, 1] &= 0xBF
    for at in halves:
        blocks[:, at:at + 2] = random.standard_normal((len(blocks), 1)).astype(np.float16).view(np.uint8)
        blocks[0, at:at + 2] = [1, 0]  # the smallest subnormal
    rows = blocks.reshape(2, -1)
    floats = gguf.dequantize(rows, kind).astype(np.float32)
    assert floats.shape == (2, 256) and np.isfinite(floats).all()
    writer.add_tensor(kind.name, rows.view({Type.F32: np.float32, Type.F16: np.float16}.get(kind, np.uint8)), raw_dtype=kind)
    writer.add_tensor(f"{kind.name}.floats", floats)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
