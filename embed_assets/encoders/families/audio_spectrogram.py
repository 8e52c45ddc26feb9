"""Sounds as pictures: the Audio Spectrogram Transformer, and a CNN that looks at a mel spectrogram."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from embed_assets.encoders.base import Prepared
from embed_assets.encoders.families.media_encoder import (
    PATCH,
    MediaEncoder,
    check_rate,
    load_processor,
    processing_hash,
    refuse_truncation,
    samples_of,
)
from embed_assets.encoders.families.mel_spectrogram import FLOOR, HOP, RATE, log_mel, mel_hash
from embed_assets.encoders.families.torchvision_cnn import CnnEncoder
from embed_assets.encoders.loading.checkpoint import load_model
from embed_assets.encoders.loading.device import torch_dtype
from embed_assets.encoders.loading.identity import canonical_hash, hash_config, hash_tensors
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError
from embed_assets.media.media_types import Modality

BANDS = 128  # of the picture
SECONDS = 10.0  # of the picture, where `options["seconds"]` says nothing


class SpectrogramEncoder(MediaEncoder):
    """AST: the mean of its class and distillation tokens after the last norm (`pooler_output`).

    Gong et al. 2021, arXiv:2104.01778; card MIT/ast-finetuned-audioset-10-10-0.4593. Hears 10.24 s at
    most; a shorter sound is padded with silence, as in training, and the padding is seen.
    """

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        from transformers import ASTModel, AutoFeatureExtractor

        super().__init__(spec, device=device, dtype=dtype)
        refuse_truncation(spec)
        self._model = load_model(ASTModel, folder, dtype=dtype).to(device)
        self._extractor = load_processor(AutoFeatureExtractor, folder)
        check_rate(spec, self._extractor.sampling_rate)
        config = self._model.config
        self._tokens = self._model.embeddings.position_embeddings.shape[1]
        self.dim = int(config.hidden_size)

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Log-mel picture, float32 (1024, 128): one cost for every sound."""
        extractor = self._extractor
        most = extractor.max_length * extractor.sampling_rate // 100  # a row each 10 ms
        samples = samples_of(self.spec, modality, payload, rate=extractor.sampling_rate, most=most)
        found = extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        return Prepared(modality="audio", cost=self._tokens * PATCH, data=found["input_values"][0])

    def identity(self) -> Mapping[str, str]:
        """Hashes of what was loaded and the short values that shape a vector."""
        return {
            "weights": hash_tensors(self._model.state_dict().items()),
            "config": hash_config(self._model.config.to_dict()),
            "preprocessing": processing_hash(self._extractor),
            **self._shape_of_vector(tap="pooler_output", pooling="mean of class and distillation tokens"),
        }

    def _vectors(self, modality: Modality, items: list[Any]) -> Any:
        import torch

        return self._model(torch.stack(items).to(self.device, torch_dtype(self.dtype))).pooler_output


class MelCnnEncoder(CnnEncoder):
    """A network of pictures (torchvision's, as `CnnEncoder`) on the log-mel spectrogram, three times the same channel.

    Transfer from ImageNet to sound: Palanisamy et al. 2020, arXiv:2007.11154. -100 dB is black, 0 dB is
    white, the low bands are at the bottom. The picture is 10 s wide (`options["seconds"]`), whatever the
    sound's length: a shorter sound is followed by silence, and a second keeps its width.
    """

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        check_rate(spec, RATE)
        super().__init__(spec, folder=folder, device=device, dtype=dtype)
        seconds = spec.options.get("seconds", SECONDS)
        if not isinstance(seconds, (int, float)) or not 0 < seconds <= 600:
            raise SettingsError(f"Encoder {spec.name!r}: options.seconds={seconds!r}; give a number up to 600.")
        self._most = round(seconds * RATE)

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """float32 (3, size, size), normalised as pictures are; cost in pixels."""
        import torch

        samples = samples_of(self.spec, modality, payload, rate=RATE, most=self._most)
        crop: Any = self._transform
        size = int(crop.crop_size[0])
        whole = np.zeros(self._most, dtype=np.float32)
        whole[: len(samples)] = samples
        shades = spectrogram_picture(whole).resize((size, size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(shades, dtype=np.float32)).expand(3, size, size)
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (crop.mean, crop.std))
        return Prepared(modality="audio", cost=size * size, data=(pixels - mean) / deviation)

    def identity(self) -> Mapping[str, str]:
        """The network's parts and the picture's."""
        parts = dict(super().identity())
        picture = canonical_hash([mel_hash(BANDS), HOP, self._most, "bilinear, no crop"])
        return {**parts, "picture": picture}


def spectrogram_picture(samples: np.ndarray) -> Image.Image:
    """Mode F, 0 to 1, (frames, 128) wide and high: -100 dB to 0 dB of full scale, low bands at the bottom."""
    depth = -10 * np.log10(FLOOR)
    shades = np.clip(log_mel(samples, BANDS) / depth + 1, 0, 1)
    return Image.fromarray(shades[::-1].astype(np.float32))
