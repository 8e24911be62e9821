# SPDX-License-Identifier: MIT
"""The growths that are tried: the words of the command line, what the grown model is given, and what it must answer."""

from dataclasses import dataclass
from typing import Callable

import torch
from safetensors.torch import save_file

from experts import mixed
from positions import Grid
from tiny import noise


@dataclass(frozen=True)
class Growth:
    """`feed` and `expect` take what the old model was given and what it answered; both do nothing by default."""

    words: Callable  # of the command line, for a family, with a folder for files; None: the family has no such thing
    feed: Callable = lambda family, inputs: inputs
    expect: Callable = lambda family, outputs: outputs
    permits: tuple = ()  # without these words it must be refused
    kept: bool = True  # the outputs stay; otherwise it must only load and run
    left_out: bool = False  # classes leave its tensors outside
    tables: Callable = None  # it makes tables of positions: of a family's grid, their sizes and whether ends meet ends
    own: Callable = None  # of a family and the grown folder, models of a class that can load it


APPROXIMATE = ("--allow-approximate",)


def words(operator, **options):
    return [f"--{operator}", ",".join(f"{key}={value}" for key, value in options.items())]


# depth and width ------------------------------------------------------------------------------------------------------


def deeper(family, folder=None):
    return [word for place in family.deepens for word in ("--insert-blocks", place)]


def wider(times, *spaces):
    def all_words(family, folder):
        return [word for space in spaces or family.widens for word in words("net2wider", space=space, times=times)]

    return Growth(all_words)


SIZES = {
    "depth": Growth(deeper),
    "ffn": wider(2, "ffn"),
    "hidden": wider(2, "hidden"),
    "width": wider(2),
    "width x3": wider(3),
    "depth+width": Growth(lambda family, folder: deeper(family) + wider(2).words(family, folder)),
}


# channels of the data -------------------------------------------------------------------------------------------------


def behind(states, axis, more, filled):
    """`more` numbers behind those of an axis, of a tensor or of each of a list."""
    if isinstance(states, list):
        return [behind(x, axis, more, filled) for x in states]
    shape = list(states.shape)
    shape[axis] = more
    return torch.cat([states, filled(*shape)], axis)


