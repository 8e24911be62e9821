# SPDX-License-Identifier: MIT
"""The diffusers classes that modelgrow can grow: one function a family, configuration and example inputs.

Sizes that could be confused with each other differ, so that a rule which takes one for another is found out. Constants that
a class hard-codes stay as they are."""

import torch
from diffusers.models.embeddings import get_3d_rotary_pos_embed

from positions import Grid
from tiny import PRECISE, family, noise, steps

FREE = ("depth", "ffn", "hidden", "width", "width x3", "depth+width")  # the configuration can express every width by itself
TIED = ("depth", "width", "width x3", "depth+width")  # the class derives the width of its MLP from that of the model
IN, OUT, MAP = "in channels", "out channels", "text map"  # growths of growths.py that leave the function as it is
SOUND = (IN, OUT, "audio channels", "audio out channels")
POSITIONS = ("positions", "positions ends")  # what they make is known


def stacks(*names):
    return tuple(f"stack={stack},every=1" for stack in names)


REFINER = "context_embedder.token_refiner.refiner_blocks"
MASK = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]  # five tokens of text, two of them padding in the second sample
SAME = dict(out_channels=None)  # as many as in_channels, which is what classes take for null
SHORT_MASK = [[1, 1, 1, 0], [1, 0, 0, 0]]


@family("WanTransformer3DModel", FREE, more=(IN, OUT, MAP), unloadable=("head dim",))
def wan():
    config = dict(num_attention_heads=3, attention_head_dim=12, ffn_dim=50, text_dim=20, in_channels=4, out_channels=4, num_layers=3)
    return config, dict(hidden_states=noise(2, 4, 2, 4, 6), timestep=steps(), encoder_hidden_states=noise(2, 5, 20, seed=4))


@family("WanTransformer3DModel", FREE, more=(IN, OUT, MAP), unloadable=("head dim",))
def wan_i2v():
    config, inputs = wan()
    inputs = {
        **inputs, "hidden_states": noise(2, 9, 2, 4, 6), "encoder_hidden_states_image": noise(2, 6, 14, seed=5),
        "encoder_hidden_states": noise(2, 512, 20, seed=4),  # the class takes the last 512 tokens for text
    }
    return {**config, "in_channels": 9, "image_dim": 14, "added_kv_proj_dim": 36}, inputs


@family("WanTransformer3DModel", FREE, more=(IN, OUT, MAP), unloadable=("head dim",))
def wan_flf2v():
    config, inputs = wan_i2v()
    # first and last picture of a sample lie one after another in the batch
    return {**config, **SAME, "pos_embed_seq_len": 6}, {**inputs, "encoder_hidden_states_image": noise(4, 3, 14, seed=5)}


@family(
    "WanVACETransformer3DModel", FREE, deepens=("stack=blocks,every=1", "stack=vace_blocks,at=1"), more=(IN, "control channels", OUT, MAP)
)
def wan_vace():
    config, inputs = wan()
    return (
        {**config, **SAME, "vace_in_channels": 10, "vace_layers": [0, 2]},
        {**inputs, "control_hidden_states": noise(2, 10, 2, 4, 6, seed=5)},
    )


@family(
    "LTX2VideoTransformer3DModel", ("depth",), widens=("hidden", "audio_hidden", "ffn", "audio_ffn"), more=SOUND, channels=-1,
    mixes=("", "space=audio_ffn"),
)
def ltx2():
    config = dict(
        num_attention_heads=2, attention_head_dim=10, cross_attention_dim=20, audio_num_attention_heads=2, audio_attention_head_dim=6,
        audio_cross_attention_dim=12, num_layers=3, in_channels=9, out_channels=9, audio_in_channels=7, audio_out_channels=7,
        caption_channels=26, rope_type="split",
    )
    inputs = dict(
        hidden_states=noise(2, 12, 9), audio_hidden_states=noise(2, 4, 7, seed=7), encoder_hidden_states=noise(2, 5, 26, seed=4),
        audio_encoder_hidden_states=noise(2, 5, 26, seed=5), timestep=steps(), sigma=steps(), encoder_attention_mask=torch.tensor(MASK),
        audio_encoder_attention_mask=torch.tensor(MASK), num_frames=2, height=2, width=3, fps=24.0, audio_num_frames=4,
    )
    return config, inputs


