"""Steps of comparison: encoders side by side on a sample of a space's items; nothing of it is stored or served."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.embedding.loop import CollectedItems
from embed_assets.embedding.run_budget import price_of
from embed_assets.errors import SettingsError
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.embedding_steps import EmbeddingSteps
from embed_assets.pipeline.version_steps import VersionSteps
from embed_assets.quality.leaderboard.judgements import LABELS, Judgements, judgements_of
from embed_assets.quality.leaderboard.query_scores import MAIN, query_scores
from embed_assets.quality.leaderboard.rank_items import rank_items
from embed_assets.quality.leaderboard.sample_items import COLUMNS, sample_items
from embed_assets.quality.leaderboard.standings import (
    Cost,
    Leaderboard,
    Standing,
    VariantLoss,
    compared_pairs,
    compared_variants,
    ordered,
)
from embed_assets.quality.leaderboard.variants import variants
from embed_assets.quality.measured_report import seconds_since
from embed_assets.store.manifest_row import SCHEMA
from embed_assets.store.versions import VersionRecord

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

SAMPLE = 1000  # items
_NUMBER_BYTES = {"float16": 2, "float32": 4}


@dataclass(frozen=True, kw_only=True)
class _Encoded:
    """A sample by one encoder."""

    record: VersionRecord
    report: EmbedReport
    owners: list[str]  # media ids, one a segment
    vectors: np.ndarray  # float32 (segments, dim)
    queries: np.ndarray  # float32 (queries, dim)
    query_ms: float
    failed: int

    def scores(self, judged: Judgements, vectors: np.ndarray, queries: np.ndarray) -> dict[str, np.ndarray]:
        """Return the scores of each query by metric, of these vectors or a smaller form of them."""
        excluded = judged.items or None
        found = rank_items(queries, vectors, self.owners, distance=self.record.spec.distance, excluded=excluded)
        return query_scores(found, judged.grades)


class ComparisonSteps:
    """Leaderboards of a pipeline's encoders."""

    def __init__(self, context: RunContext, versions: VersionSteps, embedding: EmbeddingSteps) -> None:
        self._context = context
        self._settings = context.settings
        self._versions = versions
        self._embedding = embedding

    def compare(
        self, encoders: Sequence[str], *, sample: int = SAMPLE, with_variants: bool = True, space: str | None = None
    ) -> Leaderboard:
        """Compare encoders of the settings on a sample of the items that all of them take.

        The sample is of the manifests as they are. Queries are those judged in `space`, by default the first encoder's,
        else the sample's own items by their labels. Raises SettingsError where there is nothing to compare by.
        """
        started = time.monotonic()
        records = [self._versions.resolve(encoder, register=False).record for encoder in dict.fromkeys(encoders)]
        space = space or records[0].spec.space
        labelled = self._context.queries.labelled(space)
        items = comparable_items(self._context, records)
        chosen = sample_items(items, labelled, sample)
        rows = items.filter(pc.is_in(items["media_id"], value_set=pa.array(chosen, pa.string())))
        judged = judgements_of(rows, labelled)
        if judged is None:
            raise SettingsError(
                f"Space {space!r} has nothing to compare encoders by: no judged query has a relevant item there, and "
                f"no two items share a label. Name judged queries in spaces.{space}.queries, or label the media."
            )
        encoded = [self._encoded(record, chosen, judged) for record in records]
        standings = ordered([self._standing(each, judged, len(items), space=space) for each in encoded])
        return Leaderboard(
            space=space,
            basis=judged.basis,
            queries=len(judged),
            sampled=len(chosen),
            standings=standings,
            pairs=compared_pairs(standings),
            variants=[loss for each in encoded for loss in _losses(each, judged)] if with_variants else (),
            seconds=seconds_since(started),
        )

    def _encoded(self, record: VersionRecord, chosen: Sequence[str], judged: Judgements) -> _Encoded:
        manifest = self._context.manifest
        rows = manifest.of_ids(chosen, columns=SCHEMA.names, version=manifest.version).to_pylist()
        kept = CollectedItems()
        report = self._embedding.sample(record, rows, keep=kept)
        owners = [item.row["media_id"] for item in kept.encoded for _ in item.vectors]
        vectors = [vector for item in kept.encoded for vector in item.vectors]
        stacked = np.stack(vectors) if vectors else np.zeros((0, record.dim), np.float32)
        started = time.monotonic()
        queries = self._queries(record, judged, owners, stacked)
        seconds = time.monotonic() - started
        return _Encoded(
            record=record,
            report=report,
            owners=owners,
            vectors=stacked,
            queries=queries,
            query_ms=1000 * seconds / max(1, len(judged)),
            failed=len(kept.failed),
        )

    def _queries(
        self, record: VersionRecord, judged: Judgements, owners: Sequence[str], vectors: np.ndarray
    ) -> np.ndarray:
        """Return query vectors: of the judged queries encoded, of items their own first segment's."""
        if judged.basis != LABELS:
            return self._context.queries.encoded(record, judged.queries)[1]
        first: dict[str, int] = {}
        for place, owner in enumerate(owners):
            first.setdefault(owner, place)
        nothing = np.zeros(record.dim, np.float32)  # of an item that could not be encoded: it finds nothing
        return np.stack([vectors[first[name]] if name in first else nothing for name in judged.items])

    def _standing(self, encoded: _Encoded, judged: Judgements, items: int, *, space: str) -> Standing:
        record, report = encoded.record, encoded.report
        live = self._context.store.serving.pointer(space).live
        done = len(set(encoded.owners))
        speed = done / report.seconds if report.seconds else 0.0
        price, tokens = price_of(record.spec), report.cost
        number = _NUMBER_BYTES.get(record.vector_dtype, 4)
        cost = Cost(
            dim=record.dim,
            bytes_per_item=round(len(encoded.owners) / max(1, done) * record.dim * number, 1),
            items_per_second=round(speed, 2),
            query_ms=round(encoded.query_ms, 2) if judged.basis != LABELS else None,
            price=price,
            license=record.spec.license,
            download_mb=record.spec.download_mb,
            items=items,
            seconds=round(items / speed, 1) if speed else 0.0,
            usd=None if price is None else round(tokens / max(1, done) * items * price / 1e6, 4),
        )
        return Standing(
            encoder=record.encoder,
            version=record.version,
            cost=cost,
            failed=encoded.failed,
            scores=encoded.scores(judged, encoded.vectors, encoded.queries),
            live=live is not None and live.version_id == record.id,
        )


