"""The encoders of sound and video that come with the package: one declaration each, no imports of models."""

from typing import Any

from embed_assets.encoders.family_names import (
    AST,
    CLAP,
    FRAMES,
    MEL,
    MEL_CNN,
    PERCEIVER,
    VIDEOMAE,
    VJEPA2,
    WHISPER,
)
from embed_assets.encoders.spec import EncoderSpec

SOUND: dict[str, Any] = {"modalities": ("audio",), "media": ("audio",), "space": "audio"}
VIDEO: dict[str, Any] = {"modalities": ("video",), "media": ("video",), "space": "video"}
CLIP_SECONDS = 10.0  # of a video segment, where the model doesn't say

# What a recognised model is declared as, before the name and the model itself. A model's window is the
# longest that it hears or sees; what is longer is cut into segments.
SOUND_VIDEO_DEFAULTS: dict[str, dict[str, Any]] = {
    WHISPER: {**SOUND, "sample_rate": 16_000, "window_seconds": 30.0},
    AST: {**SOUND, "sample_rate": 16_000, "window_seconds": 10.24},
    MEL_CNN: {**SOUND, "sample_rate": 16_000, "window_seconds": 10.0},
    MEL: {**SOUND, "sample_rate": 16_000, "window_seconds": 10.0},
    CLAP: {**SOUND, "modalities": ("audio", "text"), "space": "audio_text", "sample_rate": 48_000}
    | {"window_seconds": 10.0},
    PERCEIVER: {**VIDEO, "sample_rate": 48_000, "window_seconds": 0.64, "frames": 16},
    VIDEOMAE: {**VIDEO, "window_seconds": CLIP_SECONDS, "frames": 16},
    VJEPA2: {**VIDEO, "window_seconds": CLIP_SECONDS, "frames": 64},
    FRAMES: {**VIDEO, "modalities": ("video", "image"), "window_seconds": CLIP_SECONDS, "frames": 8},
}

# model_type of a config.json → family. Of the Perceivers only the multimodal one is an encoder of clips.
SOUND_VIDEO_TYPES = {
    "whisper": WHISPER,
    "audio-spectrogram-transformer": AST,
    "clap": CLAP,
    "videomae": VIDEOMAE,
    "vjepa2": VJEPA2,
}
PERCEIVER_CLASS = "PerceiverForMultimodalAutoencoding"


def _declared(name: str, family: str, model: str, **facts: Any) -> EncoderSpec:
    return EncoderSpec(name=name, family=family, model=model, **{**SOUND_VIDEO_DEFAULTS[family], **facts})


def _whisper(size: str, *, dim: int, download_mb: float) -> EncoderSpec:
    return _declared(
        f"whisper-{size}",
        WHISPER,
        f"openai/whisper-{size}",
        dim=dim,
        tap="encoder last_hidden_state",
        pooling="mean over frames with sound",
        license="Apache-2.0",
        download_mb=download_mb,
        source=f"Whisper, Radford et al. 2022, arXiv:2212.04356; card openai/whisper-{size}",
    )


SOUND_VIDEO = (
    _whisper("tiny", dim=384, download_mb=151),
    _whisper("base", dim=512, download_mb=290),
    _whisper("small", dim=768, download_mb=967),
    _whisper("medium", dim=1024, download_mb=3056),
    _whisper("large-v3", dim=1280, download_mb=3087),
    _declared(
        "ast",
        AST,
        "MIT/ast-finetuned-audioset-10-10-0.4593",
        dim=768,
        tap="pooler_output",
        pooling="mean of class and distillation tokens",
        license="BSD-3-Clause",
        download_mb=346,
        source="AST, Gong et al. 2021, arXiv:2104.01778; card MIT/ast-finetuned-audioset-10-10-0.4593",
    ),
    _declared(
        "mel-resnet50",
        MEL_CNN,
        "torchvision/resnet50",
        dim=2048,
        tap="avgpool",
        pooling="mean",
        license="BSD-3-Clause",
        download_mb=98,
        source="ResNet, He et al. 2015, arXiv:1512.03385, on spectrograms: Palanisamy et al. 2020, "
        "arXiv:2007.11154; torchvision ResNet50_Weights",
        options={"weights": "IMAGENET1K_V2"},
    ),
    _declared(
        "mel",
        MEL,
        "builtin/mel",
        dim=192,
        tap="log-mel spectrogram",
        pooling="mean, deviation and step of each band",
        license="Apache-2.0",
        download_mb=0,
        source="this package; mel scale of HTK",
    ),
    _declared(
        "clap",
        CLAP,
        "laion/clap-htsat-unfused",
        dim=512,
        tap="audio_embeds, text_embeds",
        license="Apache-2.0",
        download_mb=615,
        source="CLAP, Wu et al. 2022, arXiv:2211.06687; card laion/clap-htsat-unfused",
    ),
    _declared(
        "perceiver",
        PERCEIVER,
        "deepmind/multimodal-perceiver",
        dim=512,
        tap="outputs[1][-1]",
        pooling="mean over latents",
        license="Apache-2.0",
        download_mb=79,
        source="Perceiver IO, Jaegle et al. 2021, arXiv:2107.14795; card deepmind/multimodal-perceiver",
    ),
    _declared(
        "videomae",
        VIDEOMAE,
        "MCG-NJU/videomae-base",
        dim=768,
        tap="last_hidden_state",
        pooling="mean over tokens",
        license="CC-BY-NC-4.0",
        download_mb=377,
        source="VideoMAE, Tong et al. 2022, arXiv:2203.12602; card MCG-NJU/videomae-base",
    ),
    _declared(
        "vjepa2",
        VJEPA2,
        "facebook/vjepa2-vitl-fpc64-256",
        dim=1024,
        tap="last_hidden_state",
        pooling="mean over tokens",
        license="MIT",
        download_mb=1304,
        source="V-JEPA 2, Assran et al. 2025, arXiv:2506.09985; card facebook/vjepa2-vitl-fpc64-256",
    ),
    _declared(
        "clip-frames",
        FRAMES,
        "openai/clip-vit-base-patch32",
        modalities=("video", "image", "text"),
        space="video_text",
        dim=512,
        tap="image_embeds, text_embeds",
        pooling="mean over frames",
        license="MIT",
        download_mb=605,
        source="CLIP4Clip, Luo et al. 2021, arXiv:2104.08860; card openai/clip-vit-base-patch32",
        options={"image": "clip-vit-b32"},
    ),
)
