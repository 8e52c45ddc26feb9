"""Searcher: the nearest items of a space's live release; encoder and table come from one pointer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute

from embed_assets.embedding.batching import BatchLimits, encode
from embed_assets.errors import EncoderOutputError, EncoderVersionError, SettingsError, StoreError
from embed_assets.manifest.open_sources import decoders_of, limits_of
from embed_assets.media.detect import look_at
from embed_assets.media.files.unicode_names import composed
from embed_assets.media.media_types import Modality
from embed_assets.settings import ComputeSettings, LimitSettings
from embed_assets.store.serving.nearest_rows import nearest_items, open_release
from embed_assets.store.serving.releases import Release
from embed_assets.store.store import Store
from embed_assets.store.upsert import one_of, quoted, read
from embed_assets.store.vectors import unstorable
from embed_assets.store.versions import VersionRecord
from embed_assets.versions.cutting_recipe import recipe_of
from embed_assets.versions.load_version import load_version
from embed_assets.versions.query_input import query_payload

if TYPE_CHECKING:
    from PIL.Image import Image

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_COLUMNS = ("segment_id", "media_id", "source", "modality", "key", "uri", "start", "end", "text", "labels")


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One media item, ranked by its best segment. `score`: higher is nearer; 1 is the same."""

    rank: int
    score: float
    source: str
    key: str
    uri: str
    modality: str
    text: str | None
    labels: tuple[str, ...]
    start: int | None  # characters of the segment within the item
    end: int | None

    def document(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


class Searcher:
    """Search over a store. The pointer is read at every search, so that a promotion takes effect at once."""

    def __init__(
        self,
        store: Store | str,
        *,
        storage_options: Mapping[str, Any] | None = None,
        compute: ComputeSettings | None = None,
        limits: LimitSettings | None = None,
    ) -> None:
        """Take the `limits` of media: a query's file is as foreign, and is decoded in a process of its own."""
        self._store = store if isinstance(store, Store) else Store(store, storage_options)
        self._compute = compute or ComputeSettings()
        self._limits = limits_of(limits or LimitSettings())
        self._decoders = decoders_of(self._limits) if self._compute.isolate_decoders else None

    def spaces(self) -> list[str]:
        """List the spaces with a live release."""
        serving = self._store.serving
        return [space for space in serving.spaces() if serving.pointer(space).live is not None]

    def kind(self, query: str | bytes) -> Modality | None:
        """Return the kind of a query, words are text; None for a file that nothing decodes. Raises MediaError."""
        return "text" if isinstance(query, str) else look_at(query, self._decoders).modality

    def takes(self, space: str) -> tuple[Modality, ...]:
        """Return the kinds of queries that a space takes."""
        return self._record(self._store.serving.live_release(space)).spec.modalities

    def labels(self, space: str) -> Counter[str]:
        """Count the segments of each label of the space's items."""
        table = open_release(self._store, self._store.serving.live_release(space))
        return Counter(pc.list_flatten(read(table, ["labels"])["labels"]).to_pylist())

    def search(
        self,
        query: "str | bytes | Image | np.ndarray",
        *,
        space: str,
        k: int = 10,
        sources: Sequence[str] = (),
        label: str | None = None,
        encoder_version: str | None = None,
    ) -> list[Hit]:
        """Return the k nearest items to words, a file's bytes, a decoded picture, or a vector of this space.

        A vector needs the `encoder_version` that made it. Raises EncoderVersionError if that is not
        the live one, StoreError if the space has no live release, MediaError if a file can't be decoded,
        SettingsError for a k below 1, EncoderOutputError if the query's vector can't be compared.
        """
        if k < 1:
            raise SettingsError(f"k is {k}; it must be at least 1.")
        release = self._store.serving.live_release(space)
        vector = self._vector(query, release, encoder_version)
        table, where = open_release(self._store, release), _where(sources, label)
        if reason := unstorable([vector], table.schema.field("vector").type.value_type):  # pyright: ignore[reportAttributeAccessIssue]
            raise EncoderOutputError(
                f"The query's vector can't be compared: {reason}. Its numbers must be like those of the table."
            )
        rows = nearest_items(table, vector, release, k=k, columns=_COLUMNS, where=where)
        return [_hit(rank, row, release) for rank, row in enumerate(rows, 1)]

    def _vector(self, query: Any, release: Release, version: str | None) -> np.ndarray:
        if isinstance(query, np.ndarray):
            return _checked(query, release, version)
        record = self._record(release)
        limits = recipe_of(record, self._limits).limits
        modality, payload = query_payload(query, record.spec, limits=limits, decoders=self._decoders)
        encoder = load_version(record, compute=self._compute, store=self._store)
        prepared = encoder.prepare(modality, payload, query=True)
        limits = BatchLimits.for_device(encoder.device, tokens=None, pixels=None)
        return encode(encoder, [prepared], limits=limits)[0]

    def _record(self, release: Release) -> VersionRecord:
        record = self._store.versions.get(release.version_id)
        if record is None:
            raise StoreError(
                f"Release {release.key} is of encoder version {release.encoder_version}, which the store does not "
                "have any more. Promote another release."
            )
        return record


def _checked(vector: np.ndarray, release: Release, version: str | None) -> np.ndarray:
    if version != release.encoder_version:
        raise EncoderVersionError(
            f"The query vector is of encoder version {version or 'unknown'}; space {release.space!r} serves "
            f"{release.encoder} {release.encoder_version}. Encode the query with that version."
        )
    if vector.shape != (release.dim,):
        raise EncoderVersionError(f"The query vector has shape {vector.shape}; expected ({release.dim},).")
    return vector


def _where(sources: Sequence[str], label: str | None) -> str | None:
    parts = [one_of("source", list(sources))] if sources else []
    if label is not None:
        parts.append(f"array_has(labels, {quoted(composed(label))})")
    return " AND ".join(parts) or None


def _hit(rank: int, row: Mapping[str, Any], release: Release) -> Hit:
    distance = float(row["_distance"])
    similarity = {"cosine": 1 - distance, "dot": 1 - distance, "l2": 1 / (1 + distance)}[release.distance]
    return Hit(
        rank=rank,
        score=round(similarity, 4),
        source=row["source"],
        key=row["key"],
        uri=row["uri"],
        modality=row["modality"],
        text=row["text"],
        labels=tuple(row["labels"] or ()),
        start=row["start"],
        end=row["end"],
    )
