#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# torch 2.15.0: torch.distributed.checkpoint's get_state_dict counts a step of an optimizer that has not made one.
#
# One would guess: reading the state of an optimizer does not change it, so that saving a run before its first step, or making
# the dictionary that dcp.load fills, is harmless. What happens: an optimizer without state is given some by a step with zero
# gradients and rate 0, whose counter stays. AdamW then corrects its first real step as if it were the second: it is 0.74 of the
# rate that an optimizer takes that nobody looked at. An optimizer that has made a step is left alone.
#
# Seen:
#   untouched: first step 1.0000 of the rate; read before: counters at 1, first step 0.7441 of the rate
#   read after a step: counter stays at 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}  # an interpreter that has just this version; without one it is installed for this run
if [ -z "$python" ]; then
  python3 -m venv "$folder/environment"
  "$folder/environment/bin/pip" install --quiet torch==2.15.0 numpy >&2
  python=$folder/environment/bin/python
fi
cd "$folder"
"$python" - 2>/dev/null <<'END'
import torch
from torch.distributed.checkpoint.state_dict import get_state_dict

assert torch.__version__.startswith("2.15.0"), torch.__version__
RATE = 1e-3


def fresh():
    torch.manual_seed(1)
    model = torch.nn.Linear(4, 3).double()
    return model, torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0)


def step(model, optimizer):
    before = model.bias.detach().clone()
    model(torch.ones(2, 4, dtype=torch.double)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    return (model.bias - before).abs().max().item() / RATE


def counter(optimizer):
    return {state["step"].item() for state in optimizer.state.values()}


untouched = step(*fresh())
model, optimizer = fresh()
get_state_dict(model, optimizer)
counted = counter(optimizer)
read = step(model, optimizer)
assert counted == {1.0} and abs(untouched - 1) < 1e-6 and abs(read - 0.7441) < 1e-3, (counted, untouched, read)
print(f"untouched: first step {untouched:.4f} of the rate; read before: counters at 1, first step {read:.4f} of the rate")
model, optimizer = fresh()
step(model, optimizer)
get_state_dict(model, optimizer)
assert counter(optimizer) == {1.0}
print("read after a step: counter stays at 1")
END
