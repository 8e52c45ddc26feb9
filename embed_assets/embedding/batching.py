"""Batches within limits: sorted by length, padded cost bounded; too large for memory is halved and goes on."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embed_assets.embedding.batch_trial import BatchTrial, remembered_size
from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.errors import EncoderOutputError
from embed_assets.media.media_types import Modality

# Padded tokens and pixels a batch by kind of device, and by runtime where it has numbers of its own. On a CPU small
# batches stay in the cache and are the faster ones; a GPU needs large ones to be busy.
_TOKENS = {"cpu": 1024, "openvino": 2048, "mps": 8192, "cuda": 65_536, "api": 2**20}
_PIXELS = {"cpu": 8 * 224 * 224, "mps": 32 * 224 * 224, "cuda": 256 * 224 * 224}


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """Maximum cost of a batch, padding counted."""

    tokens: int
    pixels: int

    @classmethod
    def for_encoder(cls, encoder: Encoder, *, tokens: int | None = None, pixels: int | None = None) -> "BatchLimits":
        """Return the limits of the settings, else those measured here, else what suits the runtime and device."""
        kind = encoder.device.partition(":")[0]
        return cls(
            tokens=tokens
            or remembered_size(encoder, "tokens")
            or _TOKENS.get(encoder.runtime)
            or _TOKENS.get(kind, 8192),
            pixels=pixels or remembered_size(encoder, "pixels") or _PIXELS.get(kind, 32 * 224 * 224),
        )

    def of(self, modality: Modality) -> int:
        """Return the maximum of a modality: tokens of texts, pixels of everything else."""
        return self.tokens if unit_of(modality) == "tokens" else self.pixels


def unit_of(modality: Modality) -> str:
    """Return what the cost of a modality's segments is counted in: tokens of texts, pixels of everything else."""
    return "tokens" if modality == "text" else "pixels"


def batches(costs: Sequence[int], limit: Callable[[], int]) -> Iterator[list[int]]:
    """Yield indices of `costs`, longest first, in batches whose longest times count stays within `limit` of each.

    An input over the limit gets a batch of its own. Neighbours in a batch have like lengths, so that
    padding is small: 2 % on texts of 6 to 256 tokens, where arrival order pads 50 %.
    """
    order = sorted(range(len(costs)), key=lambda index: -costs[index])
    batch, most = list[int](), 0
    for index in order:
        if batch and costs[batch[0]] * (len(batch) + 1) > most:
            yield batch
            batch = []
        if not batch:
            most = limit()
        batch.append(index)
    if batch:
        yield batch


def encode(
    encoder: Encoder,
    prepared: Sequence[Prepared],
    *,
    limits: BatchLimits,
    trials: Mapping[str, BatchTrial] | None = None,
    after_batch: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Return vectors of segments of any length and modality, in their order: float32, (len(prepared), dim).

    `trials`, by unit, choose the size of each batch in place of the limits, and are given its seconds. `after_batch`
    is called with the number of segments of each batch. A vector may hold values that are not finite:
    the caller quarantines that segment's item. Raises EncoderOutputError where the encoder returns another shape.
    """
    vectors = np.empty((len(prepared), encoder.dim), dtype=np.float32)
    modalities: list[Modality] = list(dict.fromkeys(item.modality for item in prepared))
    for modality in modalities:
        chosen = [index for index, item in enumerate(prepared) if item.modality == modality]
        trial = (trials or {}).get(unit_of(modality)) or BatchTrial.decided(limits.of(modality))
        for batch in batches([prepared[index].cost for index in chosen], trial.size):
            rows = [chosen[position] for position in batch]
            size, started = trial.size(), time.perf_counter()
            vectors[rows] = encode_batch(encoder, [prepared[row] for row in rows])
            trial.measured(size, sum(prepared[row].cost for row in rows), time.perf_counter() - started)
            if after_batch is not None:
                after_batch(len(rows))
    return vectors


def encode_batch(encoder: Encoder, batch: Sequence[Prepared]) -> np.ndarray:
    """Encode one batch; where memory runs out it is halved, down to single segments, and goes on."""
    try:
        vectors = encoder.encode(batch)
    except Exception as error:
        if len(batch) == 1 or not out_of_memory(error):
            raise
    else:
        return _shaped(encoder, vectors, len(batch))
    _free_memory(encoder.device)  # outside the except block, whose traceback holds the failed tensors
    middle = len(batch) // 2
    return np.concatenate([encode_batch(encoder, batch[:middle]), encode_batch(encoder, batch[middle:])])


def out_of_memory(error: BaseException) -> bool:
    """Return whether a smaller batch may help, by the messages of CUDA, MPS and the CPU's allocator."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def _shaped(encoder: Encoder, vectors: np.ndarray, count: int) -> np.ndarray:
    if vectors.shape != (count, encoder.dim):
        raise EncoderOutputError(
            f"Encoder {encoder.spec.name!r} returned shape {vectors.shape} for {count} segments; expected "
            f"({count}, {encoder.dim}). Fix the encoder or its spec's dim."
        )
    return np.asarray(vectors, dtype=np.float32)


def _free_memory(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
