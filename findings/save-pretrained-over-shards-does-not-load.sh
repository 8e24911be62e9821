#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# diffusers 0.42.1: save_pretrained over an older, sharded save of the same model leaves a folder that no longer loads.
#
# One would guess: saving into the folder again replaces what was there, whether or not the weights are split this time. What
# happens: the second save writes the single file and deletes the old shards, but leaves their index; from_pretrained goes by
# the index and looks for the deleted shards. The other way round (shards over a single file) the old single file stays beside
# the new shards: from_pretrained reads the shards, whoever opens the single file by name reads the old weights.
#
# Seen with torch 2.15.0 and safetensors 0.8.0:
#   single over shards: the index stays, its 6 shards are gone; FileNotFoundError: .. required according to the checkpoint index.
#   shards over single: the old single file stays; from_pretrained reads the new shards
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}  # an interpreter that has just these versions; without one they are installed for this run
if [ -z "$python" ]; then
  python3 -m venv "$folder/environment"
  "$folder/environment/bin/pip" install --quiet torch==2.15.0 safetensors==0.8.0 diffusers==0.42.1 accelerate==1.15.0 >&2
  python=$folder/environment/bin/python
fi
cd "$folder"
"$python" - <<'END'
import json, os
import diffusers, safetensors.torch, torch

assert diffusers.__version__ == "0.42.1" and torch.__version__.startswith("2.15.0"), (diffusers.__version__, torch.__version__)
diffusers.logging.set_verbosity_error()
diffusers.logging.disable_progress_bar()
Model = diffusers.WanTransformer3DModel
SINGLE, INDEX = "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json"


def save(value, folder, **options):
    model = Model(num_attention_heads=3, attention_head_dim=12, ffn_dim=50, text_dim=20, in_channels=4, out_channels=4, num_layers=4)
    for p in model.parameters():
        p.data.fill_(value)
    model.save_pretrained(folder, **options)


def value(model):
    return model.patch_embedding.weight.flatten()[0].item()


save(1.0, "single-over-shards", max_shard_size="60KB")
save(2.0, "single-over-shards")
files = os.listdir("single-over-shards")
with open(f"single-over-shards/{INDEX}") as index:
    shards = set(json.load(index)["weight_map"].values())
try:
    Model.from_pretrained("single-over-shards")
    raise SystemExit("the folder loads: a single file saved over shards is read again")
except OSError as e:
    assert SINGLE in files and len(shards) > 1 and not shards & set(files), files
    assert "required according to the checkpoint index" in str(e), e
    print(f"single over shards: the index stays, its {len(shards)} shards are gone; {type(e).__name__}: .. {str(e)[-43:]}")

save(1.0, "shards-over-single")
save(2.0, "shards-over-single", max_shard_size="60KB")
files = os.listdir("shards-over-single")
assert SINGLE in files and INDEX in files, f"the older single file no longer stays: {files}"
old = safetensors.torch.load_file(f"shards-over-single/{SINGLE}")["patch_embedding.weight"].flatten()[0].item()
new = value(Model.from_pretrained("shards-over-single"))
assert (old, new) == (1.0, 2.0), (old, new)
print("shards over single: the old single file stays; from_pretrained reads the new shards")
END