def silent(family, outputs, channels, more, at=0):
    """New channels of outputs, of which there were `channels`, are zero. Where the class leaves patches packed, a channel is a
    run of its positions."""
    samples = family.inputs()[family.takes]
    these = range(len(samples)) if isinstance(samples, list) else [at]
    return [
        behind(t, family.channels, t.shape[family.channels] * more // channels, torch.zeros) if i in these else t
        for i, t in enumerate(outputs)
    ]


def more_inputs(key, states=None, space_of_both=None, at=0, more=4):
    """New channels of the states hold random numbers, as large as those of the old ones."""

    def grown(family, folder):
        old = family.config().get(key)
        return old and words("grow-channels", space=family.both and space_of_both or key, to=old + more)

    def feed(family, inputs):
        name, old = states or family.takes, family.config()[key]
        packed = family.both and isinstance(inputs[name], torch.Tensor)
        new = inputs[name].shape[family.channels] * more // old if packed else more
        return {**inputs, name: behind(inputs[name], family.channels, new, lambda *shape: noise(*shape, seed=8))}

    def expect(family, outputs):
        return silent(family, outputs, family.config()[key], more, at) if family.both else outputs

    return Growth(grown, feed, expect)


def more_outputs(key="out_channels", for_null="in_channels", at=0, more=2):
    """New channels are zero."""

    def channels(family):
        config = family.config()
        return config.get(key) or config.get(for_null)

    def grown(family, folder):
        old = channels(family)
        return old and words("grow-channels", space=key, to=old + more)

    return Growth(grown, expect=lambda family, outputs: silent(family, outputs, channels(family), more, at))


# heads, the residual stream ---------------------------------------------------------------------------------------------


def wider_heads(times):
    def grown(family, folder):
        old = family.config().get("attention_head_dim")
        return old and words("grow-head-dim", to=int(old * times))

    return Growth(grown)


def zero_channels(family, folder):
    config = family.config()
    old = config.get("hidden_size") or config.get("dim") or config["num_attention_heads"] * config["attention_head_dim"]
    return words("zero-channels", to=old + 7)


# positions --------------------------------------------------------------------------------------------------------------


def interpolated(sizes, ends=False):
    """All tables of a family at `sizes(grid)`."""
    align = {"align": "ends"} if ends else {}

    def all_words(family, folder):
        if not family.grid:
            return words("interpolate-positions", to=40, **align)  # which must be refused
        new = sizes(family.grid)
        return [word for space in new for word in words("interpolate-positions", space=space, to=new[space], **align)]

    return Growth(
        all_words,
        feed=lambda family, inputs: {**inputs, **family.grid.inputs(**sizes(family.grid))},
        permits=APPROXIMATE,
        kept=False,
        tables=lambda grid: (sizes(grid), ends),
    )


# experts ----------------------------------------------------------------------------------------------------------------


def experts(family, folder):
    return [word for layers in family.mixes for word in ("--mixture-of-experts", f"experts=4,active=2,{layers}".removesuffix(","))]


# another text encoder -------------------------------------------------------------------------------------------------

TEXT = "encoder_hidden_states"
NEW_WIDTH = 3  # so many more than the old states have


class TextMap:
    """x = S Q^T x' + c with orthonormal columns of Q: every old state x has new states x', and the map is no worse to
    invert than S."""

    def __init__(self, family, width):
        self.q = torch.linalg.qr(noise(width + NEW_WIDTH, width, seed=11).double()).Q
        self.s = 0.5 + noise(width, seed=12).double().sigmoid()
        self.c = noise(width, seed=13).double() * family.constant

    def save(self, path):
        save_file({"weight": (self.s[:, None] * self.q.T).contiguous(), "bias": self.c}, path)

    def new_states(self, x):
        anything = noise(*x.shape[:-1], self.q.shape[0], seed=14).double()
        return ((x.double() - self.c) / self.s) @ self.q.T + anything - anything @ self.q @ self.q.T


def mapped(family, folder):
    states = family.inputs().get(TEXT)
    if states is None:
        return None
    TextMap(family, states.shape[-1]).save(folder / "map.safetensors")
    return words("swap-text-encoder", map=folder / "map.safetensors")


def unmapped(family, folder):
    states = family.inputs().get(TEXT)
    return None if states is None else words("swap-text-encoder", width=states.shape[-1] + NEW_WIDTH)


def same_in_new_words(family, inputs):
    x = inputs[TEXT]
    return {**inputs, TEXT: TextMap(family, x.shape[-1]).new_states(x).to(x.dtype)}


def other_words(family, inputs):
    x = inputs[TEXT]
    return {**inputs, TEXT: noise(*x.shape[:-1], x.shape[-1] + NEW_WIDTH, seed=15)}


def graft(name, **options):
    return Growth(lambda family, folder: words(name, **options), left_out=True)


def together(*names):
    """One growth of all of these that the family is known to have."""

    def parts(family):
        return [GROWTHS[name] for name in names if name in family.exact]

    def all_words(family, folder):
        return [word for part in parts(family) for word in part.words(family, folder)]

    def feed(family, inputs):
        for part in parts(family):
            inputs = part.feed(family, inputs)
        return inputs

    def expect(family, outputs):
        for part in parts(family):
            outputs = part.expect(family, outputs)
        return outputs

    return Growth(all_words, feed, expect, left_out=any(GROWTHS[name].left_out for name in names))


OTHERS = {  # a family that has no such operator gets no row, unless it is known to have it
    "in channels": more_inputs("in_channels"),
    "control channels": more_inputs("vace_in_channels", "control_hidden_states"),
    "audio channels": more_inputs("audio_in_channels", "audio_hidden_states", space_of_both="audio_channels", at=1),
    "out channels": more_outputs(),
    "audio out channels": more_outputs("audio_out_channels", "audio_in_channels", at=1),
    "head dim": wider_heads(2),
    "head dim x1.5": wider_heads(1.5),
    "zero channels": Growth(zero_channels),
    "positions": interpolated(Grid.longer),
    "positions ends": interpolated(Grid.other, ends=True),
    "experts": Growth(experts, own=mixed),
    "text map": Growth(mapped, same_in_new_words, permits=APPROXIMATE),
    "new text": Growth(unmapped, other_words, permits=APPROXIMATE, kept=False),
    "temporal conv": graft("temporal-conv", kernel=3),
    "cross text": graft("cross-text", width=17),
    "pooled text": graft("pooled-text", width=17),
}
GROWTHS = {**SIZES, **OTHERS}
OTHERS["together"] = GROWTHS["together"] = together(
    "zero channels", "head dim", "depth", "width", "in channels", "control channels", "audio channels", "out channels",
    "audio out channels", "temporal conv"
)
