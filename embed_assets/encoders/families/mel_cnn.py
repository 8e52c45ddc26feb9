"""MelCnnEncoder: sounds, by a network of pictures that looks at their mel spectrogram."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.base import Prepared
from embed_assets.encoders.families.mel_spectrogram import FLOOR, HOP, RATE, log_mel, mel_hash
from embed_assets.encoders.families.torchvision_cnn import CnnEncoder
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.identity import canonical_hash
from embed_assets.encoders.parts.media_encoder import check_rate, samples_of
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError
from embed_assets.media.media_types import Modality

if TYPE_CHECKING:
    from PIL.Image import Image

BANDS = 128  # of the picture
SECONDS = 10.0  # of the picture, without `options["seconds"]`


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
        """Draw the spectrogram as float32 (3, size, size), normalised as pictures are; cost in pixels."""
        import torch
        from PIL.Image import Resampling

        samples = samples_of(self.spec, modality, payload, rate=RATE, most=self._most)
        crop: Any = self._transform
        size = int(crop.crop_size[0])
        whole = np.zeros(self._most, dtype=np.float32)
        whole[: len(samples)] = samples
        shades = spectrogram_picture(whole).resize((size, size), Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(shades, dtype=np.float32)).expand(3, size, size)
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (crop.mean, crop.std))
        return Prepared(modality="audio", cost=size * size, data=(pixels - mean) / deviation)

    def identity(self) -> Mapping[str, str]:
        """Return the network's parts and the picture's."""
        parts = dict(super().identity())
        picture = canonical_hash([mel_hash(BANDS), HOP, self._most, "bilinear, no crop"])
        return {**parts, "picture": picture}


def spectrogram_picture(samples: np.ndarray) -> "Image":
    """Draw mode F, 0 to 1, (frames, 128) wide and high: -100 dB to 0 dB of full scale, low bands at the bottom."""
    from PIL import Image

    depth = -10 * np.log10(FLOOR)
    shades = np.clip(log_mel(samples, BANDS) / depth + 1, 0, 1)
    return Image.fromarray(shades[::-1].astype(np.float32))


FAMILY = Family(
    name="mel_cnn",
    encoder=MelCnnEncoder,
    defaults={
        "modalities": ("audio",),
        "media": ("audio",),
        "space": "audio",
        "sample_rate": 16_000,
        "window_seconds": 10.0,
    },
)
ENCODERS = (
    FAMILY.spec(
        "mel-resnet50",
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
)
