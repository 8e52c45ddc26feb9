"""VideoMAEEncoder: clips, by VideoMAE."""

from pathlib import Path
from typing import Any

from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.checkpoint import load_model
from embed_assets.encoders.parts.media_encoder import CLIP_SECONDS
from embed_assets.encoders.parts.video_encoder import VideoEncoder


class VideoMAEEncoder(VideoEncoder):
    """VideoMAE: Tong et al. 2022, arXiv:2203.12602; card MCG-NJU/videomae-base.

    The encoder only: a checkpoint's decoder or classification head is left out.
    """

    argument = "pixel_values"

    def _load(self, folder: Path) -> Any:
        from transformers import VideoMAEModel

        return load_model(VideoMAEModel, folder, dtype=self.dtype)

    def _frame_count(self) -> int:
        return int(self._model.config.num_frames)


FAMILY = Family(
    name="videomae",
    encoder=VideoMAEEncoder,
    defaults={
        "modalities": ("video",),
        "media": ("video",),
        "space": "video",
        "window_seconds": CLIP_SECONDS,
        "frames": 16,
    },
    recognises=lambda model: model.model_type == "videomae",
    models="VideoMAE",
)
ENCODERS = (
    FAMILY.spec(
        "videomae",
        "MCG-NJU/videomae-base",
        dim=768,
        tap="last_hidden_state",
        pooling="mean over tokens",
        license="CC-BY-NC-4.0",
        download_mb=377,
        source="VideoMAE, Tong et al. 2022, arXiv:2203.12602; card MCG-NJU/videomae-base",
    ),
)
