# SPDX-License-Identifier: MIT
"""Tiny models with random weights: how a family of families.py is built, fed and run.

Every parameter is random, also those that training starts at zero, or a growth could hide behind a closed branch; so is every
stored table."""

import diffusers
import torch

FAMILIES = {}
PRECISE = ("timestep", "t", "sigma", "guidance", "img_ids", "txt_ids", "position_ids", "image_rotary_emb", "added_cond_kwargs")

USUAL = dict(
    deepens=("every=1",), widens=("hidden", "ffn"), takes="hidden_states", both=False, channels=1, mixes=("",), grid=None, constant=True,
    precise=PRECISE,
)  # fmt: skip


class Absent(Exception):
    """The installed diffusers has no such class."""


class Family:
    """How a family is made and fed, and what is known of its growth.

    exact       growths that leave the function of the unmodified class as it is
    unloadable  growths that the library can do, but not the class
    deepens, widens  the insertions and the spaces that a growth of its whole depth and width names
    takes       the input that ends with the last of its in_channels
    both        whether it gives out as many channels as it takes, so that both grow
    channels    axis of the channels in its states and outputs
    mixes       what one mixture of experts after another names, where it is not every layer with the units ffn
    grid        its stored tables of positions
    constant    whether a map in front of its first text layer may add one
    precise     inputs that stay float32 in bf16"""

    def __init__(self, make, class_name, exact, unloadable, **known):
        self.make, self.class_name, self.exact, self.unloadable = make, class_name, exact, unloadable
        for name, value in {**USUAL, **known}.items():
            setattr(self, name, value)

    @property
    def type(self):
        if not hasattr(diffusers, self.class_name):
            raise Absent(f"diffusers {diffusers.__version__} has no {self.class_name}")
        return getattr(diffusers, self.class_name)

    def config(self):
        return self.make()[0]

    def inputs(self, dtype=torch.float32, feed=dict):
        """Arguments of the forward pass, as `feed` makes them of the plain ones: states in `dtype`, times and places in
        float32 where the class allows it."""
        plain = feed(self.make()[1])
        return {**{k: v if k in self.precise else cast(v, dtype) for k, v in plain.items()}, "return_dict": False}


def family(class_name, exact, more=(), unloadable=(), **known):
    def register(make):
        can = (*exact, *more, *ALWAYS), (*unloadable, *NEVER_LOADED)
        FAMILIES[make.__name__] = Family(make, class_name, *can, **known)
        return make

    return register


ALWAYS = ("temporal conv", "cross text", "pooled text", "together")  # every family has the ports
NEVER_LOADED = ("experts",)  # no class has any, every family has feed-forward layers


def cast(value, dtype):
    if isinstance(value, list):
        return [cast(v, dtype) for v in value]
    return value.to(dtype) if torch.is_tensor(value) and value.is_floating_point() else value


def build(family, seed=1):
    """The model with random weights: matrices keep the scale of what they are given, gains are near one."""
    model = family.type(**family.config()).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.state_dict(keep_vars=True).items():
        values = torch.randn(parameter.shape, generator=generator)
        with torch.no_grad():
            if parameter.dim() > 1:
                parameter.copy_(values / max(parameter[0].numel(), 4) ** 0.5)
            else:
                parameter.copy_(0.2 * values + (1 if name.endswith("weight") else 0))
    return model


@torch.no_grad()
def outputs(model, inputs):
    """Every tensor that a forward pass returns."""
    flat, todo = [], [model(**inputs)]
    while todo:
        value = todo.pop(0)
        if torch.is_tensor(value):
            flat.append(value.double())
        elif isinstance(value, (tuple, list)):
            todo[:0] = value
    return flat


def idle(model, inputs):
    """Parameters that no output depends on: growth of those would be proven by nothing."""
    with torch.enable_grad():
        results = outputs.__wrapped__(model, inputs)
        sum((t * torch.randn(t.shape, generator=torch.Generator().manual_seed(2))).sum() for t in results).backward()
    return [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]


def noise(*shape, seed=3):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def steps():
    """Times that bf16 holds exactly, in thousandths too."""
    return torch.tensor([500.0, 31.25])
