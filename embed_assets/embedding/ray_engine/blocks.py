"""Blocks: items on their way to Ray's workers and back, as Arrow tables."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from embed_assets.embedding.commit_writer import EncodedItem, FailedItem
from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.errors import EmbedAssetsError, MediaError
from embed_assets.media.media_types import Segment
from embed_assets.store.manifest_row import ManifestRow

_RAISED = "raised"  # a column


@dataclass(frozen=True, slots=True)
class Cut:
    """An item's segments as far as they could be cut, and why no further."""

    segments: Sequence[Segment]
    error: MediaError | None


def rows_block(rows: Sequence[ManifestRow]) -> pa.Table:
    """Return manifest rows as a block: media_id, and the row pickled."""
    return pa.table({"media_id": [row["media_id"] for row in rows], "row": [pickle.dumps(dict(row)) for row in rows]})


def rows_of(block: pa.Table) -> list[ManifestRow]:
    """Return the manifest rows of a block."""
    return [pickle.loads(row) for row in block["row"].to_pylist()]


def with_cuts(block: pa.Table, cuts: Sequence[Cut] | EmbedAssetsError) -> pa.Table:
    """Add what the rows' media was cut into, payloads included, or the error that ended it."""
    raised = cuts if isinstance(cuts, EmbedAssetsError) else None
    some = [Cut((), None)] * len(block) if isinstance(cuts, EmbedAssetsError) else cuts
    packed = [pickle.dumps((list(cut.segments), _packed(cut.error))) for cut in some]
    block = block.append_column("cut", pa.array(packed, pa.large_binary()))
    return block.append_column(_RAISED, _raised(raised, len(block)))


def cuts_of(block: pa.Table) -> list[Cut]:
    """Return what was cut, in the order of the block."""
    unpacked = (pickle.loads(cut) for cut in block["cut"].to_pylist())
    return [Cut(segments, _unpacked(error)) for segments, error in unpacked]


def items_block(
    encoded: Sequence[EncodedItem], failed: Sequence[FailedItem], report: EmbedReport, *, dim: int
) -> pa.Table:
    """Return finished items: media_id, segments, vectors (float32, dim) and error; the report is in the first row."""
    ids = [item.row["media_id"] for item in (*encoded, *failed)]
    vectors = [np.stack(item.vectors) if len(item.vectors) else np.zeros((0, dim), np.float32) for item in encoded]
    counts = [len(each) for each in vectors] + [0] * len(failed)
    flat = np.concatenate(vectors).astype(np.float32).reshape(-1) if vectors else np.zeros(0, np.float32)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    segments = [[replace(segment, payload=None) for segment in item.segments] for item in encoded]
    return pa.table(
        {
            "media_id": ids,
            "segments": pa.array([*map(pickle.dumps, segments), *[None] * len(failed)], pa.large_binary()),
            "vectors": pa.ListArray.from_arrays(offsets, pa.FixedSizeListArray.from_arrays(pa.array(flat), dim)),
            "error": pa.array(
                [None] * len(encoded) + [pickle.dumps(_packed(each.error)) for each in failed], pa.binary()
            ),
            "report": pa.array([pickle.dumps(report), *[None] * (len(ids) - 1)][: len(ids)], pa.binary()),
            _RAISED: _raised(None, len(ids)),
        }
    )


def error_block(block: pa.Table, error: EmbedAssetsError, report: EmbedReport, *, dim: int = 1) -> pa.Table:
    """Return, in place of finished items, the error that ended them: of a raised one Ray keeps the text alone."""
    empty = items_block([], [], report, dim=dim).schema.empty_table()
    columns = {name: pa.nulls(len(block), empty.schema.field(name).type) for name in empty.column_names}
    return pa.table({**columns, "media_id": block["media_id"], _RAISED: _raised(error, len(block))})


def raised_in(block: pa.Table) -> EmbedAssetsError | None:
    """Return the error that ended a block's items, or None."""
    found = block[_RAISED].drop_null().to_pylist() if _RAISED in block.column_names else []
    if not found:
        return None
    kind, message = pickle.loads(found[0])
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    return error


def _raised(error: EmbedAssetsError | None, count: int) -> pa.Array:
    packed = None if error is None else pickle.dumps((type(error), str(error)))
    return pa.array([packed] * count, pa.binary())


def items_of(block: pa.Table, rows: dict[str, ManifestRow]) -> Iterator[EncodedItem | FailedItem]:
    """Yield the finished items of a block; `rows` are the manifest rows by media id."""
    for place, found in enumerate(block.select(["media_id", "segments", "error"]).to_pylist()):
        row = rows[found["media_id"]]
        if found["error"] is not None:
            error = _unpacked(pickle.loads(found["error"]))
            assert error is not None, "only failed items have one"
            yield FailedItem(row, error)
            continue
        vectors = block["vectors"][place].values
        stacked = np.asarray(vectors.flatten()).reshape(len(vectors), -1)
        yield EncodedItem(row, pickle.loads(found["segments"]), list(stacked))


def reports_of(block: pa.Table) -> Iterator[EmbedReport]:
    """Yield the reports of a block."""
    for packed in block["report"].drop_null().to_pylist():
        yield pickle.loads(packed)


def _packed(error: MediaError | None) -> tuple[str, str, bool] | None:
    """Return what the error is made of: by itself it is not restored."""
    return None if error is None else (error.reason, str(error).removeprefix(f"{error.reason}: "), error.again)


def _unpacked(packed: tuple[str, str, bool] | None) -> MediaError | None:
    if packed is None:
        return None
    reason, detail, again = packed
    return MediaError(reason, "" if detail == reason else detail, again=again)
