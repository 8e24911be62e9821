#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares our tokenizers with upstream's: ids and spans of every text of texts.large(). See scripts/check-tokenizers.

    check.py <program tokenize> <file>...
"""
import subprocess
import struct
import sys
from pathlib import Path

import references
import sentencepiece
import texts
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import ByteLevel


def boundaries(text):
    """Byte offset of each character, and of the end."""
    at = [0]
    for character in text:
        at.append(at[-1] + len(character.encode()))
    return at


def upstream(path):
    """Text -> (ids, spans in bytes); spans are None where upstream has none to compare."""
    if path.endswith(".model"):
        processor = sentencepiece.SentencePieceProcessor(model_file=path)
        return lambda text: (processor.encode(text) + [processor.eos_id()], None)
    t = references.from_gguf(path) if path.endswith(".gguf") else Tokenizer.from_file(path)
    t.no_truncation()
    t.no_padding()
    normalises = t.normalizer is not None and not isinstance(t.normalizer, BertNormalizer)
    bytes_only, vocabulary = isinstance(t.model, BPE), t.get_vocab()

    def encode(text):
        e, at = t.encode(text), boundaries(text)
        spans = [(at[a], at[b]) for a, b in e.offsets]
        # Behind a byte that is no token upstream's spans of byte-level BPE slip to the left.
        slipped = bytes_only and any(c not in vocabulary for w, _ in ByteLevel(False, use_regex=False).pre_tokenize_str(text) for c in w)
        # Behind an NFC character upstream's span ends before the marks that it took in.
        return e.ids, None if slipped or normalises else spans
    return encode


def ours(program, path, list_of_texts):
    data = b"".join(struct.pack("<I", len(t)) + t for t in (x.encode() for x in list_of_texts))
    out, at = subprocess.run([program, path], input=data, stdout=subprocess.PIPE, check=True).stdout, 0
    for _ in list_of_texts:
        (n,) = struct.unpack_from("<I", out, at)
        numbers = struct.unpack_from(f"<{3 * n}I", out, at + 4)
        at += 4 + 12 * n
        yield list(numbers[0::3]), list(zip(numbers[1::3], numbers[2::3]))
    assert at == len(out)


def whole_characters(span, starts):
    """Upstream counts characters: a token of some bytes of one has the span of all of it."""
    a, b = span
    while a not in starts:
        a -= 1
    while b not in starts:
        b += 1
    return a, b


failed = False
for path in sys.argv[2:]:
    large, reference = texts.large(), upstream(path)
    tokens = bad_ids = bad_spans = 0
    example = None
    for text, (ids, spans) in zip(large, ours(sys.argv[1], path, large)):
        expected, expected_spans = reference(text)
        tokens += len(expected)
        starts = set(boundaries(text))
        # Tokens around the text have an empty span at its end here, (0, 0) upstream.
        spans = [whole_characters(s, starts) if s[0] < s[1] else (0, 0) for s in spans]
        if ids != expected:
            bad_ids += 1
            example = example or (text, ids, expected)
        elif expected_spans is not None and spans != expected_spans:
            bad_spans += 1
            example = example or (text, spans, expected_spans)
    print(f"{Path(path).name}: {len(large)} texts, {tokens} tokens; different ids: {bad_ids} texts, different spans: {bad_spans}")
    if example:
        failed = True
        print("  for example %r\n  ours     %s\n  upstream %s" % example)
sys.exit(failed)
