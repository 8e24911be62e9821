# SPDX-License-Identifier: MIT
"""scripts/check-adapters: a tiny Wan of diffusers with adapters in five forms, before and after growth."""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from diffusers import WanPipeline, WanTransformer3DModel
from diffusers.loaders.lora_pipeline import WanLoraLoaderMixin
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from families import wan

# Names of the original repository, which ComfyUI and musubi-tuner keep, for those of diffusers in the blocks.
NATIVE = {
    "attn1.to_q": "self_attn.q", "attn1.to_k": "self_attn.k", "attn1.to_v": "self_attn.v", "attn1.to_out.0": "self_attn.o",
    "attn2.to_q": "cross_attn.q", "attn2.to_k": "cross_attn.k", "attn2.to_v": "cross_attn.v", "attn2.to_out.0": "cross_attn.o",
    "attn1": "self_attn", "attn2": "cross_attn", "norm2": "norm3", "ffn.net.0.proj": "ffn.0", "ffn.net.2": "ffn.2",
    "scale_shift_table": "modulation",
    "condition_embedder.time_embedder.linear_1": "time_embedding.0", "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.time_proj": "time_projection.1",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0", "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "proj_out": "head.head",
}  # fmt: skip
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2"]
GROWTHS = {
    "depth": ["--insert-blocks", "every=1"],
    "ffn": ["--net2wider", "space=ffn,to=87,noise_db=20"],
    "both": ["--insert-blocks", "every=1", "--net2wider", "space=ffn,to=100"],
}
tool = pathlib.Path(sys.argv[1]).resolve()


def native(name):
    if name == "scale_shift_table":
        return "head.modulation"
    for ours, theirs in sorted(NATIVE.items(), key=lambda pair: -len(pair[0])):
        if ours in name:
            return name.replace(ours, theirs)
    return name


def run(model):
    _, inputs = wan()
    with torch.no_grad():
        return model(**{k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}, return_dict=False)[0]


def load(folder):
    return WanTransformer3DModel.from_pretrained(folder, torch_dtype=torch.float64)


def config(**more):
    return LoraConfig(r=4, lora_alpha=6, target_modules=TARGETS, init_lora_weights=False, **more)


def adapted(base, more):
    torch.manual_seed(3)
    return get_peft_model(copy.deepcopy(base), config(**more))


def native_base(folder, out):
    """The tiny Wan under the names of the original repository, whose config.json says the sizes."""
    weights = {native(k): v.contiguous() for k, v in load_file(folder / "diffusion_pytorch_model.safetensors").items()}
    out.mkdir()
    save_file(weights, out / "model.safetensors")
    c = json.loads((folder / "config.json").read_text())
    heads = c["num_attention_heads"]
    sizes = dict(dim=heads * c["attention_head_dim"], num_heads=heads, ffn_dim=c["ffn_dim"], num_layers=c["num_layers"],
                 in_dim=c["in_channels"], out_dim=c["out_channels"], text_dim=c["text_dim"], freq_dim=c["freq_dim"],
                 text_len=512, eps=c["eps"], _class_name="WanModel")  # fmt: skip
    (out / "config.json").write_text(json.dumps(sizes))
    return out


def of_native(folder):
    """A native folder as a model of diffusers."""
    c = json.loads((folder / "config.json").read_text())
    sizes = dict(wan()[0], ffn_dim=c["ffn_dim"], num_layers=c["num_layers"])
    model = WanTransformer3DModel(**sizes).double()
    names = {native(k): k for k in model.state_dict()}
    model.load_state_dict({names[k]: v.double() for k, v in load_file(folder / "model.safetensors").items()})
    return model


class Peft:
    more = dict(rank_pattern={r"blocks\.1\..*to_q": 2}, alpha_pattern={"1.ffn.net.2": 9}, use_rslora=True)

    def write(self, model, folder):
        model.save_pretrained(folder)
        return folder

    def load(self, base, path):
        return PeftModel.from_pretrained(base, path)


class PeftInMemory(Peft):
    def write(self, model, folder):
        model.save_pretrained(folder)
        (folder / "adapter_model.safetensors").unlink()
        save_file({k: v.contiguous() for k, v in model.state_dict().items() if ".lora_" in k}, folder / "state.safetensors")
        return folder / "state.safetensors"

    def load(self, base, path):
        model = get_peft_model(base, LoraConfig.from_pretrained(path.parent))
        missing = model.load_state_dict(load_file(path), strict=False)
        assert not missing.unexpected_keys, missing.unexpected_keys
        assert not [k for k in missing.missing_keys if ".lora_" in k], missing.missing_keys
        return model


