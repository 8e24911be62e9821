#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tokenizers with normalizers: Qwen's form C, and the SentencePiece BPE of Mistral as tokenizer.json and as GGUF; and what
upstream does with them and with changed copies (JSON merge patches) of all tokenizers here.

    make_bpe.py        needs pip install tokenizers sentencepiece (made with 0.23.3, 0.2.3)
"""
import io
import json
import random
import struct
from pathlib import Path

import references
import sentencepiece
import texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = Path(__file__).parent
corpus = [t for t in texts.HAND_MADE + list(texts.lines(random.Random(3), 3000)) if t.strip()]
# \u0344 and the two-part vowels compose, or do not, in ways of their own; \u08cb is younger than upstream's tables.
COMPOSING = ["cafe\u0301", "a\u0323\u0302 a\u0302\u0323 a\u0302\u0301\u0323", "\u1100\u1161\u11a8 \u1112\u1161 \uac00\u11a8", "\u09c7\u09be \u0b92\u0bd7",
             "\u0344 \u0958 \u2126 \u212b \uf900", "e\u0301\u0301e", "\u0301e", "\u0f71\u0f72\u0f74", "x\u0315\u0300\u05ae\u0062\u0345", "Ye\u0301s yés", "\u08e3\u08cb\u0898 x\u0301\u08ca\u0323"]
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPACE = "\u2581"


def qwen():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN), "isolated", invert=False),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    special = [AddedToken(x, special=True, normalized=False) for x in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")]
    t.train_from_iterator(corpus + COMPOSING * 5, trainers.BpeTrainer(
        vocab_size=700, special_tokens=special, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def sentencepiece_bpe():
    """Pieces, scores, types, and the processor."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, model_type="bpe", vocab_size=700, character_coverage=0.98,
        byte_fallback=True, split_digits=True, add_dummy_prefix=True, remove_extra_whitespaces=False,
        normalization_rule_name="identity", allow_whitespace_only_pieces=True, num_threads=1, minloglevel=2)
    p = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ids = range(p.get_piece_size())
    kinds = [2 if p.is_unknown(i) else 3 if p.is_control(i) else 6 if p.is_byte(i) else 1 for i in ids]
    return [p.id_to_piece(i) for i in ids], [p.get_score(i) for i in ids], kinds, p


def mistral(pieces, scores, kinds):
    """As transformers converts a SentencePiece BPE: every pair of pieces that makes a piece, best piece first."""
    ids = {x: i for i, x in enumerate(pieces)}
    merges = []
    for i, piece in enumerate(pieces):
        if kinds[i] == 1:
            pairs = [(piece[:k], piece[k:]) for k in range(1, len(piece)) if piece[:k] in ids and piece[k:] in ids]
            merges += [(-scores[i], ids[a], ids[b], a, b) for a, b in pairs]
    t = Tokenizer(models.BPE(ids, [(a, b) for _, _, _, a, b in sorted(merges)], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    t.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_special_tokens([AddedToken(x, special=True, normalized=False) for x in ("<unk>", "<s>", "</s>")])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return t


def gguf(path, pieces, scores, kinds):
    """A file of metadata alone."""
    string = lambda x: struct.pack("<Q", len(x.encode())) + x.encode()
    array = lambda kind, items: struct.pack("<IQ", kind, len(items)) + b"".join(items)
    values = [("general.architecture", 8, string("llama")), ("tokenizer.ggml.model", 8, string("llama")),
              ("tokenizer.ggml.tokens", 9, array(8, [string(x) for x in pieces])),
              ("tokenizer.ggml.scores", 9, array(6, [struct.pack("<f", x) for x in scores])),
              ("tokenizer.ggml.token_type", 9, array(5, [struct.pack("<i", x) for x in kinds])),
              ("tokenizer.ggml.bos_token_id", 4, struct.pack("<I", 1)), ("tokenizer.ggml.eos_token_id", 4, struct.pack("<I", 2)),
              ("tokenizer.ggml.unknown_token_id", 4, struct.pack("<I", 0))]
    body = b"".join(string(k) + struct.pack("<I", kind) + v for k, kind, v in values)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + body)


def patched(target, patch):
    """RFC 7396, with null for what goes."""
    if not isinstance(patch, dict) or not isinstance(target, dict):
        return patch
    return {**target, **{k: patched(target.get(k), v) for k, v in patch.items()}}


def added(text, **more):
    return {"id": 0, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False, **more}


qwen().save(str(here / "qwen.json"), pretty=False)
pieces, scores, kinds, processor = sentencepiece_bpe()
mistral(pieces, scores, kinds).save(str(here / "mistral.json"), pretty=False)
gguf(here / "mistral.gguf", pieces, scores, kinds)

metaspace = lambda **more: {"normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": SPACE, **more}}
marks = [added("<s>", special=True, normalized=False), added("</s>", special=True)]
words = [added("Yesterday"), added("CAFÉ", lstrip=True), added("水"), added("e\u0301s", rstrip=True), added("the ")]
cases = [  # base, patch
    ("qwen.json", {}), ("mistral.json", {}),
    ("mistral.json", metaspace(prepend_scheme="first", split=False)), ("mistral.json", metaspace(prepend_scheme="always", split=True)),
    ("mistral.json", metaspace(prepend_scheme="never", split=False)), ("mistral.json", {"model": {"byte_fallback": False}}),
    ("mistral.json", {"model": {"byte_fallback": False, "fuse_unk": False}}), ("mistral.json", {"model": {"ignore_merges": True}}),
    ("mistral.json", {"added_tokens": marks}), ("mistral.json", {"added_tokens": marks + words}),
    ("mistral.json", {**metaspace(prepend_scheme="first", split=True), "added_tokens": marks + words}),
    ("qwen.json", {"added_tokens": words}), ("wordpiece.json", {"added_tokens": words}), ("smollm.json", {"added_tokens": words}),
    ("smollm.json", {"normalizer": {"type": "Sequence", "normalizers": []}}),
    ("smollm.json", {"normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"String": "ab"}, "content": "é水"}, {"type": "NFC"}, {"type": "Prepend", "prepend": "x "}]}}),
    ("smollm.json", {"model": {"unk_token": "<|endoftext|>", "fuse_unk": True}}),
]
some = texts.HAND_MADE[::2] + COMPOSING + ["Yesterday yesterday YESTERDAY", " a  CAFÉ b cafe\u0301 café", "x</s> y</s>", "the 水 the水"]
whole = texts.small()[::2] + COMPOSING
expected = {"texts": whole, "some": some, "cases": [], "mistral.gguf": [[1] + processor.encode(x) for x in whole]}
for base, patch in cases:
    t = Tokenizer.from_str(json.dumps(patched(json.loads((here / base).read_text()), patch)))
    if "added_tokens" in patch:  # upstream gives ids of its own
        patch = {**patch, "added_tokens": [{**x, "id": t.token_to_id(x["content"])} for x in patch["added_tokens"]]}
    expected["cases"].append({"base": base, "patch": patch, "ids": [t.encode(x).ids for x in (some if patch else whole)]})
(here / "expected_bpe.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
