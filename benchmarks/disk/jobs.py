# SPDX-License-Identifier: MIT
"""What is measured: sources, growths, and for each who does it and by what command."""
from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import machine
import sources

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
IMPORTS = {"numpy": "numpy", "torch": "torch", "mergekit": "mergekit.scripts.run_yaml"}  # of those who are interpreted
WEIGHTS = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class Growth:
    """What is said of it, the tool's flags, and the factors of spaces that are wider after it."""

    title: str
    flags: list[str]
    wider: dict[str, int]


GROWTHS = {
    "width": Growth("hidden x2", ["--net2wider", "space=hidden,times=2"], {"hidden": 2, "heads": 2}),
    "ffn": Growth("ffn x2, noise of 20 dB", ["--net2wider", "space=ffn,times=2,noise_db=20"], {"ffn": 2}),
    "depth": Growth("a block after each", ["--insert-blocks", "every=1"], {}),
}


def all_sources(quick: bool, blocks: int) -> dict[str, sources.Source]:
    """Three checkpoints and a language model as large as the second of them, which is what mergekit is made for; or tiny
    ones of the same classes, or the same with fewer blocks."""
    stdit, wan = "hpcai-tech/Open-Sora 1.0 STDiT-XL/2 16x256x256", "Wan-AI/Wan2.1-T2V-1.3B"
    large = "Wan-AI/Wan2.1-T2V-14B (= each expert of Wan2.2-T2V-A14B)"
    if quick:
        stdit, wan, large = f"tiny, as {stdit}", f"tiny, as {wan}", f"tiny, as {wan}"
    return {
        "stdit-xl": sources.release("stdit1", stdit, "F32", blocks, "STDiT-XL/2, float32"),
        "wan-1.3b": sources.release("wan", wan, "BF16", blocks, "Wan 2.1 1.3B, bf16"),
        "wan-14b": sources.release("wan", large, "BF16", blocks or (0 if quick else 5), "Wan 2.1 14B at 1/8 depth, bf16"),
        "llama": sources.llama(128, 256, 2, 256) if quick else sources.llama(2048, 5632, blocks or 25, 32000),
    }


@dataclass
class Environment:
    """The tool, and the interpreters of the peers, which are made when first asked for."""

    tool: str
    python: str = sys.executable
    made: dict = field(default_factory=dict)
    known: dict = field(default_factory=dict)

    def peers(self, *options: str) -> str:
        if options not in self.made:
            done = subprocess.run([ROOT / "scripts/peers-env", *options], stdout=subprocess.PIPE, text=True, check=True)
            self.made[options] = done.stdout.strip()
        return self.made[options]


    def interpreter(self, who: str) -> str:
        return self.peers("--mergekit") if who == "mergekit" else self.peers()

    def version_of(self, who: str) -> str:
        """As `numpy 2.4.6`; of the tool, the commit of this tree."""
        if who not in self.known:
            version = machine.commit(ROOT) if who in ("modelgrow", "warm") else machine.version(self.interpreter(who), who)
            self.known[who] = f"{'modelgrow' if who == 'warm' else who} {version}"
        return self.known[who]


@dataclass
class Place:
    """Where a source and what is made of it live."""

    folder: Path
    source: sources.Source
    file_name: str = WEIGHTS
    family: list[str] = field(default_factory=list)  # what the tool has to be told

    @property
    def input(self) -> Path:
        return self.folder / "in"

    @property
    def weights(self) -> Path:
        return self.input / self.file_name

    @property
    def pickled(self) -> Path:
        return self.folder / "in.pt"

    @property
    def repeats(self) -> Path:
        return self.folder / "repeats.json"

    @property
    def merge(self) -> Path:
        return self.folder / "merge.json"

    @property
    def output(self) -> Path:
        return self.folder / "out"


