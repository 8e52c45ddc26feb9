"""PerceiverEncoder: a clip with its sound, by DeepMind's multimodal Perceiver IO."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.encoders.base import Prepared
from embed_assets.encoders.family_type import Family, ModelDescription
from embed_assets.encoders.loading.checkpoint import load_model
from embed_assets.encoders.loading.device import torch_dtype
from embed_assets.encoders.loading.identity import canonical_hash, hash_config, hash_tensors
from embed_assets.encoders.parts.media_encoder import (
    MediaEncoder,
    check_rate,
    frames_of,
    refuse_truncation,
    samples_of,
)
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError
from embed_assets.media.media_types import Modality

RATE = 48_000  # Hz; 1,920 samples beside each frame at 25 frames a second
SLACK = 1.5  # the last clip of a video may be so much longer: its frames are spread, its sound is cut


class PerceiverEncoder(MediaEncoder):
    """Mean over the latents (784 of 512 numbers) of the autoencoding model: its outputs[1][-1].

    Jaegle et al. 2021, arXiv:2107.14795; card deepmind/multimodal-perceiver: 16 frames of 224 x 224
    and 30,720 samples at 48 kHz, which is 0.64 s. Pixels and samples as in DeepMind's example: the
    centre square, in [0, 1]; samples in [-1, 1]. A clip without sound gets zeros, and so does the label,
    which the model masks. Only the encoder runs: with the decoder a clip would cost many times as much.
    """

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        from transformers import PerceiverForMultimodalAutoencoding

        super().__init__(spec, device=device, dtype=dtype)
        refuse_truncation(spec)
        check_rate(spec, RATE)
        if dtype != "float32":
            raise SettingsError(f"Encoder {spec.name!r}: this Perceiver runs in float32 only, not in {dtype}.")
        unused = ("perceiver.decoder.", "perceiver.output_postprocessor.")
        model = load_model(PerceiverForMultimodalAutoencoding, folder, dtype=dtype, unused=unused)
        self._model = model.perceiver
        self._model.decoder = self._model.output_postprocessor = None
        self._model.to(device)
        config = model.config
        self._config = config
        self._samples = int(config.num_frames * config.audio_samples_per_frame)
        self.dim = int(config.d_latents)

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Make float32 (frames, 3, size, size) and (samples, 1); cost in pixels of all frames."""
        from PIL import Image, ImageOps

        frames = frames_of(self.spec, modality, payload, count=self._config.num_frames)
        size = self._config.image_size
        fitted = [ImageOps.fit(Image.fromarray(frame), (size, size), Image.Resampling.BILINEAR) for frame in frames]
        pixels = np.stack([np.asarray(frame, dtype=np.float32) / 255 for frame in fitted]).transpose(0, 3, 1, 2)
        sound = np.zeros((self._samples, 1), dtype=np.float32)
        if payload.sound is not None and len(payload.sound.samples):
            most = round(self._samples * SLACK)
            samples = samples_of(self.spec, "audio", payload.sound, rate=RATE, most=most)[: self._samples]
            sound[: len(samples), 0] = samples
        return Prepared(modality="video", cost=len(frames) * size * size, data=(np.ascontiguousarray(pixels), sound))

    def identity(self) -> Mapping[str, str]:
        """Return hashes of everything loaded; decoder and postprocessor do not enter."""
        return {
            "weights": hash_tensors(self._model.state_dict().items()),
            "config": hash_config(self._config.to_dict()),
            "preprocessing": canonical_hash(["centre square", "bilinear", "0 to 1", self._config.image_size, RATE]),
            **self._shape_of_vector(tap="outputs[1][-1]", pooling="mean over latents"),
        }

    def _vectors(self, modality: Modality, items: list[Any]) -> Any:
        import torch

        dtype = torch_dtype(self.dtype)
        inputs = {
            "image": torch.from_numpy(np.stack([pixels for pixels, _ in items])).to(self.device, dtype),
            "audio": torch.from_numpy(np.stack([sound for _, sound in items])).to(self.device, dtype),
            "label": torch.zeros((len(items), self._config.num_labels), device=self.device, dtype=dtype),
        }
        return self._model(inputs=inputs).last_hidden_state.mean(dim=1)


def _is_multimodal(model: ModelDescription) -> bool:
    """Whether it is the multimodal Perceiver; the others are no encoders of clips."""
    classes = model.config.get("architectures") or ()
    return model.model_type == "perceiver" and "PerceiverForMultimodalAutoencoding" in classes


FAMILY = Family(
    name="perceiver",
    encoder=PerceiverEncoder,
    defaults={
        "modalities": ("video",),
        "media": ("video",),
        "space": "video",
        "sample_rate": 48_000,
        "window_seconds": 0.64,
        "frames": 16,
    },
    recognises=_is_multimodal,
    models="the multimodal Perceiver",
)
ENCODERS = (
    FAMILY.spec(
        "perceiver",
        "deepmind/multimodal-perceiver",
        dim=512,
        tap="outputs[1][-1]",
        pooling="mean over latents",
        license="Apache-2.0",
        download_mb=79,
        source="Perceiver IO, Jaegle et al. 2021, arXiv:2107.14795; card deepmind/multimodal-perceiver",
    ),
)
