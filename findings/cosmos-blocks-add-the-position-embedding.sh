#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# diffusers 0.42.1: with a learnable position embedding no block of Cosmos can be an identity, whatever its weights.
#
# One would guess: a residual block whose output projections are zero returns its input, as in every other transformer here,
# so it can be inserted, or an existing one be switched off. What happens: with extra_pos_embed_type="learnable" (Cosmos 1.0) each
# block first adds the position embedding to the stream itself, outside any branch: one block more adds it once more.
#
# Seen with torch 2.15.0 (CPU): largest change of the stream by a block with zeroed output projections, over its largest value
#   extra_pos_embed_type=None         0
#   extra_pos_embed_type='learnable'  0.047
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}  # an interpreter that has just these versions; without one they are installed for this run
if [ -z "$python" ]; then
  python3 -m venv "$folder/environment"
  "$folder/environment/bin/pip" install --quiet torch==2.15.0 torchvision==0.29.2 diffusers==0.42.1 accelerate==1.15.0 >&2
  python=$folder/environment/bin/python
fi
cd "$folder"
"$python" - <<'END'
import diffusers, torch

assert diffusers.__version__ == "0.42.1" and torch.__version__.startswith("2.15.0"), (diffusers.__version__, torch.__version__)


@torch.no_grad()
def change_by_closed_block(kind):
    torch.manual_seed(0)
    model = diffusers.CosmosTransformer3DModel(
        num_attention_heads=3, attention_head_dim=14, num_layers=3, in_channels=5, out_channels=4, text_embed_dim=12, adaln_lora_dim=10,
        max_size=(8, 16, 16), extra_pos_embed_type=kind,
    ).eval()
    for p in model.parameters():
        p.copy_(torch.randn_like(p) * 0.25)
    block, stream = model.transformer_blocks[1], {}
    for writer in block.attn1.to_out[0], block.attn2.to_out[0], block.ff.net[2]:
        assert writer.bias is None
        writer.weight.zero_()
    block.register_forward_hook(
        lambda _, args, named, out: stream.update(before=args[0] if args else named["hidden_states"], after=out), with_kwargs=True
    )
    model(
        hidden_states=torch.randn(1, 4, 2, 4, 6), timestep=torch.tensor([0.5]), encoder_hidden_states=torch.randn(1, 5, 12), fps=16,
        condition_mask=torch.zeros(1, 1, 2, 4, 6), padding_mask=torch.zeros(1, 1, 4, 6),
    )
    change = ((stream["after"] - stream["before"]).abs().max() / stream["before"].abs().max()).item()
    print(f"extra_pos_embed_type={kind!r:12s} {change:.2g}")
    return change


assert change_by_closed_block(None) == 0, "the control failed: a closed block should be an identity"
assert change_by_closed_block("learnable") > 0.01, "a closed block has become an identity"
END