@family(
    "LTX2VideoTransformer3DModel", ("depth",), widens=("hidden", "audio_hidden", "ffn", "audio_ffn"), more=SOUND, channels=-1,
    mixes=("", "space=audio_ffn"),
)
def ltx2_3():
    config, inputs = ltx2()
    gates = dict(gated_attn=True, cross_attn_mod=True, audio_gated_attn=True, audio_cross_attn_mod=True, perturbed_attn=True)
    text = dict(encoder_hidden_states=noise(2, 5, 20, seed=4), audio_encoder_hidden_states=noise(2, 5, 12, seed=5))
    return {**config, **gates, **SAME, "audio_out_channels": None, "use_prompt_embeddings": False, "rope_type": "interleaved"}, {**inputs, **text}


@family("LTXVideoTransformer3DModel", ("depth",), more=(IN, OUT, MAP), channels=-1)
def ltx_video():
    config = dict(
        num_attention_heads=3, attention_head_dim=14, cross_attention_dim=42, caption_channels=20, in_channels=9, out_channels=9, num_layers=3
    )
    inputs = dict(
        hidden_states=noise(2, 24, 9), encoder_hidden_states=noise(2, 5, 20, seed=4), timestep=steps(),
        encoder_attention_mask=torch.tensor(MASK), num_frames=2, height=3, width=4, rope_interpolation_scale=(0.3, 32.0, 32.0),
    )
    return config, inputs


hunyuan_video15_family = family(
    "HunyuanVideo15Transformer3DModel",
    exact=("depth", "ffn", "width", "width x3", "depth+width"),
    deepens=stacks("transformer_blocks", REFINER),
    mixes=("", "space=refiner_ffn"),
    widens=("hidden", "ffn", "refiner_ffn"),
    precise=PRECISE[1:],  # its time embedding computes in the type of the time
    more=(IN, OUT, MAP),
)


@hunyuan_video15_family
def hunyuan_video15():
    config = dict(
        num_attention_heads=3, attention_head_dim=10, num_layers=2, num_refiner_layers=2, mlp_ratio=4.0, in_channels=9, out_channels=4,
        text_embed_dim=14, text_embed_2_dim=12, image_embed_dim=16, rope_axes_dim=[2, 4, 4], task_type="i2v",
    )
    inputs = dict(
        hidden_states=noise(2, 9, 2, 4, 3), timestep=steps(), encoder_hidden_states=noise(2, 5, 14, seed=4),
        encoder_attention_mask=torch.tensor(MASK), encoder_hidden_states_2=noise(2, 4, 12, seed=5),
        encoder_attention_mask_2=torch.tensor(SHORT_MASK), image_embeds=noise(2, 3, 16, seed=6),
    )
    return config, inputs


@family(
    "HunyuanVideoTransformer3DModel",
    exact=("depth", "ffn", "width", "width x3", "depth+width"),
    deepens=stacks("transformer_blocks", "single_transformer_blocks", REFINER),
    mixes=("stack=transformer_blocks", "space=refiner_ffn"),
    widens=("hidden", "ffn", "refiner_ffn"),
    more=(IN, OUT, MAP),
)
def hunyuan_video():
    config = dict(
        num_attention_heads=3, attention_head_dim=10, num_layers=2, num_single_layers=2, num_refiner_layers=2, text_embed_dim=14,
        pooled_projection_dim=18, in_channels=7, out_channels=5, rope_axes_dim=[2, 4, 4],
    )
    inputs = dict(
        hidden_states=noise(2, 7, 2, 4, 6), timestep=steps(), encoder_hidden_states=noise(2, 5, 14, seed=4),
        encoder_attention_mask=torch.tensor(MASK), pooled_projections=noise(2, 18, seed=5), guidance=torch.tensor([6000.0, 6000.0]),
    )
    return config, inputs


