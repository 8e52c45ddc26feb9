"""VideoMAEEncoder and VJepa2Encoder: clips by their frames, by transformers that see space and time."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embed_assets.encoders.base import Prepared
from embed_assets.encoders.families.media_encoder import (
    MediaEncoder,
    frames_of,
    load_processor,
    processing_hash,
    refuse_truncation,
)
from embed_assets.encoders.loading.checkpoint import load_model
from embed_assets.encoders.loading.device import torch_dtype
from embed_assets.encoders.loading.identity import hash_config, hash_tensors
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError
from embed_assets.media.media_types import Modality


class VideoEncoder(MediaEncoder):
    """Mean over all tokens of the last hidden state; a clip's sound is not heard."""

    argument: str  # of the model's forward, that takes the pixels
    asked: Mapping[str, object] = {}  # what else the forward is told

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        from transformers import AutoVideoProcessor

        super().__init__(spec, device=device, dtype=dtype)
        refuse_truncation(spec)
        self._model = self._load(folder).to(device)
        self._processor = load_processor(AutoVideoProcessor, folder)
        self._frames = self._frame_count()
        self.dim = int(self._model.config.hidden_size)

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """float32 (frames, 3, height, width), resized and normalised; cost in pixels of all frames."""
        frames = frames_of(self.spec, modality, payload, count=self._frames)
        found = self._processor([frames], return_tensors="pt", do_sample_frames=False)
        pixels = next(iter(found.values()))[0]
        return Prepared(modality="video", cost=len(pixels) * pixels.shape[-2] * pixels.shape[-1], data=pixels)

    def identity(self) -> Mapping[str, str]:
        """Hashes of what was loaded and the short values that shape a vector."""
        return {
            "weights": hash_tensors(self._model.state_dict().items()),
            "config": hash_config(self._model.config.to_dict()),
            "preprocessing": processing_hash(self._processor),
            **self._shape_of_vector(tap="last_hidden_state", pooling="mean over tokens"),
        }

    @abstractmethod
    def _load(self, folder: Path) -> Any:
        """The model, in the spec's dtype, ready to be asked."""

    @abstractmethod
    def _frame_count(self) -> int:
        """How many frames of a clip the model sees."""

    def _vectors(self, modality: Modality, items: list[Any]) -> Any:
        import torch

        pixels = torch.stack(items).to(self.device, torch_dtype(self.dtype))
        return self._model(**{self.argument: pixels}, **self.asked).last_hidden_state.float().mean(dim=1)


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


class VJepa2Encoder(VideoEncoder):
    """V-JEPA 2: Assran et al. 2025, arXiv:2506.09985; card facebook/vjepa2-vitl-fpc64-256.

    The encoder's tokens; the predictor is dropped. Its rotary positions take any even number of
    frames: `frames` of the spec, else as many as in training.
    """

    argument = "pixel_values_videos"
    asked: Mapping[str, object] = {"skip_predictor": True}

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
