"""WhisperEncoder: speech and other sound, by the encoder of any Whisper checkpoint of transformers."""

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
from embed_assets.encoders.parts.pooling import pool
from embed_assets.encoders.runtimes.networks import Networks
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.media.media_types import Modality


class WhisperEncoder(MediaEncoder):
    """Mean of the encoder's last hidden state over the frames (20 ms) that hold sound.

    Radford et al. 2022, arXiv:2212.04356; cards openai/whisper-*. A sound is padded to 30 s, as in
    training: every vector costs the same. The mean over all 1,500 frames would be mostly that of the
    padding (cosine 0.63 for 5 s); running only the frames with sound would be another encoder (0.93).

    Loaded through WhisperModel: the encoder's own class finds none of a checkpoint's tensors.
    """

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        from transformers import AutoFeatureExtractor, WhisperModel

        super().__init__(spec, device=device, dtype=dtype)
        refuse_truncation(spec)
        model = load_model(WhisperModel, folder, dtype=dtype, unused=("decoder.",))
        self._encoder = model.get_encoder().to(device)  # the decoder goes with `model`
        self._extractor = load_processor(AutoFeatureExtractor, folder)
        check_rate(spec, self._extractor.sampling_rate)
        self.dim = int(model.config.d_model)
        self.networks = Networks(self._encoder, audio=lambda features: self._encoder(features).last_hidden_state)

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Return log-mel features of 30 s and the frames that hold sound; the cost is that of 30 s."""
        extractor = self._extractor
        samples = samples_of(self.spec, modality, payload, rate=extractor.sampling_rate, most=extractor.n_samples)
        features = extractor(
            samples, sampling_rate=extractor.sampling_rate, return_tensors="pt", return_attention_mask=True
        )
        mask = features["attention_mask"][0, ::2]  # the second convolution halves the 10 ms frames
        return Prepared(modality="audio", cost=len(mask) * PATCH, data=(features["input_features"][0], mask))

    def identity(self) -> Mapping[str, str]:
        """Return hashes of everything loaded; the decoder does not enter."""
        return {
            "weights": hash_tensors(self._encoder.state_dict().items()),
            "config": hash_config(_of_encoder(self._encoder.config.to_dict())),
            "preprocessing": processing_hash(self._extractor),
            **self._shape_of_vector(tap="encoder last_hidden_state", pooling="mean over frames with sound"),
        }

    def _vectors(self, modality: Modality, items: list[Any]) -> Any:
        import torch

        features = torch.stack([features for features, _ in items]).to(self.device, torch_dtype(self.dtype))
        mask = torch.stack([mask for _, mask in items]).to(self.device)
        return pool(self.networks.run("audio", features), mask, ("mean",))


def _of_encoder(config: dict[str, Any]) -> dict[str, Any]:
    """Keep the keys that shape the encoder: token ids and the decoder's size move no vector."""
    named = ("d_model", "activation_function", "scale_embedding", "max_source_positions", "num_mel_bins")
    return {key: value for key, value in config.items() if key in named or key.startswith("encoder_")}


FAMILY = Family(
    name="whisper",
    encoder=WhisperEncoder,
    defaults={
        "modalities": ("audio",),
        "media": ("audio",),
        "space": "audio",
        "sample_rate": 16_000,
        "window_seconds": 30.0,
    },
    recognises=lambda model: model.model_type == "whisper",
    models="Whisper",
)


def _whisper(size: str, *, dim: int, download_mb: float) -> EncoderSpec:
    return FAMILY.spec(
        f"whisper-{size}",
        f"openai/whisper-{size}",
        dim=dim,
        tap="encoder last_hidden_state",
        pooling="mean over frames with sound",
        license="Apache-2.0",
        download_mb=download_mb,
        source=f"Whisper, Radford et al. 2022, arXiv:2212.04356; card openai/whisper-{size}",
    )


ENCODERS = (
    _whisper("tiny", dim=384, download_mb=151),
    _whisper("base", dim=512, download_mb=290),
    _whisper("small", dim=768, download_mb=967),
    _whisper("medium", dim=1024, download_mb=3056),
    _whisper("large-v3", dim=1280, download_mb=3087),
)