@hunyuan_video15_family
def hunyuan_video15_meanflow():
    config, inputs = hunyuan_video15()
    patches = dict(patch_size=2, use_meanflow=True)
    return {**config, **SAME, **patches}, {**inputs, "hidden_states": noise(2, 9, 2, 4, 6), "timestep_r": steps() / 2}


@family(
    "HunyuanVideoTransformer3DModel",
    exact=("depth", "ffn", "width", "width x3", "depth+width"),
    deepens=stacks("transformer_blocks", "single_transformer_blocks", REFINER),
    mixes=("stack=transformer_blocks", "space=refiner_ffn"),
    widens=("hidden", "ffn", "refiner_ffn"),
    more=(IN, OUT, MAP),
)
def hunyuan_video_i2v():
    config, inputs = hunyuan_video()
    return {**config, "image_condition_type": "token_replace", "guidance_embeds": True}, inputs


@family("CosmosTransformer3DModel", FREE, widens=("hidden", "ffn", "adaln_lora"), more=(IN, OUT), takes="condition_mask")
def cosmos():
    config = dict(
        num_attention_heads=3, attention_head_dim=14, num_layers=3, in_channels=5, out_channels=4, text_embed_dim=12, adaln_lora_dim=10,
        max_size=[8, 16, 16], rope_scale=[1.0, 3.0, 3.0], extra_pos_embed_type=None,
    )
    inputs = dict(
        hidden_states=noise(2, 4, 2, 4, 6), timestep=steps() / 1000, encoder_hidden_states=noise(2, 5, 12, seed=4), fps=16,
        condition_mask=torch.tensor([1.0, 0.0]).view(1, 1, 2, 1, 1).expand(2, 1, 2, 4, 6).contiguous(), padding_mask=torch.zeros(1, 1, 4, 6),
    )
    return config, inputs


def cosmos_clip(frames, height, width):
    return dict(hidden_states=noise(2, 5, frames, 2 * height, 2 * width), padding_mask=torch.zeros(1, 1, 2 * height, 2 * width))


@family(
    "CosmosTransformer3DModel", ("ffn", "hidden", "width", "width x3"), widens=("hidden", "ffn", "adaln_lora"), more=(IN, OUT, *POSITIONS),
    grid=Grid(
        sizes=dict(frames=3, height=4, width=6),
        tables={f"learnable_pos_embed.pos_emb_{space[0]}": (space,) for space in ("height", "width")}
        | {"learnable_pos_embed.pos_emb_t": ("frames",)},
        config=lambda frames, height, width: dict(max_size=[frames, 2 * height, 2 * width]),
        inputs=cosmos_clip,
    ),
)
def cosmos_learnable():
    config, inputs = cosmos()
    inputs.pop("condition_mask")  # Cosmos 1 has none
    return {**config, "extra_pos_embed_type": "learnable", "max_size": [3, 8, 12]}, {**inputs, **cosmos_clip(2, 2, 3)}


@family("CosmosTransformer3DModel", FREE, widens=("hidden", "ffn", "adaln_lora"), more=(IN, OUT), takes="condition_mask")
def cosmos_2_5():
    config, inputs = cosmos()
    text = dict(use_crossattn_projection=True, crossattn_proj_in_channels=22, encoder_hidden_states_channels=12)
    return {**config, **text}, {**inputs, "encoder_hidden_states": noise(2, 5, 22, seed=4)}


def cogvideox(**more):
    config = dict(
        num_attention_heads=2, attention_head_dim=16, in_channels=5, out_channels=5, text_embed_dim=20, time_embed_dim=24, num_layers=3,
        sample_width=8, sample_height=6, sample_frames=13, max_text_seq_length=5,
    )
    inputs = dict(hidden_states=noise(2, 4, 5, 6, 8), encoder_hidden_states=noise(2, 5, 20, seed=4), timestep=steps())
    return {**config, **more}, inputs


@family("CogVideoXTransformer3DModel", ("depth",), more=(IN, OUT, MAP), channels=2)
def cogvideox_2b():
    return cogvideox(use_rotary_positional_embeddings=False)


