"""StoredRows: the manifest rows that a listing is compared with, by columns: few of them become objects."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.store.manifest_row import ManifestRow

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_SLICE = 65_536  # keys that are Python objects at one time
_OBJECTS = 1024  # rows that are


class KeyPlaces:
    """Places of keys in a column, the last of equal ones: 16 bytes a key, where a dictionary takes a hundred."""

    def __init__(self, keys: Any) -> None:
        """`keys`: a column of texts, without nulls."""
        self._keys = _combined(keys)
        hashes = _hashes(self._keys)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def of(self, keys: Any) -> np.ndarray:
        """Return the place of each key: int64, (len(keys),); -1 for one that is not there."""
        wanted = _combined(keys)
        hashes = _hashes(wanted)
        if not len(self._hashes) or not len(hashes):
            return np.full(len(hashes), -1, np.int64)
        at = np.searchsorted(self._hashes, hashes, side="right") - 1
        places = np.where((at >= 0) & (self._hashes[at] == hashes), self._order[at], -1)
        hits = np.flatnonzero(places >= 0)
        equal = pc.equal(self._keys.take(pa.array(places[hits])), wanted.take(pa.array(hits)))
        for wrong in hits[~equal.to_numpy(zero_copy_only=False)].tolist():  # another key of the same hash
            places[wrong] = self._before(int(at[wrong]), wanted[wrong])
        return places

    def __contains__(self, key: str) -> bool:
        """Return whether one key is there: without arrays, in a hundredth of the time that `of` takes for it."""
        wanted = hash(key)
        at = int(self._hashes.searchsorted(wanted, side="right")) - 1
        return at >= 0 and self._hashes[at] == wanted and self._before(at, pa.scalar(key, self._keys.type)) >= 0

    def _before(self, at: int, key: Any) -> int:
        """Return the place of a key among those of equal hash."""
        before = at
        while before >= 0 and self._hashes[before] == self._hashes[at]:
            if self._keys[int(self._order[before])] == key:
                return int(self._order[before])
            before -= 1
        return -1


class StoredRows:
    """Rows of the manifest, found by key; those that are found again are noted. Places are those in `rows`."""

    def __init__(self, rows: pa.Table, *, chosen: Any, may_be_missing: Any) -> None:
        """`rows`: of the manifest, each column in one piece. `chosen`: a mask of the rows that are looked for.

        `may_be_missing`: a mask of those that are missing unless they are found.
        """
        self.rows = rows
        self._chosen = _places(chosen)
        self._may_be_missing = _mask(may_be_missing)
        self._found = np.zeros(rows.num_rows, bool)

    def places(self, keys: Any) -> np.ndarray:
        """Return the place of each key: int64, (len(keys),); -1 where no row has it."""
        among = self._by_key.of(keys)
        return np.where(among >= 0, self._chosen[among], -1) if len(self._chosen) else among

    def note(self, places: np.ndarray) -> None:
        """Note that rows were found; places below 0 are none."""
        self._found[places[places >= 0]] = True

    def note_table(self, table_key: str) -> None:
        """Note all rows of a table: none of them is missing."""
        self._found |= _mask(pc.equal(self.rows["table_key"], table_key))

    def of(self, keys: Sequence[str]) -> list[ManifestRow | None]:
        """Return the row of each key, or None; the rows are noted."""
        places = self.places(pa.array(keys, pa.string()))
        self.note(places)
        rows = iter(cast("list[ManifestRow]", self.rows.take(pa.array(places[places >= 0])).to_pylist()))
        return [next(rows) if place >= 0 else None for place in places.tolist()]

    def missing(self) -> list[ManifestRow]:
        """Return the rows that may be missing and were not found."""
        lost = np.zeros(self.rows.num_rows, bool)
        lost[self._chosen] = True
        lost &= self._may_be_missing & ~self._found
        return cast("list[ManifestRow]", self.rows.filter(pa.array(lost)).to_pylist())

    def of_table(self, table_key: str) -> Iterator[ManifestRow]:
        """Yield the rows of one table that are looked for, some at a time."""
        own = self._chosen[_mask(pc.equal(self.rows["table_key"], table_key))[self._chosen]]
        for start in range(0, len(own), _OBJECTS):
            yield from cast("list[ManifestRow]", self.rows.take(pa.array(own[start : start + _OBJECTS])).to_pylist())

    @cached_property
    def stamps(self) -> Mapping[str, tuple[str | None, str | None]]:
        """The etag and row stamp of each row, by key."""
        chosen = self.rows.select(["key", "etag", "row_stamp"]).take(pa.array(self._chosen))
        columns = (chosen[name].to_pylist() for name in ("key", "etag", "row_stamp"))
        return {key: (etag, stamp) for key, etag, stamp in zip(*columns, strict=True)}

    @cached_property
    def _by_key(self) -> KeyPlaces:
        return KeyPlaces(self.rows["key"].take(pa.array(self._chosen)))


def in_one_piece(table: pa.Table) -> pa.Table:
    """Return a table each of whose columns is one piece: pieces would be joined at every look-up."""
    columns, schema = [], table.schema
    while table.num_columns:  # one column after another: never all of them twice
        columns.append(table.column(0).combine_chunks())
        table = table.remove_column(0)
    return pa.Table.from_arrays(columns, schema=schema)


def _mask(values: Any) -> np.ndarray:
    """Return a mask as bool, (len(values),); false for null."""
    return np.asarray(pc.fill_null(values, False), bool)


def _places(mask: Any) -> np.ndarray:
    return np.flatnonzero(_mask(mask))


def _combined(column: Any) -> Any:
    """Return a column as one array; 32 bits of offsets hold two gigabytes of texts only."""
    if isinstance(column, pa.ChunkedArray):
        column = column.cast(pa.large_string()).combine_chunks()
        return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
    return column.cast(pa.large_string())


def _hashes(keys: Any) -> np.ndarray:
    """Return Python's hash of each text: int64, (len(keys),)."""
    hashes = np.empty(len(keys), np.int64)
    for start in range(0, len(keys), _SLICE):
        part = keys.slice(start, _SLICE).to_pylist()
        hashes[start : start + len(part)] = np.fromiter(map(hash, part), np.int64, len(part))
    return hashes
