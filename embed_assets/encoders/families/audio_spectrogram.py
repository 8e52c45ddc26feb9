"""SpectrogramEncoder: sounds, by the Audio Spectrogram Transformer (AST)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embed_assets.encoders.base import Prepared
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.checkpoint import load_model
from embed_assets.encoders.loading.device import torch_dtype
from embed_assets.encoders.loading.identity import hash_config, hash_tensors
from embed_assets.encoders.parts.media_encoder import (
    PATCH,
    MediaEncoder,
    check_rate,
    load_processor,
    processing_hash,
    refuse_truncation,
    samples_of,
)
from embed_assets.encoders.runtimes.networks import Networks
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.media.media_types import Modality


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
        self.networks = Networks(self._model, audio=lambda features: self._model(features).pooler_output)

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Make a log-mel picture, float32 (1024, 128): one cost for every sound."""
        extractor = self._extractor
        most = extractor.max_length * extractor.sampling_rate // 100  # a row each 10 ms
        samples = samples_of(self.spec, modality, payload, rate=extractor.sampling_rate, most=most)
        features = extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        return Prepared(modality="audio", cost=self._tokens * PATCH, data=features["input_values"][0])

    def identity(self) -> Mapping[str, str]:
        """Return hashes of everything loaded and the short values that shape a vector."""
        return {
            "weights": hash_tensors(self._model.state_dict().items()),
            "config": hash_config(self._model.config.to_dict()),
            "preprocessing": processing_hash(self._extractor),
            **self._shape_of_vector(tap="pooler_output", pooling="mean of class and distillation tokens"),
        }

    def _vectors(self, modality: Modality, items: list[Any]) -> Any:
        import torch

        return self.networks.run("audio", torch.stack(items).to(self.device, torch_dtype(self.dtype)))


FAMILY = Family(
    name="audio_spectrogram",
    encoder=SpectrogramEncoder,
    defaults={
        "modalities": ("audio",),
        "media": ("audio",),
        "space": "audio",
        "sample_rate": 16_000,
        "window_seconds": 10.24,
    },
    recognises=lambda model: model.model_type == "audio-spectrogram-transformer",
    models="AST",
)
ENCODERS = (
    FAMILY.spec(
        "ast",
        "MIT/ast-finetuned-audioset-10-10-0.4593",
        dim=768,
        tap="pooler_output",
        pooling="mean of class and distillation tokens",
        license="BSD-3-Clause",
        download_mb=346,
        source="AST, Gong et al. 2021, arXiv:2104.01778; card MIT/ast-finetuned-audioset-10-10-0.4593",
    ),
)
