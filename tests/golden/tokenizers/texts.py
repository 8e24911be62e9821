# SPDX-License-Identifier: MIT
"""Texts on which tokenizers are compared: captions, code, every Unicode block, emoji, white space, special tokens."""
import random
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HAND_MADE = [
    "", " ", "  ", "\n", "\t\t", " \n \n", "a", "A", "1", "é", "e\u0301", "\u0301", "ﬁ", "İ", "ß", "Σίσυφος", "ǅ",
    "A red ball moves up while the blue square moves left, slowly.", "The 3 moves up; the 7 doesn't.", "we'll I'VE don't it's 'S",
    "A close-up of a woman's hands, 4K, 60fps, f/1.8 -- cinematic!!!", "In 1984, 12345678 people paid $3.50 (or 2,75 €).",
    "  leading", "trailing  ", "a  b   c    d", "line one\nline two\r\n\r\n  line three\t\tend", "\u00a0no\u00a0break\u2003em\u3000wide",
    "def f(x: int) -> int:\n    return x ** 2  # squared\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}\n",
    "{\"key\": [1, 2.5e-3, null], \"s\": \"\\u00e9\"}", "https://example.org/a?b=c&d=%20#frag user@example.com",
    "<|endoftext|>", "<|im_start|>user\nA cat<|im_end|>\n", "a<|im_end|>b <|im_end|> c", "<|im_end", "<mask> x <mask>", "a  <mask>  b",
    "[CLS] a [SEP] b [MASK] c [UNK] [PAD]", "[ CLS ]", "</s> <extra_id_0> <pad> <unk>",
    "水の上を走る", "你好,世界!", "안녕하세요 세계", "Привет, мир", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก", "ਸਤ ਸ੍ਰੀ ਅਕਾਲ",
    "naïve café résumé Zürich Ångström", "nai\u0308ve cafe\u0301 Zu\u0308rich", "Việt Nam tiếng Việt", "①②③ ½ ⅷ Ⅻ ٣٤٥ 四十二",
    "😀", "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "a😀b 😀 c", "🧑🏿‍🚀🚀🌕", "☀️➡️⛄", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛", "\u200bzero\u200bwidth\u200d\ufeff", "\u180ea\u180e",
    "\x00\x01\x7f\x85", "\ufffd", "\ue000\uf8ff", "\U0010ffff", "q̣̇ q̣̇", "𝅘𝅥𝅮 \U0001d16d\U0001d165", "한글 \u1112\u1161\u11ab", "豈 丽", "½¼ ²³ ªº",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis", "x" * 120, "ab" * 60, "-" * 50, "!?" * 20, "\n" * 20, " " * 40,
]


def blocks(generator, count):
    """`count` texts for each run of 128 code points that has assigned characters: words of that run among others."""
    for start in range(0, 0x110000, 128):
        run = [chr(c) for c in range(start, start + 128) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn"]
        for _ in range(count if run and start < 0xE0000 else 0):
            words = ["".join(generator.choices(run, k=generator.randint(1, 6))) for _ in range(4)]
            yield words[0] + " " + words[1] + generator.choice("a1 .\n") + words[2] + "  " + words[3]


def emoji(generator, count):
    faces = [chr(c) for a, b in ((0x1F300, 0x1F650), (0x1F680, 0x1F700), (0x1F900, 0x1FA00), (0x2600, 0x27C0)) for c in range(a, b)]
    joints = ["", "", "\u200d", "\ufe0f", "\U0001f3fd", "\u20e3", " "]
    for _ in range(count):
        yield "".join(generator.choice(faces) + generator.choice(joints) for _ in range(generator.randint(1, 8)))


def lines(generator, count):
    """Lines of this repository's programs and pages: code, prose and captions."""
    files = [p for d in ("include", "examples", "docs", "scripts", "tests") for p in sorted((ROOT / d).rglob("*"))
             if p.suffix in (".hpp", ".cpp", ".md", ".py", "")]
    everything = []
    for path in files:
        if path.is_file():
            try:
                everything += path.read_text(encoding="utf-8").split("\n")
            except UnicodeDecodeError:
                pass
    everything = sorted({x for x in everything if x.strip()})
    return generator.sample(everything, min(count, len(everything)))


def mixtures(generator, count):
    """Pieces of the hand-made texts in random order, cut anywhere."""
    for _ in range(count):
        parts = generator.choices(HAND_MADE, k=3)
        text = "".join(p[generator.randint(0, len(p)):][:30] for p in parts)
        yield text


def small():
    """What is committed: few enough for the repository."""
    g = random.Random(1)
    every_block = list(blocks(g, 1))
    return HAND_MADE + every_block[::8] + list(emoji(g, 8)) + list(mixtures(g, 30))


def large():
    """More than 10,000 texts."""
    g = random.Random(2)
    single = [f"a{chr(c)}b {chr(c)}1{chr(c)}" for c in range(0, 0x30000, 29) if not 0xD800 <= c < 0xE000]
    texts = HAND_MADE + list(blocks(g, 8)) + list(emoji(g, 1000)) + lines(g, 4000) + list(mixtures(g, 2000)) + single
    assert len(texts) >= 10000
    return texts
