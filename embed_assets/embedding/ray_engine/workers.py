"""Workers: the actors that cut media, and those that encode; each loads what it needs once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa

from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.embedding.loop import CollectedItems, Encoding, Segmenter, encode_in_memory
from embed_assets.embedding.ray_engine.blocks import (
    Cut,
    cuts_of,
    error_block,
    items_block,
    raised_in,
    rows_of,
    with_cuts,
)
from embed_assets.embedding.vectors_of_equal_input import EqualInputVectors
from embed_assets.errors import EmbedAssetsError, MediaError
from embed_assets.media.media_types import Segment
from embed_assets.store.manifest_row import ManifestRow


@dataclass(frozen=True, kw_only=True)
class LoadedEncoding:
    """What an encoding actor works with."""

    encoding: Encoding
    known: EqualInputVectors  # vectors that the table had as the actor began
    refusal: Callable[[Sequence[np.ndarray]], MediaError | None]  # why vectors can't be stored


class WorkerRecipe(Protocol):
    """How a worker makes its parts; it is pickled on its way there."""

    @property
    def encoder(self) -> str:
        """Name of the encoder."""
        ...

    @property
    def version(self) -> str:
        """Version of the encoder."""
        ...

    def cutting(self) -> AbstractContextManager[Segmenter]:
        """Lend a function from manifest rows to segments."""
        ...

    def loading(self) -> AbstractContextManager[LoadedEncoding]:
        """Lend the loaded encoder and what goes with it. Raises EncoderVersionError where its canaries moved."""
        ...


class CuttingWorker:
    """Reads, decodes and cuts the media of manifest rows, on CPUs."""

    def __init__(self, recipe: WorkerRecipe) -> None:
        self._recipe = recipe
        self._open = ExitStack()

    @cached_property
    def _segmenter(self) -> Segmenter:  # at the first block, which can say what went wrong
        return self._open.enter_context(self._recipe.cutting())

    def __call__(self, block: pa.Table) -> pa.Table:
        """Add the column `cut` to a block of rows."""
        try:
            return with_cuts(block, [self._cut(row) for row in rows_of(block)])
        except EmbedAssetsError as error:
            return with_cuts(block, error)

    def _cut(self, row: ManifestRow) -> Cut:
        segments: list[Segment] = []
        try:
            segments.extend(self._segmenter(row))
        except MediaError as error:
            return Cut((), error)
        return Cut(segments, None)


class EncodingWorker:
    """Encodes the items of manifest rows, cut already or not, as the local engine does."""

    def __init__(self, recipe: WorkerRecipe) -> None:
        self._recipe = recipe
        self._open = ExitStack()

    @cached_property
    def _loaded(self) -> LoadedEncoding:
        return self._open.enter_context(self._recipe.loading())

    def __call__(self, block: pa.Table) -> pa.Table:
        """Return a block of finished items, one for each row, and the report of what was done."""
        report = EmbedReport(encoder=self._recipe.encoder, version=self._recipe.version)
        if (error := raised_in(block)) is not None:
            return error_block(block, error, report)
        try:
            return self._encoded(block, report)
        except EmbedAssetsError as error:
            return error_block(block, error, report)

    def _encoded(self, block: pa.Table, report: EmbedReport) -> pa.Table:
        rows, loaded = rows_of(block), self._loaded
        encoding = loaded.encoding
        if "cut" in block.column_names:
            encoding = replace(encoding, segmenter=_as_cut(rows, cuts_of(block)))
        kept = CollectedItems(loaded.refusal)
        encode_in_memory(rows, encoding, report=report, keep=kept, known=loaded.known)
        return items_block(kept.encoded, kept.failed, report, dim=encoding.encoder.dim)


def _as_cut(rows: Sequence[ManifestRow], cuts: Sequence[Cut]) -> Segmenter:
    by_id = {row["media_id"]: cut for row, cut in zip(rows, cuts, strict=True)}

    def segments(row: ManifestRow) -> Iterator[Segment]:
        cut = by_id[row["media_id"]]
        yield from cut.segments
        if cut.error is not None:
            raise cut.error

    def each(row: ManifestRow) -> Iterable[Segment]:
        return segments(row)

    return each
