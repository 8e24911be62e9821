# SPDX-License-Identifier: MIT
"""Times the encoding of all bundled captions by modelgrow, llama.cpp and transformers in turn, into one JSON.

    bench_encode.py --program BENCH_LLM --model MODEL.gguf --data TAR.. --out JSON [--rounds 3] [--threads 2]

Run by scripts/bench-llm. Every measurement is a process of its own; tokens are part of it. transformers gets its captions
sorted by length in padded batches, llama.cpp several captions a batch where its binding can.
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


def with_transformers(model: Path, captions: list[str], threads: int):
    import torch
    import transformers

    torch.set_num_threads(threads)
    where = {"pretrained_model_name_or_path": model.parent, "gguf_file": model.name}
    network = transformers.AutoModel.from_pretrained(**where, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(**where, padding_side="right")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

    @torch.inference_mode()
    def encode() -> int:
        order = sorted(range(len(captions)), key=lambda i: len(captions[i]))
        tokens = 0
        for i in range(0, len(order), 64):
            batch = tokenizer([captions[j] for j in order[i : i + 64]], return_tensors="pt", padding=True)
            network(**batch).last_hidden_state
            tokens += int(batch["attention_mask"].sum())
        return tokens

    return encode, transformers.__version__


def with_llama_cpp(model: Path, captions: list[str], threads: int):
    """With the number of tokens a batch that is fastest on the first captions: every token looks at the whole batch."""
    import llama_cpp

    def encoder(batch: int, captions: list[str]):
        network = llama_cpp.Llama(str(model), n_ctx=batch, n_batch=batch, n_ubatch=batch, n_threads=threads,
                                  n_threads_batch=threads, embedding=True, verbose=False,
                                  pooling_type=llama_cpp.LLAMA_POOLING_TYPE_NONE)  # fmt: skip
        return lambda: sum(map(len, network.embed(captions)))

    def seconds(batch: int) -> float:
        begin = time.perf_counter()
        encoder(batch, captions[:200])()
        return time.perf_counter() - begin

    best = min((64, 128, 256, 512, 2048), key=seconds)
    return encoder(best, captions), f"{llama_cpp.__version__}, {best} tokens a batch"


def one(name: str, model: Path, captions: list[str], rounds: int, threads: int) -> dict:
    encode, version = {"transformers": with_transformers, "llama.cpp": with_llama_cpp}[name](model, captions, threads)
    tokens, seconds = encode(), []
    for _ in range(rounds):
        begin = time.perf_counter()
        encode()
        seconds.append(time.perf_counter() - begin)
    return {"program": name, "version": version, "captions": len(captions), "tokens": tokens,
            "median_s": statistics.median(seconds), "threads": threads,
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
    p.add_argument("--one", help="measure this peer in this process")
    o = p.parse_args()
    if o.one:
        print(json.dumps(one(o.one, o.model, o.captions.read_text().splitlines(), o.rounds, o.threads)))
        return

    captions = o.captions.read_text().splitlines() if o.captions else captions_of(o.data)
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        lines = Path(scratch) / "captions.txt"
        lines.write_text("\n".join(captions) + "\n")
        common = ["--model", str(o.model), "--captions", str(lines), "--rounds", str(o.rounds), "--threads", str(o.threads)]
        commands = [[o.program, str(o.model), str(lines), str(o.rounds)]]
        commands += [[sys.executable, __file__, *common, "--one", name] for name in ("llama.cpp", "transformers")]
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": str(o.threads)})
            if done.returncode:
                print(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}", file=sys.stderr)
                continue
            results.append(json.loads(done.stdout.splitlines()[-1]))
            r = results[-1]
            print(f"{r['program']:12s} {r['median_s']:8.2f} s, {r['tokens'] / r['median_s']:8.0f} tokens/s, {r['peak_rss_mb']:6.0f} MB")
    if o.out:
        o.out.parent.mkdir(parents=True, exist_ok=True)
        o.out.write_text(json.dumps(results, indent=1) + "\n")
    if len(results) != 3:
        sys.exit("not everything could be measured")


if __name__ == "__main__":
    main()
