# SPDX-License-Identifier: MIT
"""Clips and captions of a WebDataset tar of animated WebP + JSON, resized and split by concept."""
from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SKIN_TONES = {f"1f3f{digit}" for digit in "bcdef"}


@dataclasses.dataclass
class Clips:
    keys: list[str]
    captions: list[str]
    frames: np.ndarray  # uint8 [clips, all frames, size, size, 3]

    def __len__(self) -> int:
        return len(self.keys)

    def subset(self, chosen: list[int]) -> "Clips":
        return Clips([self.keys[i] for i in chosen], [self.captions[i] for i in chosen], self.frames[chosen])


def concept(key: str) -> str:
    """The key without skin tones and variation selectors, so that variants of one concept are never split."""
    return "-".join(part for part in key.split("-") if part not in SKIN_TONES and part != "fe0f")


def is_validation(key: str) -> bool:
    """One concept in ten, chosen by its hash: independent of order, of other clips and of the machine."""
    return int.from_bytes(hashlib.sha256(concept(key).encode()).digest()[:8], "big") % 10 == 0


def resize_area(image: np.ndarray, size: int) -> np.ndarray:
    """Mean over whole cells: uint8 [n, n, 3] -> [size, size, 3], n a multiple of size."""
    cell = image.shape[0] // size
    cells = image.reshape(size, cell, size, cell, 3).astype(np.float32)
    return (cells.mean(axis=(1, 3)) + 0.5).astype(np.uint8)


def decode(webp: bytes, size: int, count: int = 16) -> np.ndarray:
    """The frames shown at count equidistant times (WebP merges equal neighbours into one longer frame)."""
    image = Image.open(io.BytesIO(webp))
    frames, ends, end = [], [], 0
    for i in range(image.n_frames):
        image.seek(i)
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        frames.append(resize_area(np.asarray(Image.alpha_composite(white, rgba).convert("RGB")), size))
        end += image.info["duration"]
        ends.append(end)
    shown = np.searchsorted(ends, np.arange(count) * end / count, side="right")
    return np.stack(frames)[shown]


def read_tar(path: str, size: int) -> Clips:
    samples: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, extension = member.name.partition(".")
            samples.setdefault(key, {})[extension] = tar.extractfile(member).read()
    keys = sorted(samples)
    captions = [json.loads(samples[key]["json"])["caption"] for key in keys]
    return Clips(keys, captions, np.stack([decode(samples[key]["webp"], size) for key in keys]))


def load(paths: list[str], size: int, cache: str | None = None) -> tuple[Clips, Clips]:
    """Training and validation clips of all tars; decoded frames are kept under cache when it is given."""
    parts = []
    for path in paths:
        stored = Path(cache) / f"{Path(path).stem}-{size}.npz" if cache else None
        if stored and stored.exists():
            saved = np.load(stored)
            parts.append(Clips(saved["keys"].tolist(), saved["captions"].tolist(), saved["frames"]))
            continue
        parts.append(read_tar(path, size))
        if stored:
            stored.parent.mkdir(parents=True, exist_ok=True)
            part = parts[-1]
            np.savez(stored, keys=part.keys, captions=part.captions, frames=part.frames)
    every = Clips(
        [key for part in parts for key in part.keys],
        [caption for part in parts for caption in part.captions],
        np.concatenate([part.frames for part in parts]),
    )
    held_out = [is_validation(key) for key in every.keys]
    train = every.subset([i for i, held in enumerate(held_out) if not held])
    return train, every.subset([i for i, held in enumerate(held_out) if held])


def take(frames: np.ndarray, count: int, offset: int = 0) -> Tensor:
    """uint8 [B, all, H, W, 3] -> float [B, 3, count, H, W] in [-1, 1]: every n-th frame, beginning with offset."""
    chosen = frames[:, offset :: frames.shape[1] // count][:, :count]
    return torch.from_numpy(chosen).permute(0, 4, 1, 2, 3).float().div(127.5).sub(1.0)
