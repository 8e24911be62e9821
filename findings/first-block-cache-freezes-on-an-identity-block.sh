#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# diffusers 0.42.1: with FirstBlockCache, a first block that adds nothing freezes the model at step one.
#
# One would guess: a block whose output equals its input changes nothing, with a cache or without; at worst the cache computes
# too often. What happens: the residual of the first block is 0 at every step, its relative change is 0/0 = NaN, and
# "NaN > threshold" is false, so each later step reuses what the other blocks added at the first one. No error, no warning.
# A block inserted at index 0 with zeroed output projections (the usual depth growth) is such a block; at index 1 it is harmless.
#
# Seen with torch 2.15.0 (CPU), five steps, threshold 0.05, error over the largest output:
#   no such block      remaining blocks ran in 5 of 5 steps, error of the last step 0
#   identity at 0      remaining blocks ran in 1 of 5 steps, error of the last step 0.83
#   identity at 1      remaining blocks ran in 5 of 5 steps, error of the last step 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}  # an interpreter that has just these versions; without one they are installed for this run
if [ -z "$python" ]; then
  python3 -m venv "$folder/environment"
  "$folder/environment/bin/pip" install --quiet torch==2.15.0 diffusers==0.42.1 accelerate==1.15.0 >&2
  python=$folder/environment/bin/python
fi
cd "$folder"
"$python" - <<'END'
import copy
import diffusers, torch

assert diffusers.__version__ == "0.42.1" and torch.__version__.startswith("2.15.0"), (diffusers.__version__, torch.__version__)
diffusers.logging.set_verbosity_error()
torch.manual_seed(0)
model = diffusers.WanTransformer3DModel(
    num_attention_heads=3, attention_head_dim=12, ffn_dim=50, text_dim=20, in_channels=4, out_channels=4, num_layers=4
).eval()
for p in model.parameters():
    p.data = torch.randn_like(p) * 0.2
video, text, random_weights = torch.randn(1, 4, 2, 4, 6), torch.randn(1, 5, 20), copy.deepcopy(model.state_dict())


@torch.no_grad()
def sample(cached):
    """Velocities of five Euler steps, and in how many of them the third block ran."""
    runs, velocities, x = [], [], video.clone()
    hook = model.blocks[2].attn1.register_forward_hook(lambda *_: runs.append(1))
    if cached:
        model.enable_cache(diffusers.FirstBlockCacheConfig(threshold=0.05))
    for t in (900.0, 700.0, 500.0, 300.0, 100.0):
        with model.cache_context("cond"):
            velocities.append(model(x, torch.tensor([t]), text, return_dict=False)[0])
        x = x - 0.2 * velocities[-1]
    if cached:
        model.disable_cache()
    hook.remove()
    return velocities, len(runs)


seen = {}
for name, index in ("no such block", None), ("identity at 0", 0), ("identity at 1", 1):
    model.load_state_dict(random_weights)
    if index is not None:
        block = model.blocks[index]
        for writer in block.attn1.to_out[0], block.attn2.to_out[0], block.ffn.net[2]:
            writer.weight.data.zero_()
            writer.bias.data.zero_()
    (plain, all_runs), (cached, runs) = sample(False), sample(True)
    error = ((plain[-1] - cached[-1]).abs().max() / plain[-1].abs().max()).item()
    print(f"{name:18s} remaining blocks ran in {runs} of {all_runs} steps, error of the last step {error:.2g}")
    seen[name] = runs, error
assert seen["no such block"] == (5, 0), "a cache at this threshold should not have skipped: the comparison says nothing"
assert seen["identity at 1"] == (5, 0)
assert seen["identity at 0"][0] == 1 and seen["identity at 0"][1] > 0.1, "the first block's zero residual no longer freezes the cache"
END