@family("CogVideoXTransformer3DModel", TIED, widens=("hidden", "ffn", "time_embed"), more=(IN, OUT, MAP), channels=2)
def cogvideox_5b():
    config, inputs = cogvideox(use_rotary_positional_embeddings=True)
    inputs["image_rotary_emb"] = get_3d_rotary_pos_embed(config["attention_head_dim"], ((0, 0), (3, 4)), (3, 4), 4)
    return config, inputs


def cogvideox_clip(frames, height, width):
    turns = get_3d_rotary_pos_embed(16, ((0, 0), (height, width)), (height, width), frames)
    return dict(hidden_states=noise(2, frames, 5, 2 * height, 2 * width), image_rotary_emb=turns)


@family(
    "CogVideoXTransformer3DModel", ("depth",), more=(IN, OUT, MAP, *POSITIONS), channels=2,
    grid=Grid(
        sizes=dict(frames=4, height=3, width=4),
        tables={"patch_embed.pos_embedding": ("frames", "height", "width")},
        # the class takes a table of its own for every other number of frames
        config=lambda frames, height, width: dict(sample_frames=4 * frames - 3, sample_height=2 * height, sample_width=2 * width),
        inputs=cogvideox_clip,
    ),
)
def cogvideox_5b_i2v():
    config, inputs = cogvideox_5b()
    return {**config, "use_learned_positional_embeddings": True}, inputs


@family("CogVideoXTransformer3DModel", TIED, widens=("hidden", "ffn", "time_embed"), more=(IN, OUT, MAP), channels=2)
def cogvideox_1_5_i2v():
    config, inputs = cogvideox(use_rotary_positional_embeddings=True, patch_size_t=2, patch_bias=False, ofs_embed_dim=24)
    inputs["image_rotary_emb"] = get_3d_rotary_pos_embed(config["attention_head_dim"], None, (3, 4), 2, grid_type="slice", max_size=(3, 4))
    return config, {**inputs, "ofs": torch.tensor([2.0])}


@family("QwenImageTransformer2DModel", TIED, more=(IN, OUT), channels=-1)
def qwen_image():
    config = dict(
        num_attention_heads=3, attention_head_dim=10, num_layers=3, joint_attention_dim=14, in_channels=12, out_channels=3, axes_dims_rope=[2, 4, 4]
    )
    inputs = dict(
        hidden_states=noise(2, 12, 12), encoder_hidden_states=noise(2, 5, 14, seed=4), encoder_hidden_states_mask=torch.tensor(MASK),
        timestep=steps() / 1000, img_shapes=[[(1, 3, 4)], [(1, 3, 4)]],
    )
    return config, inputs


@family("QwenImageTransformer2DModel", TIED, more=(IN, OUT), channels=-1)
def qwen_image_edit():
    config, inputs = qwen_image()
    return {**config, **SAME, "zero_cond_t": True}, {**inputs, "img_shapes": [[(1, 3, 2), (1, 3, 2)]] * 2}


@family("QwenImageTransformer2DModel", TIED, more=(IN, OUT), channels=-1)
def qwen_image_layered():
    config, inputs = qwen_image()
    shapes = [[(1, 2, 2), (1, 2, 2), (1, 2, 2)]] * 2
    return {**config, "use_additional_t_cond": True, "use_layer3d_rope": True}, {**inputs, "img_shapes": shapes, "additional_t_cond": torch.tensor([0, 1])}


@family(
    "Flux2Transformer2DModel", FREE, deepens=stacks("transformer_blocks", "single_transformer_blocks"), more=(IN, OUT, MAP), channels=-1,
    constant=False, mixes=("stack=transformer_blocks",),
)
def flux2():
    config = dict(
        num_attention_heads=3, attention_head_dim=12, num_layers=2, num_single_layers=2, in_channels=9, joint_attention_dim=14,
        axes_dims_rope=[2, 4, 4, 2],
    )
    inputs = dict(
        hidden_states=noise(2, 12, 9), encoder_hidden_states=noise(2, 5, 14, seed=4), timestep=steps() / 1000,
        img_ids=torch.tensor([[0.0, i, j, 0] for i in range(3) for j in range(4)]), txt_ids=torch.tensor([[0.0, 0, 0, i] for i in range(5)]),
        guidance=torch.tensor([4.0, 4.0]),
    )
    return config, inputs


