# SPDX-License-Identifier: MIT
"""Adapters that peft saves, and what its merge_and_unload makes of small weights of every float type: tests/golden/lora.

  $(scripts/peers-env peft==0.21.2) tests/golden/make_lora.py

Made with peft 0.21.2, torch 2.15.0 (CPU).
"""
import json
import pathlib
import shutil

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent / "lora"
types = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16, "f64": torch.float64}
configs = {
    "patterns": LoraConfig(r=2, lora_alpha=3, target_modules=["q", "k", "patch"], rank_pattern={r"blocks\.1\.q": 4},
                           alpha_pattern={"1.(q|k)": 7, "patch": 1}, init_lora_weights=False),
    "rslora": LoraConfig(r=3, lora_alpha=5, target_modules=r".*\.1\.(q|k)|patch", use_rslora=True,
                         init_lora_weights=False),
}


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q = torch.nn.Linear(5, 6)
        self.k = torch.nn.Linear(5, 6, bias=False)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = torch.nn.Conv3d(3, 5, (1, 2, 2))
        self.blocks = torch.nn.ModuleList(Block() for _ in range(2))
        self.head = torch.nn.Linear(5, 2)


def base(dtype):
    torch.manual_seed(1)
    return Model().to(dtype)


def main():
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    for number, (name, config) in enumerate(configs.items()):
        torch.manual_seed(10 + number)
        model = get_peft_model(base(torch.float32), config)
        if name == "rslora":  # factors of 16 bits, which peft computes with in float
            model = model.to(torch.bfloat16)
        model.save_pretrained(here / name)
        (here / name / "README.md").unlink()
        said = json.loads((here / name / "adapter_config.json").read_text())
        for key in ("peft_version", "base_model_name_or_path"):
            said.pop(key, None)
        for key, value in said.items():  # sets, whose order changes from run to run
            said[key] = sorted(value) if key == "target_modules" and isinstance(value, list) else value
        (here / name / "adapter_config.json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
        for kind, dtype in types.items():
            save_file(base(dtype).state_dict(), here / f"base-{kind}.safetensors")
            merged = PeftModel.from_pretrained(base(dtype), here / name).merge_and_unload()
            save_file(merged.state_dict(), here / f"{name}-{kind}.safetensors")
    for path in here.rglob("*.*"):
        path.chmod(0o644)


main()
