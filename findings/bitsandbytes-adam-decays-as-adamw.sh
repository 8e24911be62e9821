#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bitsandbytes 0.50.2: Adam and Adam8bit take weight decay as AdamW does, not as torch.optim.Adam.
#
# One would guess: as in torch, Adam adds weight_decay times the weights to the gradient, and only AdamW takes it off the weights. What
# happens: both classes of the package take it off the weights, so Adam8bit in the place of torch.optim.Adam with weight decay is another
# optimizer, and files of the two classes cannot be told apart, nor need they be. Whoever moves such a state by the rules of Adam
# (decay goes through the moments) moves it wrongly.
#
# Seen:
#   torch: Adam and AdamW step apart
#   bitsandbytes: Adam8bit, AdamW8bit, Adam and AdamW end at one weight, that of torch's AdamW
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}  # an interpreter that has just these versions; without one they are installed for this run
if [ -z "$python" ]; then
  python3 -m venv "$folder/environment"
  "$folder/environment/bin/pip" install --quiet torch==2.15.0 numpy bitsandbytes==0.50.2 >&2
  python=$folder/environment/bin/python
fi
cd "$folder"
"$python" - 2>/dev/null <<'END'
import bitsandbytes
import torch

assert torch.__version__.startswith("2.15.0"), torch.__version__
assert bitsandbytes.__version__ == "0.50.2", bitsandbytes.__version__


def after_steps(optimizer_class):
    weight = torch.nn.Parameter(torch.linspace(-1, 1, 8192).reshape(64, 128).clone())
    optimizer = optimizer_class([weight], lr=1e-2, weight_decay=0.5)
    for _ in range(3):
        weight.grad = torch.linspace(1, -0.5, 8192).reshape(64, 128).clone()
        optimizer.step()
    return weight.detach()


adam, adamw = after_steps(torch.optim.Adam), after_steps(torch.optim.AdamW)
assert (adam - adamw).abs().max() > 1e-2
print("torch: Adam and AdamW step apart")
of = bitsandbytes.optim
for optimizer_class in (of.Adam8bit, of.AdamW8bit, of.Adam, of.AdamW):
    assert (after_steps(optimizer_class) - adamw).abs().median() < 1e-4, optimizer_class
assert torch.equal(after_steps(of.Adam8bit), after_steps(of.AdamW8bit))
print("bitsandbytes: Adam8bit, AdamW8bit, Adam and AdamW end at one weight, that of torch's AdamW")
END
