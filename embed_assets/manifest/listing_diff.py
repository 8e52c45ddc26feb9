"""ListingDiff: a listing compared with the manifest's rows, by columns: unchanged files never become objects."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.media.media_types import ListedFile
from embed_assets.media.tables.sidecar import Annotations
from embed_assets.store.manifest import annotated

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

COLUMNS = ("key", "uri", "size", "mtime", "etag", "caption", "labels", "extra")  # of the manifest, that are compared

_BETWEEN = "\x1f"  # labels, joined to one text


class ListingDiff:
    """Differences between files of a listing and manifest rows that are not deleted; with `COLUMNS` where files are."""

    def __init__(self, files: Sequence[ListedFile], annotations: Annotations, rows: pa.Table) -> None:
        self._files = files
        self._annotations = annotations
        self._rows = rows
        self._keys = pa.array([file.key for file in files], pa.string())

    @cached_property
    def stat_changed(self) -> list[ListedFile]:
        """Files that are new, or of another size, time or etag than their row."""
        return self._chosen(pc.invert(self._same_stat)) if self._files else []

    @cached_property
    def metadata_changed(self) -> list[ListedFile]:
        """Files of equal stat whose address, caption, labels or user columns changed."""
        return self._chosen(pc.and_(self._same_stat, pc.invert(self._same_metadata))) if self._files else []

    @cached_property
    def missing(self) -> pa.Table:
        """The key and table_key of rows that are not in the listing."""
        keys = self._rows.select(["key", "table_key"])
        return keys.filter(pc.invert(pc.is_in(keys["key"], value_set=self._keys)))

    def _chosen(self, mask: Any) -> list[ListedFile]:
        if not len(mask):  # pyarrow before 24 crashes where a column has no chunk
            return []
        return [self._files[place] for place in pc.indices_nonzero(mask).to_pylist()]

    @cached_property
    def _rows_of_files(self) -> pa.Table:
        """The row of each file, in the listing's order; nulls where it has none."""
        places = pc.index_in(self._keys, value_set=self._rows["key"].combine_chunks())
        return self._rows.select(COLUMNS).take(places)

    @cached_property
    def _same_stat(self) -> Any:
        rows, files = self._rows_of_files, self._files
        size = _equal(rows["size"], pa.array([file.size for file in files], pa.int64()))
        mtime = _equal(rows["mtime"], pa.array([file.mtime for file in files], pa.float64()))
        etag = _equal(rows["etag"], pa.array([file.etag for file in files], pa.string()))
        return pc.and_(size, pc.and_(mtime, etag))

    @cached_property
    def _same_metadata(self) -> Any:
        rows, files = self._rows_of_files, self._files
        uri = _equal(rows["uri"], pa.array([file.uri for file in files], pa.string()))
        caption, labels, extra = (pc.fill_null(each, "") for each in self._metadata(rows))
        if self._annotations.silent:
            return _all(uri, pc.equal(caption, ""), pc.equal(labels, ""), pc.equal(extra, ""))
        annotations = [annotated(self._annotations.of(file.key)) for file in files]
        return _all(
            uri,
            _equal(caption, pa.array([each["caption"] or "" for each in annotations], pa.string())),
            _equal(labels, pa.array([_BETWEEN.join(each["labels"]) for each in annotations], pa.string())),
            _equal(extra, pa.array([each["extra"] or "" for each in annotations], pa.string())),
        )

    def _metadata(self, rows: pa.Table) -> tuple[Any, Any, Any]:
        return rows["caption"], pc.binary_join(rows["labels"], _BETWEEN), rows["extra"]


def _equal(left: Any, right: Any) -> Any:
    """Return where both are equal; not where one is null."""
    return pc.fill_null(pc.equal(left, right), False)


def _all(first: Any, *others: Any) -> Any:
    """Return where all masks hold."""
    for mask in others:
        first = pc.and_(first, mask)
    return first