@family(
    "Flux2Transformer2DModel", FREE, deepens=stacks("transformer_blocks", "single_transformer_blocks"), more=(IN, OUT, MAP), channels=-1,
    constant=False, mixes=("stack=transformer_blocks",),
)
def flux2_klein():
    config, inputs = flux2()
    return {**config, "guidance_embeds": False}, {**inputs, "guidance": None}


@family(
    "FluxTransformer2DModel", TIED, deepens=stacks("transformer_blocks", "single_transformer_blocks"), more=(IN, OUT, MAP), channels=-1,
    mixes=("stack=transformer_blocks",),
)
def flux():
    config = dict(
        num_attention_heads=3, attention_head_dim=10, num_layers=2, num_single_layers=2, in_channels=9, joint_attention_dim=14,
        pooled_projection_dim=18, guidance_embeds=True, axes_dims_rope=[2, 4, 4],
    )
    inputs = dict(
        hidden_states=noise(2, 12, 9), encoder_hidden_states=noise(2, 5, 14, seed=4), pooled_projections=noise(2, 18, seed=5),
        timestep=steps() / 1000, img_ids=torch.tensor([[0.0, i, j] for i in range(3) for j in range(4)]), txt_ids=torch.zeros(5, 3),
        guidance=torch.tensor([4.0, 4.0]),
    )
    return config, inputs


@family(
    "FluxTransformer2DModel", TIED, deepens=stacks("transformer_blocks", "single_transformer_blocks"), more=(IN, OUT, MAP), channels=-1,
    mixes=("stack=transformer_blocks",),
)
def flux_schnell():
    config, inputs = flux()
    return {**config, "guidance_embeds": False}, {**inputs, "guidance": None}


SQUARE = Grid(
    sizes=dict(side=6),
    tables={"pos_embed.pos_embed": ("side", "side")},
    config=lambda side: dict(pos_embed_max_size=side),
    inputs=lambda side: dict(hidden_states=noise(2, 5, 2 * side, 2 * side)),
)


@family("SD3Transformer2DModel", TIED, more=(IN, OUT, *POSITIONS), grid=SQUARE)
def sd3():
    config = dict(
        num_attention_heads=3, attention_head_dim=8, num_layers=3, joint_attention_dim=14, caption_projection_dim=24, pooled_projection_dim=18,
        in_channels=5, out_channels=5, pos_embed_max_size=6, sample_size=8, dual_attention_layers=[0], qk_norm="rms_norm",
    )
    inputs = dict(
        hidden_states=noise(2, 5, 8, 8), encoder_hidden_states=noise(2, 5, 14, seed=4), pooled_projections=noise(2, 18, seed=5), timestep=steps()
    )
    return config, inputs


@family("SD3Transformer2DModel", TIED, more=(IN, OUT, *POSITIONS), grid=SQUARE)
def sd3_medium():
    config, inputs = sd3()
    return {**config, "dual_attention_layers": [], "qk_norm": None}, inputs