class Diffusers:
    more = dict(alpha_pattern={"blocks.1.ffn.net.2": 9})

    def write(self, model, folder):
        said = model.peft_config["default"].to_dict()
        said["target_modules"] = list(said["target_modules"])
        WanPipeline.save_lora_weights(folder, transformer_lora_layers=tensors(model), transformer_lora_adapter_metadata=said)
        return folder / "pytorch_lora_weights.safetensors"

    def load(self, base, path):
        base.load_lora_adapter(str(path.parent), weight_name=path.name, prefix="transformer")
        return base


def tensors(model):
    """The factors as diffusers has them, without the prefix of a PeftModel."""
    return {k.removeprefix("base_model.model."): v.contiguous() for k, v in get_peft_model_state_dict(model).items()}


class DiffusionModel:
    """Names of ComfyUI, alpha = rank; loaded through the conversion of diffusers."""

    more = dict()

    def pairs(self, model):
        state = tensors(model)
        return {k.removesuffix(".lora_A.weight"): (a, state[k.replace(".lora_A.", ".lora_B.")]) for k, a in state.items() if ".lora_A." in k}

    def write(self, model, folder):
        folder.mkdir()
        out = {}
        for layer, (a, b) in self.pairs(model).items():
            out |= {f"diffusion_model.{native(layer)}.lora_{x}.weight": v for x, v in (("A", a), ("B", b))}
        save_file(out, folder / "native.safetensors")
        return folder / "native.safetensors"

    def load(self, base, path):
        state = WanLoraLoaderMixin.lora_state_dict(str(path.parent), weight_name=path.name)
        base.load_lora_adapter(state, prefix="transformer")
        return base


class Musubi(DiffusionModel):
    def write(self, model, folder):
        folder.mkdir()
        out = {}
        for layer, (a, b) in self.pairs(model).items():
            flat = "lora_unet_" + native(layer).replace(".", "_")
            out |= {flat + ".lora_down.weight": a, flat + ".lora_up.weight": b}
            out[flat + ".alpha"] = torch.tensor(6.0)
        save_file(out, folder / "musubi.safetensors")
        return folder / "musubi.safetensors"


def grow(*words):
    done = subprocess.run([tool, "grow", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def without(form, out, path, before):
    """What the adapter of the old model does to the grown one."""
    try:
        after = run(form.load(load(out), path))
    except RuntimeError as refusal:
        return "does not load: " + str(refusal).splitlines()[1].strip()
    return f"loads, difference {((after - before).abs().max() / before.abs().max()).item():.2f}"


def main(scratch):
    torch.manual_seed(1)
    first = WanTransformer3DModel(**wan()[0])
    for p in first.parameters():
        torch.nn.init.normal_(p, std=0.2)
    first.save_pretrained(scratch / "base")
    native_base(scratch / "base", scratch / "native")
    wrong = 0
    for form in (Peft(), PeftInMemory(), Diffusers(), DiffusionModel(), Musubi()):
        name = type(form).__name__
        is_native = isinstance(form, DiffusionModel)
        base = scratch / ("native" if is_native else "base")
        path = form.write(adapted(load(scratch / "base"), form.more), scratch / name)
        read = of_native if is_native else load
        plain, before = run(read(base)), run(form.load(read(base), path))
        scale = before.abs().max()
        effect = ((before - plain).abs().max() / scale).item()
        for growth, words in GROWTHS.items():
            out = scratch / f"{name}-{growth}"
            grow(base, out, *words, "--adapter", path)
            new = next(p for p in (out / "adapters").rglob("*.safetensors"))
            after = run(form.load(read(out), new.parent if type(form) is Peft else new))
            error = ((after - before).abs().max() / scale).item()
            ok = error <= 1e-6 and effect > 1e-2
            wrong += not ok
            print(f"{name:15} {growth:6} effect {effect:.2f}  difference {error:.1e}  {'ok' if ok else 'WRONG'}", flush=True)
            if isinstance(form, Diffusers):
                print(f"{'':15} {growth:6} the old adapter, not grown: {without(form, out, path, before)}", flush=True)
        if isinstance(form, Peft):
            subprocess.run([tool, "merge", base, path, scratch / f"{name}-merged"], check=True, capture_output=True)
            merged = form.load(load(base).float(), path).merge_and_unload().state_dict()
            ours = load_file(scratch / f"{name}-merged/diffusion_pytorch_model.safetensors")
            error = max(((ours[k] - v).abs().max() / v.abs().max()).item() for k, v in merged.items())
            wrong += not error <= 1e-6
            print(f"{name:15} merge  difference {error:.1e}  {'ok' if error <= 1e-6 else 'WRONG'}", flush=True)
    return 1 if wrong else 0


with tempfile.TemporaryDirectory() as folder:
    sys.exit(main(pathlib.Path(folder)))
