#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# torch 2.15.0: a flattened optimizer state has options for every parameter, of which those of the first one are taken.
#
# One would guess: set_optimizer_state_dict with flatten_optimizer_state_dict, as trainers use it for distributed checkpoints,
# refuses a state whose parameters had different rates where the optimizer has one group; there is an error that says so
# ("All the parameters in the same parameter group should have the same saved param_group value"). What happens: only the first
# parameter of each group is looked at, the error is never raised, and all of the group go on with the rates of that one.
#
# Seen:
#   saved: first.weight 0.1, second.weight 0.05
#   loaded into one group: 0.1 for both
#   loaded into one group, second registered before first: 0.05 for both
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
"$python" - <<'END'
import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict, set_optimizer_state_dict

assert torch.__version__.startswith("2.15.0"), torch.__version__
flat = StateDictOptions(flatten_optimizer_state_dict=True)


def model(*order):
    m = torch.nn.Module()
    for name in order:
        m.add_module(name, torch.nn.Linear(2, 2, bias=False))
    return m


def step(m, optimizer):
    sum(p.sum() for p in m.parameters()).backward()
    optimizer.step()
    optimizer.zero_grad()


m = model("first", "second")
optimizer = torch.optim.AdamW([{"params": [m.first.weight]}, {"params": [m.second.weight], "lr": 0.05}], lr=0.1)
step(m, optimizer)
saved = get_optimizer_state_dict(m, optimizer, options=flat)
rates = [saved[f"param_groups.{name}.weight.lr"] for name in ("first", "second")]
assert rates == [0.1, 0.05], rates
print(f"saved: first.weight {rates[0]}, second.weight {rates[1]}")

for order, said in ((("first", "second"), ""), (("second", "first"), ", second registered before first")):
    m = model(*order)
    optimizer = torch.optim.AdamW(m.parameters(), lr=1.0)
    step(m, optimizer)
    set_optimizer_state_dict(m, optimizer, saved, options=flat)  # one would guess: RuntimeError
    found = [group["lr"] for group in optimizer.param_groups]
    assert found == [0.1 if order[0] == "first" else 0.05], found
    print(f"loaded into one group{said}: {found[0]} for both")
END
