#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# torch 2.15.0: an optimizer that was given names, and a state that has names, match them by position and swap the names.
#
# One would guess: where both the optimizer (AdamW(model.named_parameters())) and the saved state (param_names) know names,
# load_state_dict goes by them, or refuses names that differ. What happens: it goes by position. A model that registers the same
# modules in another order gets the moments of its neighbours without a word where shapes agree; then the names of the file
# replace those of the optimizer, so that the next save says of every parameter that it is the other one.
#
# Seen:
#   first and second of one shape: loaded; second has the moments of first; the optimizer calls second's group ['first', 'second']
#   shapes that differ: loaded as well; the first step raises RuntimeError
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

assert torch.__version__.startswith("2.15.0"), torch.__version__


def model(order, sizes):
    """Parameters of these names, registered in this order."""
    m = torch.nn.Module()
    for name in order:
        m.register_parameter(name, torch.nn.Parameter(torch.ones(sizes[name])))
    return m


def trained(order, sizes, steps):
    m = model(order, sizes)
    optimizer = torch.optim.AdamW(m.named_parameters(), lr=1e-3)
    for _ in range(steps):
        sum((p * k).sum() for k, p in ((1, m.first), (100, m.second))).backward()
        optimizer.step()
        optimizer.zero_grad()
    return m, optimizer


def moment(m, optimizer, name):
    return optimizer.state[getattr(m, name)]["exp_avg"].flatten()[0].item()


same = {"first": 4, "second": 4}
m, optimizer = trained(["first", "second"], same, 20)
torch.save(optimizer.state_dict(), "optimizer.bin")
saved = torch.load("optimizer.bin", weights_only=True)
assert saved["param_groups"][0]["param_names"] == ["first", "second"]
other = model(["second", "first"], same)
loaded = torch.optim.AdamW(other.named_parameters(), lr=1e-3)
assert loaded.param_groups[0]["param_names"] == ["second", "first"]
loaded.load_state_dict(saved)
assert moment(other, loaded, "second") == moment(m, optimizer, "first") != moment(m, optimizer, "second"), "it goes by names now"
names = loaded.param_groups[0]["param_names"]
assert names == ["first", "second"] and loaded.param_groups[0]["params"][0] is other.second, names
print(f"first and second of one shape: loaded; second has the moments of first; the optimizer calls second's group {names}")

different = {"first": 4, "second": 3}
_, optimizer = trained(["first", "second"], different, 20)
other = model(["second", "first"], different)
loaded = torch.optim.AdamW(other.named_parameters(), lr=1e-3)
loaded.load_state_dict(optimizer.state_dict())  # shapes are not compared
(other.first.sum() + other.second.sum()).backward()
try:
    loaded.step()
    raise SystemExit("the first step takes moments of another shape")
except RuntimeError as e:
    print(f"shapes that differ: loaded as well; the first step raises {type(e).__name__}")
END
