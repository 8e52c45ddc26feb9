"""PixelEncoder: a picture's grey levels as its vector, the baseline that a model has to beat."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError
from embed_assets.media.media_types import Modality

SIDE = 16


class PixelEncoder(Encoder):
    """Grey levels of a small square, (side * side,), with their mean taken off: no model, no files.

    Likeness of layout and light, as in the tiny images of Torralba et al. 2008; it knows nothing of
    objects, and a shift of a few pixels at full size hardly moves it. `options`: `side`, 16 by default.

    A picture of one grey level has nothing left once the mean is off. It gets equal numbers, which are
    orthogonal to every other picture's vector, so that blank pictures are near to blank pictures only.
    """

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        side = spec.options.get("side", SIDE)
        if not isinstance(side, int) or isinstance(side, bool) or not 2 <= side <= 256:
            raise SettingsError(f"Encoder {spec.name!r}: options.side={side!r}; give a whole number from 2 to 256.")
        if spec.truncate_dim is not None:
            raise SettingsError(f"Encoder {spec.name!r}: pixels can't be truncated; set options.side.")
        self.spec, self.device, self.dtype = spec, device, dtype
        self.side, self.dim = side, side * side

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Return grey levels from 0 to 1, whatever the picture's proportions; cost in pixels."""
        from PIL import Image

        if modality != "image" or not hasattr(payload, "convert"):
            raise SettingsError(
                f"Encoder {self.spec.name!r} takes images as PIL images, not {modality} as {type(payload).__name__}."
            )
        small = payload.convert("L").resize((self.side, self.side), Image.Resampling.BILINEAR)
        levels = np.asarray(small, dtype=np.float32).reshape(-1) / 255
        return Prepared(modality="image", cost=self.dim, data=levels)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return float32, (len(batch), dim)."""
        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        levels = np.stack([prepared.data for prepared in batch]).astype(np.float64)
        blank = levels.max(axis=1) == levels.min(axis=1)
        vectors = levels - levels.mean(axis=1, keepdims=True)
        vectors[blank] = 1 / self.side
        if self.spec.unit_length:
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)

    def identity(self) -> Mapping[str, str]:
        """Return the settings; the arithmetic has one precision whatever `dtype` is."""
        return {
            "config": f"grey {self.side}x{self.side}",
            "preprocessing": "pil L bilinear",
            "tap": "pixels",
            "pooling": "centred",
            "unit_length": str(self.spec.unit_length),
            "dtype": "float32",
        }


FAMILY = Family(
    name="pixels",
    encoder=PixelEncoder,
    defaults={"modalities": ("image",), "media": ("image",), "space": "image"},
    recognises=lambda model: model.name == "builtin/pixels",
)
ENCODERS = (
    FAMILY.spec(
        "pixels",
        "builtin/pixels",
        dim=256,
        tap="pixels",
        pooling="centred",
        license="Apache-2.0",
        download_mb=0.0,
        source="Tiny images, Torralba et al. 2008, doi:10.1109/TPAMI.2008.128; encoders/families/pixels.py",
        options={"side": 16},
    ),
)