@family(
    "MiniMaxH3Transformer3DModel",
    FREE,
    deepens=stacks("transformer_blocks", "token_refiner.refiner_blocks"),
    widens=("hidden", "ffn", "time_hidden", "time_dim"),
    more=(IN, "audio channels", "head dim", "head dim x1.5", "zero channels", MAP), channels=-1, both=True,
)
def minimax_h3():
    config = dict(
        num_attention_heads=3, attention_head_dim=14, hidden_size=30, num_layers=2, num_refiner_layers=2, ffn_dim=22, in_channels=3,
        audio_in_channels=5, text_dim=18, freq_dim=32, time_embed_hidden_dim=26, time_embed_dim=16, rope_freq_dim=2,
    )
    text, audio, video = 5, 3, 6  # one packed sequence in this order; the first video token is a reference at time 0
    places = [[i, 0, 0] for i in range(text)] + [[text + i / 2, 0, 0] for i in range(audio)]
    places += [[text + i // 3, i % 3 // 2, i % 2] for i in range(video)]
    inputs = dict(
        hidden_states=noise(2, video, 12), audio_hidden_states=noise(2, audio, 5, seed=7), encoder_hidden_states=noise(2, text, 18, seed=4),
        timestep=torch.tensor([0.5, 0.03125, 0.0]), timestep_indices=torch.tensor([0] * text + [1] * audio + [2] + [0] * (video - 1)),
        token_tags=torch.tensor([1] * text + [2] * audio + [0] * video), position_ids=torch.tensor(places, dtype=torch.float32),
        text_indices=torch.arange(0, text), audio_indices=torch.arange(text, text + audio),
        video_indices=torch.arange(text + audio, text + audio + video),
    )
    return config, inputs


@family("MochiTransformer3DModel", TIED, widens=("hidden", "text_hidden", "ffn", "text_ffn"), mixes=("", "space=text_ffn"), more=(IN, OUT))
def mochi():
    config = dict(
        num_attention_heads=3, attention_head_dim=10, num_layers=3, pooled_projection_dim=21, in_channels=5, text_embed_dim=16, time_embed_dim=32
    )
    inputs = dict(
        hidden_states=noise(2, 5, 2, 4, 6), encoder_hidden_states=noise(2, 5, 16, seed=4), timestep=steps(),
        encoder_attention_mask=torch.tensor(MASK).bool(),
    )
    return config, inputs


@family(
    "ZImageTransformer2DModel", TIED, deepens=stacks("layers", "noise_refiner+context_refiner"), more=(IN,), channels=0, takes="x", both=True
)
def z_image():
    # The class takes the smaller of dim and 256 for its modulation: wider than that, as the released one.
    config = dict(
        dim=264, n_heads=3, n_kv_heads=3, n_layers=2, n_refiner_layers=1, in_channels=4, cap_feat_dim=14, axes_dims=[24, 32, 32],
        axes_lens=[128, 16, 16],
    )
    inputs = dict(
        x=[noise(4, 1, 6, 8), noise(4, 1, 4, 6, seed=7)], t=steps() / 1000, cap_feats=[noise(7, 14, seed=4), noise(5, 14, seed=5)]
    )
    return config, inputs


def ada_norm_single(**more):
    return dict(
        num_attention_heads=6, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=3, cross_attention_dim=48, attention_bias=True,
        sample_size=8, patch_size=2, activation_fn="gelu-approximate", num_embeds_ada_norm=1000, norm_type="ada_norm_single",
        norm_elementwise_affine=False, norm_eps=1e-6, caption_channels=20, **more,
    )


@family(
    "LatteTransformer3DModel", ("depth",), deepens=stacks("transformer_blocks+temporal_transformer_blocks"), more=(IN, MAP)
)
def latte():
    inputs = dict(hidden_states=noise(2, 4, 3, 8, 8), timestep=steps(), encoder_hidden_states=noise(2, 5, 20, seed=4))
    return ada_norm_single(video_length=3), inputs


@family("PixArtTransformer2DModel", ("depth",), more=(IN, MAP), unloadable=("head dim", "head dim x1.5"))
def pixart():
    sizes = dict(resolution=torch.tensor([[512.0, 512.0], [256.0, 300.0]]), aspect_ratio=torch.tensor([[1.0], [0.7]]))
    inputs = dict(
        hidden_states=noise(2, 4, 8, 8), timestep=steps(), encoder_hidden_states=noise(2, 5, 20, seed=4), added_cond_kwargs=sizes
    )
    return ada_norm_single(use_additional_conditions=True), inputs


@family("PixArtTransformer2DModel", ("depth",), more=(IN, MAP), unloadable=("head dim", "head dim x1.5"))
def pixart_sigma():
    config, inputs = pixart()
    return {**config, "use_additional_conditions": False}, {**inputs, "added_cond_kwargs": dict(resolution=None, aspect_ratio=None)}