def comparable_items(context: RunContext, records: Sequence[VersionRecord]) -> pa.Table:
    """Return the usable items that every encoder takes, columns of COLUMNS. Raises SettingsError without any."""
    sources = [set(context.settings.sources_of(record.encoder)) for record in records]
    media = [set(record.spec.media) for record in records]
    shared, kinds = set.intersection(*sources), set.intersection(*media)
    names = ", ".join(record.encoder for record in records)
    if not shared or not kinds:
        raise SettingsError(f"Encoders {names} have no source and kind of media in common: name others.")
    items = context.manifest.table(sorted(shared), columns=(*COLUMNS, "modality", "status"))
    taken = pc.is_in(items["modality"], value_set=pa.array(sorted(kinds)))
    found = items.filter(pc.and_(pc.equal(items["status"], "ok"), taken)).select(list(COLUMNS))
    if not len(found):
        raise SettingsError(f"Encoders {names}: no source has {', '.join(sorted(kinds))} items yet. Run it first.")
    return found


def _losses(encoded: _Encoded, judged: Judgements) -> list[VariantLoss]:
    """Compare smaller forms of an encoder's vectors with the whole, query by query."""
    whole = encoded.scores(judged, encoded.vectors, encoded.queries)[MAIN]
    forms = [
        (form.name, form.bytes, encoded.scores(judged, form.vectors, form.queries)[MAIN])
        for form in variants(encoded.vectors, encoded.queries)
    ]
    return compared_variants(encoded.record.encoder, forms, whole, whole_bytes=4 * encoded.record.dim)
