#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# torch 2.15.0: torch.optim.Adafactor with the first epsilon of other implementations, 1e-30, turns weights into NaN where a
# gradient is zero.
#
# One would guess: eps=(1e-30, 1e-3), the default of the paper's code and of transformers, is as harmless in torch, whose own is
# 1.2e-7. What happens: the others add the epsilon to squared gradients; torch clamps by its square, which is 0 in float32, and a
# gradient of zero becomes 0 / 0. A parameter behind a layer that is still zero has such a gradient at its first step: all that is
# in a block put in to change nothing. 1e-15, whose square float32 still has, does no harm.
#
# Seen:
#   first epsilon 1e-15: weights stay
#   first epsilon 1e-30: weights are NaN after a step with a gradient of zero
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

assert torch.__version__.startswith("2.15.0"), torch.__version__


def after_a_step(epsilon):
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = torch.optim.Adafactor([weight], lr=1e-3, eps=(epsilon, 1e-3))
    weight.grad = torch.zeros(2, 2)
    optimizer.step()
    return weight.detach()


small, smaller = after_a_step(1e-15), after_a_step(1e-30)
assert torch.equal(small, torch.ones(2, 2)), small
print("first epsilon 1e-15: weights stay")
assert smaller.isnan().all(), smaller
print("first epsilon 1e-30: weights are NaN after a step with a gradient of zero")
END