@dataclass
class Contestant:
    """One who does a job: `who` is disk (it writes), copy (it also reads), modelgrow, warm (modelgrow, its source in memory),
    numpy, torch or mergekit."""

    who: str
    place: Place
    growth: str
    bytes_out: int
    compared: list[str] = field(default_factory=list)  # tensors that are the same whoever makes them
    one_core: bool = False

    @property
    def bytes_in(self) -> int:
        return self.place.source.bytes()

    @property
    def label(self) -> str:
        return f"{self.place.folder.name}/{self.growth}{' on one core' if self.one_core else ''}/{self.who}"

    @property
    def is_disk(self) -> bool:
        return self.who in ("disk", "copy")

    @property
    def is_tool(self) -> bool:
        return self.who in ("modelgrow", "warm")

    @property
    def reads(self) -> list[Path]:
        if self.who == "disk":
            return []
        return [self.place.pickled] if self.who == "torch" else [self.place.weights]

    def prepare(self, environment: Environment) -> None:
        """What does not count: makes sources, and what of them the peers read."""
        place = self.place
        if self.who != "disk":
            sources.write_source(place.source, place.input, place.file_name, {"format": "pt"})
        if self.who in ("numpy", "torch"):
            place.repeats.write_text(json.dumps(place.source.repeats(GROWTHS[self.growth].wider)))
        if self.who == "torch" and not (place.pickled.exists() and newer(place.pickled, place.weights)):
            convert = [HERE / "widen_torch.py", "--convert", place.weights, place.pickled]
            subprocess.run([environment.interpreter(self.who), *convert], check=True)
        if self.who == "mergekit":
            place.merge.write_text(json.dumps(doubled(place), indent=1))

    def start(self, environment: Environment) -> list[str] | None:
        """What a peer imports, alone: it is measured too, and read from the disk before the run."""
        return [environment.interpreter(self.who), "-c", f"import {IMPORTS[self.who]}"] if self.who in IMPORTS else None

    def command(self, environment: Environment, yardstick: dict) -> list[str]:
        place, out = self.place, str(self.place.output)
        grown = f"{out}/grown"
        if self.is_disk:
            return [environment.python, str(HERE / "write_only.py"), f"{out}/file", str(self.bytes_out),
                    str(yardstick["threads"]), str(yardstick["window_mb"]), *map(str, self.reads)]  # fmt: skip
        if self.is_tool:
            return [environment.tool, "grow", str(place.input), grown, *GROWTHS[self.growth].flags, *place.family, "--json"]
        if self.who == "mergekit":
            merge = str(Path(environment.interpreter(self.who)).with_name("mergekit-yaml"))
            return [merge, str(place.merge), grown, "--no-copy-tokenizer", "--no-write-model-card"]
        return [environment.interpreter(self.who), str(HERE / f"widen_{self.who}.py"), str(self.reads[0]),
                f"{out}/grown{self.reads[0].suffix}", str(place.repeats)]  # fmt: skip

    def environment(self) -> dict:
        return {"HF_HUB_OFFLINE": "1"} if self.who == "mergekit" else {}

    def memory_needed(self) -> int:
        """torch.save needs what it saves in memory."""
        return int(self.bytes_out * 1.05) + 1_500_000_000 if self.who == "torch" else 0


def newer(path: Path, than: Path) -> bool:
    return path.stat().st_mtime > than.stat().st_mtime


def doubled(place: Place) -> dict:
    """mergekit's way to what InsertBlocks does: after each block a copy whose two closing weights are zero."""
    closed = {"scale": [{"filter": "o_proj", "value": 0.0}, {"filter": "down_proj", "value": 0.0}, {"value": 1.0}]}
    slices = []
    for i in range(place.source.config["num_hidden_layers"]):
        block = {"model": str(place.input), "layer_range": [i, i + 1]}
        slices += [{"sources": [block]}, {"sources": [block | {"parameters": closed}]}]
    return {"merge_method": "passthrough", "dtype": "bfloat16", "slices": slices}


def jobs_of(name: str, source: sources.Source, folder: Path) -> list[list[Contestant]]:
    """The jobs on a source: those of a job are compared, and run one after another."""
    deeper = source.bytes_at_twice_the_depth()
    if name == "llama":
        place = Place(folder / name, source, "model.safetensors", ["--family", str(HERE / "llama.family.json")])
        same = [n for n in source.names_at_twice_the_depth() if "o_proj" not in n and "down_proj" not in n]  # 0 or -0
        return [[Contestant(who, place, "depth", deeper, same, one_core=True) for who in ("modelgrow", "mergekit")]]
    place, wider = Place(folder / name, source), GROWTHS["width"].wider
    usual = ("disk", "copy", "modelgrow", "warm")
    return [[Contestant(who, place, "width", source.bytes(wider), list(source.tensors)) for who in (*usual, "numpy", "torch")],
            [Contestant(who, place, "ffn", source.bytes(GROWTHS["ffn"].wider)) for who in usual],
            [Contestant(who, place, "depth", deeper) for who in usual]]  # fmt: skip
