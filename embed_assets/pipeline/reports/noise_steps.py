"""Steps of noise: encoders on disturbed copies of a sample of the items; nothing of it is stored or served."""

import time
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets import progress
from embed_assets.embedding.batching import encode
from embed_assets.encoders.base import Encoder
from embed_assets.errors import SettingsError
from embed_assets.media.media_types import Modality
from embed_assets.pipeline.comparison_steps import comparable_items
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.embedding_steps import EmbeddingSteps
from embed_assets.pipeline.version_steps import VersionSteps
from embed_assets.quality.item_vectors import chosen
from embed_assets.quality.leaderboard.judgements import judgements_of
from embed_assets.quality.measured_report import seconds_since
from embed_assets.quality.metrics.ranking_metrics import Grades
from embed_assets.quality.noise.disturbances import DISTURBANCES, modality_of
from embed_assets.quality.noise.noise_report import Copies, NoiseReport, NoiseRow, noise_rows
from embed_assets.store.manifest_row import SCHEMA, ManifestRow
from embed_assets.store.versions import VersionRecord

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

NOISE_SAMPLE = 200  # items
_TOGETHER = 16  # items whose copies are prepared at once: of pictures some 70 MB
_SIDE = 512  # pixels of a copy's longer side: noise on twelve megapixels is gone once an encoder has made them small
_MODALITIES: tuple[Modality, ...] = ("text", "image", "audio")
_ORIGINAL, _UNDISTURBED = "", "undisturbed"


class NoiseSteps:
    """What typos, compression, shifts and noise cost each encoder."""

    def __init__(self, context: RunContext, versions: VersionSteps, embedding: EmbeddingSteps) -> None:
        self._context = context
        self._versions = versions
        self._embedding = embedding

    def noise(self, encoders: Sequence[str], *, sample: int = NOISE_SAMPLE, beside: Sequence[str] = ()) -> NoiseReport:
        """Measure what each disturbance costs encoders of the settings, on a sample of the items that all of them take.

        Of each item the first segment counts. Its copies are the queries; items of equal bytes count once. Encoders
        `beside` them are measured on those of the sampled items that they take. Raises SettingsError where the
        encoders have no items in common that can be disturbed.
        """
        started = time.monotonic()
        records, others = (
            [self._versions.resolve(name, register=False).record for name in dict.fromkeys(names)]
            for names in (encoders, beside)
        )
        items = comparable_items(self._context, records)
        manifest, names = self._context.manifest, chosen(items["media_id"].to_pylist(), sample)
        rows = _distinct(manifest.of_ids(names, columns=SCHEMA.names, version=manifest.version).to_pylist())
        grades = _grades_by_label(items, [row["media_id"] for row in rows])
        found: list[NoiseRow] = []
        for record in [*records, *others]:
            for copies in self._copies(record, [row for row in rows if row["modality"] in record.spec.media]):
                distance = record.spec.distance
                found += noise_rows(record.encoder, record.version, copies, grades, distance=distance)
        if not found:
            shown = ", ".join(record.encoder for record in records)
            raise SettingsError(f"Encoders {shown}: no text, picture or sound of their sources could be read.")
        seconds = seconds_since(started)
        return NoiseReport(sampled=len(rows), items=len(items), rows=tuple(found), seconds=seconds)

    def _copies(self, record: VersionRecord, rows: Sequence[ManifestRow]) -> list[Copies]:
        """Encode the items and their copies, by modality."""
        encoder = self._context.encoder(record)
        names: dict[str, list[str]] = {}
        vectors: dict[tuple[str, str], list[np.ndarray]] = {}
        segments = self._embedding.first_segments(record, rows)
        done = 0
        while part := list(islice(segments, _TOGETHER)):
            progress.report("sample", record.encoder, done, len(rows))
            done += len(part)
            for modality in _MODALITIES:
                own = [(name, payload) for name, payload in part if modality_of(payload) == modality]
                if own:
                    names.setdefault(modality, []).extend(name for name, _ in own)
                    for copy, rows_of_copy in self._encoded(encoder, modality, own):
                        vectors.setdefault((modality, copy), []).append(rows_of_copy)
        return [_stacked(modality, ids, vectors) for modality, ids in names.items()]

    def _encoded(
        self, encoder: Encoder, modality: Modality, items: Sequence[tuple[str, Any]]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the vectors of the items, of undisturbed copies and of each disturbance: float32 (items, dim)."""
        limits = self._context.batch_limits(encoder)
        originals = [encoder.prepare(modality, payload) for _, payload in items]
        yield _ORIGINAL, encode(encoder, originals, limits=limits)
        small = [_small(payload) for _, payload in items]
        seeds = [zlib.crc32(name.encode()) for name, _ in items]
        for copy, disturb in {_UNDISTURBED: None, **DISTURBANCES[modality]}.items():
            payloads = [disturb(each, seed) if disturb else each for each, seed in zip(small, seeds, strict=True)]
            prepared = [encoder.prepare(modality, payload, query=True) for payload in payloads]
            yield copy, encode(encoder, prepared, limits=limits)


def _grades_by_label(items: pa.Table, names: Sequence[str]) -> dict[str, Grades]:
    judged = judgements_of(items.filter(pc.is_in(items["media_id"], value_set=pa.array(names, pa.string()))), ())
    return dict(zip(judged.items, judged.grades, strict=True)) if judged is not None else {}


def _stacked(modality: str, names: Sequence[str], vectors: dict[tuple[str, str], list[np.ndarray]]) -> Copies:
    return Copies(
        modality=modality,
        media_ids=names,
        originals=np.concatenate(vectors[modality, _ORIGINAL]),
        undisturbed=np.concatenate(vectors[modality, _UNDISTURBED]),
        disturbed={copy: np.concatenate(vectors[modality, copy]) for copy in DISTURBANCES[modality]},
    )


def _distinct(rows: Sequence[ManifestRow]) -> list[ManifestRow]:
    """Return one row of those with equal bytes: which of them a copy finds first says nothing."""
    return list({row["content_hash"]: row for row in reversed(rows)}.values())[::-1]


def _small(payload: Any) -> Any:
    """Return a picture of at most _SIDE pixels a side; anything else as it is."""
    if not hasattr(payload, "thumbnail"):
        return payload
    copy = payload.copy()
    copy.thumbnail((_SIDE, _SIDE))
    return copy
