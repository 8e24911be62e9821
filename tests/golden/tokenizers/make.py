#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains small tokenizers of every kind with the upstream libraries and writes what they do with texts.small().

    make.py        needs pip install tokenizers sentencepiece gguf (made with 0.23.3, 0.2.3, 0.19.0)
"""
import json
import random
from pathlib import Path

import gguf
import references
import sentencepiece
import texts

here = Path(__file__).parent
corpus = [t for t in texts.HAND_MADE + list(texts.lines(random.Random(3), 3000)) if t.strip()]
small = texts.small()
expected = {"texts": small}

for name, train in {"smollm": references.train_smollm, "llama3": references.train_llama3,
                    "wordpiece": references.train_wordpiece}.items():
    t = train(corpus)
    t.save(str(here / f"{name}.json"), pretty=False)
    expected[name] = [t.encode(x).ids for x in small]
    if name == "smollm":
        model = json.loads(t.to_str())["model"]
        tokens = sorted(model["vocab"], key=model["vocab"].get)
        special = {x["id"] for x in json.loads(t.to_str())["added_tokens"]}
        writer = gguf.GGUFWriter(here / "smollm.gguf", "llama")
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_list(tokens)
        writer.add_token_types([3 if i in special else 1 for i in range(len(tokens))])
        writer.add_token_merges([" ".join(m) for m in model["merges"]])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_add_bos_token(False)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(corpus), model_prefix=str(here / "unigram"), model_type="unigram", vocab_size=900,
    character_coverage=0.99, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False, num_threads=1, minloglevel=2)
(here / "unigram.vocab").unlink()
processor = sentencepiece.SentencePieceProcessor(model_file=str(here / "unigram.model"))
expected["unigram"] = [processor.encode(x) + [1] for x in small]
(here / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
