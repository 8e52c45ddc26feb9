"""VideoEncoder: what transformers that see space and time share; clips by their frames."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embed_assets.encoders.base import Prepared
from embed_assets.encoders.loading.device import torch_dtype
from embed_assets.encoders.loading.identity import hash_config, hash_tensors
from embed_assets.encoders.parts.media_encoder import (
    MediaEncoder,
    frames_of,
    load_processor,
    processing_hash,
    refuse_truncation,
)
from embed_assets.encoders.spec import EncoderSpec
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
