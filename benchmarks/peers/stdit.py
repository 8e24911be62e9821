# SPDX-License-Identifier: MIT
"""The PyTorch twin of models/stdit.hpp: Open-Sora 1.0 STDiT with the same state-dict names, and its two growth options.

Written as a PyTorch user writes it today (fused qkv, F.scaled_dot_product_attention), so that timings compare with
current practice. Layout of a clip: [batch, channels, frames, height, width]. Tokens: [batch, frames, space, hidden].
"""
from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclasses.dataclass
class Config:
    input_size: tuple[int, int, int] = (8, 32, 32)
    in_channels: int = 3
    patch_size: tuple[int, int, int] = (1, 4, 4)
    hidden_size: int = 128
    depth: int = 4
    num_heads: int = 4
    mlp_ratio: float = 4.0
    pred_sigma: bool = False
    caption_channels: int = 64
    model_max_length: int = 64
    space_scale: float = 1.0
    time_scale: float = 1.0
    conv_temp_kernel: int = 0  # 0: no temporal convolution
    conv_temp_depthwise: bool = True
    conv_temp_causal: bool = True
    caption_channels_2: int = 0  # 0: no second cross-attention
    model_max_length_2: int = 0

    @property
    def out_channels(self) -> int:
        return self.in_channels * (2 if self.pred_sigma else 1)

    @property
    def grid(self) -> tuple[int, int, int]:
        return tuple(n // p for n, p in zip(self.input_size, self.patch_size))


def sincos(dim: int, positions: Tensor) -> Tensor:
    """[n] -> [n, dim] = [sin | cos], frequencies 10000^(-2j/dim), computed in double."""
    omega = 10000.0 ** (-torch.arange(dim // 2, dtype=torch.float64) / (dim / 2.0))
    angles = positions.double()[:, None] * omega
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def spatial_table(dim: int, height: int, width: int, scale: float) -> Tensor:
    rows, cols = torch.meshgrid(torch.arange(height) / scale, torch.arange(width) / scale, indexing="ij")
    table = torch.cat([sincos(dim // 2, cols.reshape(-1)), sincos(dim // 2, rows.reshape(-1))], dim=1)
    return table.float()[None]


def timestep_features(t: Tensor, dim: int = 256) -> Tensor:
    """[batch] -> [batch, dim] = [cos | sin], always in float32 as upstream."""
    half = dim // 2
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angles = t[:, None].float() * frequencies[None]
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale) + shift


class Mlp(nn.Module):
    def __init__(self, inputs: int, hidden: int, outputs: int):
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.fc2 = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Attention(nn.Module):
    """Self-attention over the second-last axis: [..., tokens, hidden]."""

    def __init__(self, hidden: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.proj = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        batch, tokens, hidden = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, hidden // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.proj(x.transpose(1, 2).reshape(batch, tokens, hidden))


class CrossAttention(nn.Module):
    def __init__(self, hidden: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_linear = nn.Linear(hidden, hidden)
        self.kv_linear = nn.Linear(hidden, 2 * hidden)
        self.proj = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, y: Tensor, mask: Tensor | None) -> Tensor:
        batch, tokens, hidden = x.shape
        head_dim = hidden // self.heads
        q = self.q_linear(x).view(batch, tokens, self.heads, head_dim).transpose(1, 2)
        k, v = self.kv_linear(y).view(batch, y.shape[1], 2, self.heads, head_dim).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.proj(x.transpose(1, 2).reshape(batch, tokens, hidden))


class TemporalConv(nn.Conv1d):
    """Zero-initialised convolution over the frames of [batch, frames, space, hidden]; zero padding keeps their number."""

    def __init__(self, hidden: int, kernel: int, depthwise: bool, causal: bool):
        super().__init__(hidden, hidden, kernel, groups=hidden if depthwise else 1)
        self.pad = (kernel - 1, 0) if causal else (kernel // 2, kernel // 2)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, space, hidden = x.shape
        x = super().forward(F.pad(x.permute(0, 2, 3, 1).reshape(batch * space, hidden, frames), self.pad))
        return x.view(batch, space, hidden, frames).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        hidden = c.hidden_size
        self.norm1 = nn.LayerNorm(hidden, eps=1e-6, elementwise_affine=False)
        self.attn = Attention(hidden, c.num_heads)
        self.attn_temp = Attention(hidden, c.num_heads)
        if c.conv_temp_kernel:
            self.norm_conv = nn.LayerNorm(hidden, eps=1e-6, elementwise_affine=False)
            self.conv_temp = TemporalConv(hidden, c.conv_temp_kernel, c.conv_temp_depthwise, c.conv_temp_causal)
        self.cross_attn = CrossAttention(hidden, c.num_heads)
        if c.caption_channels_2:
            self.cross_attn_2 = CrossAttention(hidden, c.num_heads)
        self.norm2 = nn.LayerNorm(hidden, eps=1e-6, elementwise_affine=False)
        self.mlp = Mlp(hidden, int(hidden * c.mlp_ratio), hidden)
        self.scale_shift_table = nn.Parameter(torch.randn(6, hidden) / hidden**0.5)

    def forward(self, x: Tensor, t6: Tensor, captions: list[tuple[Tensor, Tensor | None]], tpe: Tensor | None) -> Tensor:
        batch, frames, space, hidden = x.shape
        rows = (self.scale_shift_table + t6.view(batch, 6, hidden))[:, :, None, None]
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = rows.unbind(1)

        h = modulate(self.norm1(x), shift_msa, scale_msa)
        h = self.attn(h.view(batch * frames, space, hidden))
        x = x + gate_msa * h.view(batch, frames, space, hidden)

        h = x.transpose(1, 2)
        if tpe is not None:
            h = h + tpe
        h = self.attn_temp(h.reshape(batch * space, frames, hidden))
        x = x + gate_msa * h.view(batch, space, frames, hidden).transpose(1, 2)

        if hasattr(self, "conv_temp"):
            x = x + self.conv_temp(self.norm_conv(x))

        y, mask = captions[0]
        x = x + self.cross_attn(x.reshape(batch, frames * space, hidden), y, mask).view_as(x)
        if hasattr(self, "cross_attn_2"):
            y, mask = captions[1]
            x = x + self.cross_attn_2(x.reshape(batch, frames * space, hidden), y, mask).view_as(x)

        return x + gate_mlp * self.mlp(modulate(self.norm2(x), shift_mlp, scale_mlp))


class PatchEmbed3d(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.proj = nn.Conv3d(c.in_channels, c.hidden_size, c.patch_size, stride=c.patch_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(3).permute(0, 2, 3, 1)


class TimestepEmbedder(nn.Module):
    def __init__(self, hidden: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, hidden), nn.SiLU(), nn.Linear(hidden, hidden))

    def forward(self, t: Tensor) -> Tensor:
        return self.mlp(timestep_features(t).to(self.mlp[0].weight.dtype))


class CaptionEmbedder(nn.Module):
    """Projects caption tokens to hidden; dropped samples get the rows of a fixed random buffer instead of their tokens."""

    def __init__(self, channels: int, hidden: int, length: int):
        super().__init__()
        self.y_proj = Mlp(channels, hidden, hidden)
        self.register_buffer("y_embedding", torch.randn(length, channels))

    def forward(self, y: Tensor, drop: Tensor | None) -> Tensor:
        if drop is not None:
            y = torch.where(drop[:, None, None], self.y_embedding[: y.shape[1]].to(y.dtype), y)
        return self.y_proj(y)


class FinalLayer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.norm_final = nn.LayerNorm(c.hidden_size, eps=1e-6, elementwise_affine=False)
        self.linear = nn.Linear(c.hidden_size, math.prod(c.patch_size) * c.out_channels)
        self.scale_shift_table = nn.Parameter(torch.randn(2, c.hidden_size) / c.hidden_size**0.5)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        shift, scale = (self.scale_shift_table + t[:, None])[:, :, None, None].unbind(1)
        return self.linear(modulate(self.norm_final(x), shift, scale))


class STDiT(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.config = c
        frames, height, width = c.grid
        self.register_buffer("pos_embed", spatial_table(c.hidden_size, height, width, c.space_scale))
        temporal = sincos(c.hidden_size, torch.arange(frames) / c.time_scale).float()
        self.register_buffer("pos_embed_temporal", temporal[None])
        self.x_embedder = PatchEmbed3d(c)
        self.t_embedder = TimestepEmbedder(c.hidden_size)
        self.t_block = nn.Sequential(nn.SiLU(), nn.Linear(c.hidden_size, 6 * c.hidden_size))
        self.y_embedder = CaptionEmbedder(c.caption_channels, c.hidden_size, c.model_max_length)
        if c.caption_channels_2:
            self.y_embedder_2 = CaptionEmbedder(c.caption_channels_2, c.hidden_size, c.model_max_length_2)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.depth))
        self.final_layer = FinalLayer(c)
        self.initialize()

    def initialize(self) -> None:
        """Upstream's initialisation: Xavier, small embedders, zero temporal and cross-attention outputs, zero head."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.x_embedder.proj.weight.data.flatten(1))
        nn.init.zeros_(self.x_embedder.proj.bias)
        small = [self.t_embedder.mlp[0], self.t_embedder.mlp[2], self.t_block[1]]
        for name in ("y_embedder", "y_embedder_2"):
            if hasattr(self, name):
                projection = getattr(self, name).y_proj
                small += [projection.fc1, projection.fc2]
        for linear in small:
            nn.init.normal_(linear.weight, std=0.02)
        zero = [self.final_layer.linear]
        for block in self.blocks:
            zero += [block.attn_temp.proj, block.cross_attn.proj]
            if hasattr(block, "cross_attn_2"):
                zero.append(block.cross_attn_2.proj)
        for linear in zero:
            nn.init.zeros_(linear.weight)

    def forward(
        self,
        x: Tensor,
        timestep: Tensor,
        y: Tensor,
        mask: Tensor | None = None,
        drop: Tensor | None = None,
        y_2: Tensor | None = None,
        mask_2: Tensor | None = None,
    ) -> Tensor:
        """x [B,C,T,H,W], timestep [B] in 0..1000, y [B,L,caption_channels], mask [B,L] (nonzero: a real token)
        -> [B,out_channels,T,H,W]. drop [B] (bool) takes the null caption for a sample."""
        x = self.x_embedder(x) + self.pos_embed[:, None].to(x.dtype)
        t = self.t_embedder(timestep)
        t6 = self.t_block(t)
        captions = [(self.y_embedder(y, drop), key_mask(mask))]
        if y_2 is not None:
            captions.append((self.y_embedder_2(y_2, drop), key_mask(mask_2)))
        for i, block in enumerate(self.blocks):
            x = block(x, t6, captions, self.pos_embed_temporal.to(x.dtype) if i == 0 else None)
        return self.unpatchify(self.final_layer(x, t))

    def unpatchify(self, x: Tensor) -> Tensor:
        c = self.config
        (frames, height, width), (pt, ph, pw) = c.grid, c.patch_size
        x = x.view(x.shape[0], frames, height, width, pt, ph, pw, c.out_channels)
        return x.permute(0, 7, 1, 4, 2, 5, 3, 6).reshape(x.shape[0], c.out_channels, *c.input_size)


def key_mask(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.bool()[:, None, None, :]


def forward_flops(c: Config, caption_tokens: int) -> float:
    """FLOPs (2 per multiply-add) of one clip's forward pass: every matrix product and both attention products."""
    frames, height, width = c.grid
    space, hidden, ffn = height * width, c.hidden_size, int(c.hidden_size * c.mlp_ratio)
    tokens = frames * space
    patch = math.prod(c.patch_size)
    per_token = 8 * hidden**2 + 2 * hidden * ffn + 2 * hidden * (space + frames)
    cross = 2 * hidden**2 + 2 * hidden * caption_tokens
    per_caption_token = 2 * hidden**2
    crosses = 2 if c.caption_channels_2 else 1
    if c.conv_temp_kernel:
        per_token += c.conv_temp_kernel * hidden * (1 if c.conv_temp_depthwise else hidden)
    per_block = tokens * (per_token + crosses * cross) + crosses * caption_tokens * per_caption_token
    ends = tokens * hidden * patch * (c.in_channels + c.out_channels)
    ends += caption_tokens * (c.caption_channels * hidden + hidden**2) + 256 * hidden + 7 * hidden**2
    return 2.0 * (c.depth * per_block + ends)
