"""VJepa2Encoder: clips, by V-JEPA 2."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.checkpoint import load_model
from embed_assets.encoders.parts.media_encoder import CLIP_SECONDS
from embed_assets.encoders.parts.video_encoder import VideoEncoder
from embed_assets.errors import SettingsError


class VJepa2Encoder(VideoEncoder):
    """V-JEPA 2: Assran et al. 2025, arXiv:2506.09985; card facebook/vjepa2-vitl-fpc64-256.

    The encoder's tokens; the predictor is dropped. Its rotary positions take any even number of
    frames: `frames` of the spec, else as many as in training.
    """

    argument = "pixel_values_videos"
    options: Mapping[str, object] = {"skip_predictor": True}

    def _load(self, folder: Path) -> Any:
        from transformers import VJEPA2Model

        model = load_model(VJEPA2Model, folder, dtype=self.dtype, unused=("predictor.",))
        model.predictor = None
        return model

    def _frame_count(self) -> int:
        config = self._model.config
        frames = int(self.spec.frames or config.frames_per_clip)
        if frames % config.tubelet_size:
            raise SettingsError(
                f"Encoder {self.spec.name!r}: frames={frames}; its tokens span {config.tubelet_size} frames each. "
                f"Set frames to a multiple of {config.tubelet_size}."
            )
        return frames


FAMILY = Family(
    name="vjepa2",
    encoder=VJepa2Encoder,
    defaults={
        "modalities": ("video",),
        "media": ("video",),
        "space": "video",
        "window_seconds": CLIP_SECONDS,
        "frames": 64,
    },
    recognises=lambda model: model.model_type == "vjepa2",
    models="V-JEPA 2",
)
ENCODERS = (
    FAMILY.spec(
        "vjepa2",
        "facebook/vjepa2-vitl-fpc64-256",
        dim=1024,
        tap="last_hidden_state",
        pooling="mean over tokens",
        license="MIT",
        download_mb=1304,
        source="V-JEPA 2, Assran et al. 2025, arXiv:2506.09985; card facebook/vjepa2-vitl-fpc64-256",
    ),
)
