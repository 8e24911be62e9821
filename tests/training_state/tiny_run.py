# SPDX-License-Identifier: MIT
"""A tiny Wan of unmodified diffusers that is trained on noise, alone or by several processes that each take a part of
every batch."""

import torch
import torch.distributed as dist
from diffusers import WanTransformer3DModel

STEPS = 20  # before the growth, and after it
CONFIG = dict(num_attention_heads=3, attention_head_dim=12, ffn_dim=50, text_dim=20, in_channels=4, out_channels=4, num_layers=2)
# Packages of optimizers in few bits keep moments of less than 4096 numbers in float.
LARGER = {**CONFIG, "num_attention_heads": 4, "attention_head_dim": 16, "ffn_dim": 128}


def build(run=""):
    torch.manual_seed(1)
    model = WanTransformer3DModel(**(LARGER if " of " in run else CONFIG))
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.05) if p.dim() > 1 else None
    return model


def new_parameters(model):
    """Those of blocks that a growth put in: their last layer is still zero."""
    closed = [n.split(".ffn.")[0] + "." for n, p in model.named_parameters() if n.endswith("ffn.net.2.weight") and not whole(p).any()]
    return {n for n, _ in model.named_parameters() if n.startswith(tuple(closed))} if closed else set()


def whole(parameter):
    return parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter


def loss_of(model, step):
    """Of the batch of this step, or of the part that this process has."""
    g = torch.Generator().manual_seed(step)
    x, text, target = (torch.randn(shape, generator=g) for shape in ((2, 4, 2, 4, 6), (2, 5, 20), (2, 4, 2, 4, 6)))
    time = torch.randint(1000, (2,), generator=g)
    if dist.is_initialized():
        x, text, target, time = (t.chunk(dist.get_world_size())[dist.get_rank()] for t in (x, text, target, time))
    return (model(x, time, text, return_dict=False)[0] - target).square().mean()


def of_all(loss):
    loss = loss.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(loss)
        loss /= dist.get_world_size()
    return loss.item()


def losses(model, optimizers, steps, at_rest=()):
    """The loss before each step; parameters at rest get no gradient."""
    found = []
    for o in optimizers:
        getattr(o, "train", bool)()  # ScheduleFree: the model holds y while it trains
    for step in steps:
        loss = loss_of(model, step)
        model.backward(loss) if hasattr(model, "backward") else loss.backward()
        found.append(of_all(loss))
        for name, p in model.named_parameters():
            if name in at_rest:
                p.grad = None
        for o in optimizers:
            o.step()
            o.zero_grad()
    return found
