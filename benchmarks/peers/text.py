# SPDX-License-Identifier: MIT
"""The base text encoder: a small byte-level transformer that is trained together with the video model."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from stdit import Attention, Mlp

BEGIN, END, PADDING, VOCABULARY = 256, 257, 258, 260


def tokenize(captions: list[str], max_length: int = 64) -> tuple[Tensor, Tensor]:
    """UTF-8 bytes between BEGIN and END, padded to the longest: ids and mask, both [batch, length]."""
    rows = [[BEGIN, *caption.encode()[: max_length - 2], END] for caption in captions]
    ids = torch.full((len(rows), max(map(len, rows))), PADDING)
    for row, tokens in zip(ids, rows):
        row[: len(tokens)] = torch.tensor(tokens)
    return ids, ids != PADDING


class EncoderBlock(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))


class TextEncoder(nn.Module):
    def __init__(self, width: int = 64, depth: int = 2, heads: int = 2, max_length: int = 64):
        super().__init__()
        self.token_embedding = nn.Embedding(VOCABULARY, width)
        self.position_embedding = nn.Embedding(max_length, width)
        self.blocks = nn.ModuleList(EncoderBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.token_embedding.weight, std=0.5)
        nn.init.normal_(self.position_embedding.weight, std=0.1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask [batch, length] -> [batch, length, width]; the final norm makes the rms about 1."""
        x = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, mask[:, None, None, :])
        return self.norm(x)


def forward_flops(encoder: TextEncoder, tokens: int) -> float:
    width = encoder.norm.weight.numel()
    return 2.0 * len(encoder.blocks) * tokens * (12 * width**2 + 2 * width * tokens)
