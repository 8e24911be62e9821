# SPDX-License-Identifier: MIT
"""Width as a careful user writes it: the weights mapped, `repeat` and divide, one tensor after another, synced.

    widen_numpy.py IN.safetensors OUT.safetensors REPEATS.json

REPEATS.json has for every tensor its axes that grow (sources.Source.repeats).
"""
import json
import os
import sys

import numpy as np

from sources import header_of, read_header


def divided(w: np.ndarray, by: int) -> np.ndarray:
    """numpy has no bfloat16: its upper halves of floats pass through float, and are rounded to even."""
    if w.dtype == np.float32:
        return w / np.float32(by)
    bits = ((w.astype(np.uint32) << 16).view(np.float32) / np.float32(by)).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def repeated(w: np.ndarray, axis: int, times: int, unit: int) -> np.ndarray:
    shape = list(w.shape)
    units = w.reshape(*shape[:axis], shape[axis] // unit, unit, *shape[axis + 1 :])
    shape[axis] *= times
    return np.repeat(units, times, axis).reshape(shape)


def widened(w: np.ndarray, axes: list[dict]) -> np.ndarray:
    for a in axes:
        if a["summed"]:  # before there is more to divide
            w = divided(w, a["times"])
    for a in axes:
        w = repeated(w, a["axis"], a["times"], a["unit"])
    return w


def main(source: str, target: str, repeats: dict) -> None:
    tensors, begin = read_header(source)
    data = np.memmap(source, np.uint8, "r", begin)
    shapes = {name: list(t["shape"]) for name, t in tensors.items()}
    for name, axes in repeats.items():
        for a in axes:
            shapes[name][a["axis"]] *= a["times"]
    dtype = next(iter(tensors.values()))["dtype"]
    with open(target, "wb") as file:
        file.write(header_of(dtype, shapes))
        for name, t in tensors.items():
            w = data[slice(*t["data_offsets"])].view(np.float32 if dtype == "F32" else np.uint16).reshape(t["shape"])
            file.write(np.ascontiguousarray(widened(w, repeats[name])))
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.load(open(sys.argv[3])))
