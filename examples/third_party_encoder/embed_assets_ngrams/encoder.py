"""NgramEncoder: texts by the hashes of their character n-grams. It knows spelling, not meaning."""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.spec import EncoderSpec, Modality
from embed_assets.errors import SettingsError

_LENGTHS = (3, 4, 5)  # of an n-gram, in characters


class NgramEncoder(Encoder):
    """A signed count for each n-gram, its square root taken, in as many buckets as the spec has dims."""

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        if spec.dim is None:
            raise SettingsError(f"Encoder {spec.name!r}: its spec has no dim; give the number of buckets.")
        self.spec, self.device, self.dtype, self.dim = spec, device, dtype, spec.dim

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Count the n-grams: work that threads can share."""
        if modality != "text":
            raise SettingsError(f"Encoder {self.spec.name!r} takes texts, not {modality}.")
        text = f"\2{' '.join(payload.lower().split())}\3"
        grams = Counter(text[at : at + n] for n in _LENGTHS for at in range(max(1, len(text) - n + 1)))
        return Prepared(modality="text", cost=1 + len(text) // 4, data=grams)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return float32, (len(batch), dim), unit length; each text for itself, so that no batch changes a vector."""
        rows = np.zeros((len(batch), self.dim), np.float64)
        for row, item in zip(rows, batch, strict=True):
            for gram, count in item.data.items():
                hashed = zlib.crc32(gram.encode("utf-8", "surrogatepass"))
                row[(hashed >> 1) % self.dim] += count**0.5 * (1 if hashed & 1 else -1)
            row /= max(float(np.linalg.norm(row)), 1e-12)
        return rows.astype(np.float32)

    def identity(self) -> Mapping[str, str]:
        """Raise `code` when the vectors change."""
        return {"code": "1", "lengths": str(_LENGTHS), "dim": str(self.dim)}
