#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# diffusers 0.42.1: the attention heads of LTX-Video are not exchangeable, so none can be duplicated either.
#
# One would guess: permuting the heads of an attention (rows of q, k, v and of their norms' gains, columns of the output)
# leaves its output as it is, and heads can be duplicated; both hold for Wan. What happens: LTX-Video applies one ladder of
# rotary frequencies across all heads, heads*head_dim wide, so every head rotates at frequencies of its own, and the ladder of
# twice the heads does not contain the old one. Weights alone cannot undo it.
#
# Seen with torch 2.15.0 (CPU), heads reversed, largest difference over largest output:
#   WanTransformer3DModel       5e-07
#   LTXVideoTransformer3DModel  1e-02
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
import diffusers, torch

assert diffusers.__version__ == "0.42.1" and torch.__version__.startswith("2.15.0"), (diffusers.__version__, torch.__version__)
diffusers.logging.set_verbosity_error()
HEADS, HEAD_DIM = 3, 14


def noise(*shape):
    return torch.randn(*shape)


def reverse_heads(model):
    order = torch.arange(HEADS * HEAD_DIM).view(HEADS, HEAD_DIM).flip(0).flatten()
    for name, attention in model.named_modules():
        if name.endswith(("attn1", "attn2")):
            for layer in attention.to_q, attention.to_k, attention.to_v:
                layer.weight.data, layer.bias.data = layer.weight.data[order], layer.bias.data[order]
            for norm in attention.norm_q, attention.norm_k:
                norm.weight.data = norm.weight.data[order]
            attention.to_out[0].weight.data = attention.to_out[0].weight.data[:, order]


@torch.no_grad()
def change(model, inputs):
    for p in model.parameters():
        p.copy_(torch.randn_like(p) * 0.25)
    model.eval()
    before = model(**inputs, return_dict=False)[0]
    reverse_heads(model)
    difference = ((model(**inputs, return_dict=False)[0] - before).abs().max() / before.abs().max()).item()
    print(f"{type(model).__name__:27s} {difference:.0e}")
    return difference


torch.manual_seed(0)
heads = dict(num_attention_heads=HEADS, attention_head_dim=HEAD_DIM, num_layers=2)
time, text = torch.tensor([500.0]), noise(1, 5, 20)
wan = change(
    diffusers.WanTransformer3DModel(**heads, ffn_dim=50, text_dim=20, in_channels=4, out_channels=4),
    dict(hidden_states=noise(1, 4, 2, 4, 6), timestep=time, encoder_hidden_states=text),
)
ltx = change(
    diffusers.LTXVideoTransformer3DModel(**heads, cross_attention_dim=42, caption_channels=20, in_channels=9, out_channels=9),
    dict(hidden_states=noise(1, 24, 9), encoder_hidden_states=text, timestep=time, encoder_attention_mask=torch.ones(1, 5),
         num_frames=2, height=3, width=4, rope_interpolation_scale=(0.3, 32.0, 32.0)),
)
assert wan < 1e-5, "the control failed: heads of Wan should be exchangeable"
assert ltx > 1e-3, "heads of LTX-Video have become exchangeable"
END
