# SPDX-License-Identifier: MIT
"""Times the encoding of all bundled captions by modelgrow, llama.cpp and transformers in turn, into one JSON.

    bench_encode.py --program BENCH_LLM --model MODEL.gguf --data TAR.. --out JSON [--rounds 3] [--threads 2]

Run by scripts/bench-llm. Every measurement is a process of its own; tokens are part of it. transformers gets its captions
sorted by length in padded batches, llama.cpp several captions a batch; both in batches of the size that is fastest here.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path


def captions_of(archives: list[Path]) -> list[str]:
    """Names and keywords of every clip, as training uses them."""
    found = []
    for archive in archives:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    names = json.load(tar.extractfile(member))
                    found += [names["caption"], ", ".join(names.get("keywords", []))]
    return [c for c in found if c]


def with_transformers(model: Path, threads: int, batch: int):
    import torch
    import transformers

    torch.set_num_threads(threads)
    where = {"pretrained_model_name_or_path": model.parent, "gguf_file": model.name}
    network = transformers.AutoModel.from_pretrained(**where, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(**where, padding_side="right")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

    @torch.inference_mode()
    def encode(captions: list[str]) -> int:
        order = sorted(range(len(captions)), key=lambda i: len(captions[i]))
        tokens = 0
        for i in range(0, len(order), batch):
            part = tokenizer([captions[j] for j in order[i : i + batch]], return_tensors="pt", padding=True)
            network(**part).last_hidden_state
            tokens += int(part["attention_mask"].sum())
        return tokens

    return encode, transformers.__version__


def with_llama_cpp(model: Path, threads: int, batch: int):
    import llama_cpp

    network = llama_cpp.Llama(str(model), n_ctx=batch, n_batch=batch, n_ubatch=batch, n_threads=threads,
                              n_threads_batch=threads, embedding=True, verbose=False,
                              pooling_type=llama_cpp.LLAMA_POOLING_TYPE_NONE)  # fmt: skip
    return lambda captions: sum(map(len, network.embed(captions))), llama_cpp.__version__


# How to load each, and the sizes of a batch to choose from: captions; tokens, each of which looks at its whole batch.
PEERS = {"llama.cpp": (with_llama_cpp, (64, 128, 256, 512, 2048)), "transformers": (with_transformers, (16, 64))}


def seconds_of(encode, captions: list[str]) -> float:
    begin = time.perf_counter()
    encode(captions)
    return time.perf_counter() - begin


def fastest_batch(name: str, model: Path, captions: list[str], threads: int) -> int:
    load, sizes = PEERS[name]
    return min(sizes, key=lambda batch: seconds_of(load(model, threads, batch)[0], captions[:200]))


def one(name: str, model: Path, captions: list[str], threads: int, batch: int) -> dict:
    """One timed pass, behind a short one."""
    encode, version = PEERS[name][0](model, threads, batch)
    encode(captions[:200])
    begin = time.perf_counter()
    tokens = encode(captions)
    return {"program": name, "version": version, "batch": batch, "captions": len(captions), "tokens": tokens,
            "median_s": time.perf_counter() - begin, "threads": threads,
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}  # fmt: skip


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", help="bench_llm")
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--data", type=Path, nargs="+", help="WebDataset archives")
    p.add_argument("--captions", type=Path, help="one a line, instead of --data")
    p.add_argument("--out", type=Path)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--one", choices=PEERS, help="measure this peer in this process")
    p.add_argument("--batch", type=int, help="with --one: its batch; without, the fastest is printed")
    o = p.parse_args()
    if o.one:
        lines = o.captions.read_text().splitlines()
        result = one(o.one, o.model, lines, o.threads, o.batch) if o.batch else fastest_batch(o.one, o.model, lines, o.threads)
        print(json.dumps(result))
        return

    captions = o.captions.read_text().splitlines() if o.captions else captions_of(o.data)
    environment = os.environ | {"OMP_NUM_THREADS": str(o.threads)}

    def answer(command: list[str]):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    with tempfile.TemporaryDirectory() as scratch:
        lines = Path(scratch) / "captions.txt"
        lines.write_text("\n".join(captions) + "\n")
        common = [sys.executable, __file__, "--model", str(o.model), "--captions", str(lines), "--threads", str(o.threads)]
        commands = [[o.program, str(o.model), str(lines), "1"]]
        for name in PEERS:
            best = answer([*common, "--one", name])
            print(f"{name}: batches of {best} are the fastest", flush=True)
            commands.append([*common, "--one", name, "--batch", str(best)])
        rounds = [[answer(command) for command in commands] for _ in range(o.rounds)]

    results = []
    for runs in zip(*rounds):
        results.append(runs[0] | {"median_s": statistics.median(r["median_s"] for r in runs),
                                  "peak_rss_mb": max(r["peak_rss_mb"] for r in runs), "rounds": o.rounds})  # fmt: skip
        r = results[-1]
        print(f"{r['program']:12s} {r['median_s']:8.2f} s, {r['tokens'] / r['median_s']:8.0f} tokens/s, {r['peak_rss_mb']:6.0f} MB")
    if o.out:
        o.out.parent.mkdir(parents=True, exist_ok=True)
        o.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
