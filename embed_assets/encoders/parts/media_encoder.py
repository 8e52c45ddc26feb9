"""MediaEncoder: what the encoders of sound and video share; checks of their payloads, one pass, unit length."""

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.loading.device import inference
from embed_assets.encoders.loading.identity import canonical_hash, hash_config
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EncoderOutputError, MediaError, SettingsError, WeightsError
from embed_assets.media.media_types import Modality
from embed_assets.media.payload import Clip, Sound

CLIP_SECONDS = 10.0  # of a video segment, where the model doesn't say
PATCH = 256  # pixels that a transformer's token counts as: a patch of 16 x 16


class MediaEncoder(Encoder):
    """A model that is run once per batch. A family gives `prepare`, `_vectors` and `identity`."""

    def __init__(self, spec: EncoderSpec, *, device: str, dtype: str) -> None:
        self.spec, self.device, self.dtype = spec, device, dtype

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """float32, (len(batch), dim)."""
        import torch

        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        modality = one_modality(batch)
        with inference(self.device):
            vectors = self._vectors(modality, [prepared.data for prepared in batch]).float()
            if self.spec.unit_length:
                vectors = torch.nn.functional.normalize(vectors, dim=1)
            return vectors.contiguous().cpu().numpy()

    @abstractmethod
    def _vectors(self, modality: Modality, items: list[Any]) -> Any:
        """Tensor (len(items), dim) of prepared data, in inference mode."""

    def _shape_of_vector(self, *, tap: str, pooling: str) -> dict[str, str]:
        """The parts of an identity that every family has."""
        return {"tap": tap, "pooling": pooling, "unit_length": str(self.spec.unit_length), "dtype": self.dtype}


def one_modality(batch: Sequence[Prepared]) -> Modality:
    """The modality of a batch; one that holds two is an error."""
    modalities = {prepared.modality for prepared in batch}
    if len(modalities) > 1:
        raise EncoderOutputError(f"One batch holds {' and '.join(sorted(modalities))}; give each its own.")
    return batch[0].modality


def samples_of(spec: EncoderSpec, modality: Modality, payload: Any, *, rate: int, most: int) -> np.ndarray:
    """float32, (n,), 0 < n <= most: what the extractors would cut in silence, or take as NaN, is refused."""
    if modality != "audio" or not isinstance(payload, Sound):
        raise refusal(spec, modality, payload, "audio as Sound")
    if payload.rate != rate:
        raise SettingsError(
            f"Encoder {spec.name!r} hears {rate} Hz, not {payload.rate} Hz. Set its sample_rate to {rate}."
        )
    samples = np.asarray(payload.samples, dtype=np.float32)
    if len(samples) > most + 1:  # a window between two samples may round up
        raise SettingsError(
            f"Encoder {spec.name!r} hears {most / rate:g} s at most; a segment of {payload.seconds:g} s would be cut. "
            f"Set its window_seconds so that no segment is longer than {most / rate:g} s, the last one included."
        )
    if not len(samples):
        raise MediaError("empty sound")
    if not np.isfinite(samples).all():
        raise MediaError("not finite", "samples of the sound are NaN or infinite")
    return samples[:most]


def frames_of(spec: EncoderSpec, modality: Modality, payload: Any, *, count: int | None) -> np.ndarray:
    """uint8, (count, height, width, 3); any count from 1 where it is None."""
    if modality != "video" or not isinstance(payload, Clip):
        raise refusal(spec, modality, payload, "video as Clip")
    found = len(payload.frames)
    if not found:
        raise MediaError("no frames")
    if count is not None and found != count:
        raise SettingsError(f"Encoder {spec.name!r} sees {count} frames of a clip, not {found}. Set frames to {count}.")
    return payload.frames


def refusal(spec: EncoderSpec, modality: Modality, payload: Any, takes: str) -> SettingsError:
    """The error for a payload of another modality or type."""
    return SettingsError(f"Encoder {spec.name!r} takes {takes}, not {modality} as {type(payload).__name__}.")


def refuse_truncation(spec: EncoderSpec) -> None:
    """Only Matryoshka models keep their meaning in the first numbers of a vector."""
    if spec.truncate_dim is not None:
        raise SettingsError(f"Encoder {spec.name!r}: its vector can't be truncated; remove truncate_dim.")


def check_rate(spec: EncoderSpec, rate: int) -> None:
    """A spec that asks for another rate than the model's would be refused by every segment; say it once."""
    if spec.sample_rate not in (None, rate):
        raise SettingsError(f"Encoder {spec.name!r}: sample_rate={spec.sample_rate}, its model hears {rate} Hz.")


def load_processor(auto_class: Any, folder: Path) -> Any:
    """The feature extractor or processor saved with a model, without running code from the folder."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*mel filter.*")  # of models that were trained so
            return auto_class.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{folder} has no preprocessing that can be loaded: {error}") from error


def processing_hash(processor: Any) -> str:
    """What an extractor or processor does, as a hash; its tables follow from its settings."""
    settings: Mapping[str, Any] = processor.to_dict()
    kept = {name: value for name, value in settings.items() if not name.startswith(("mel_filters", "window"))}
    kind = type(processor).__name__
    return f"{'pil' if kind.endswith('Pil') else 'own'} {canonical_hash([kind.removesuffix('Pil'), hash_config(kept)])}"
