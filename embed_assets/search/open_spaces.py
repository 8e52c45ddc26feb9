"""Open spaces: release, table and encoder version of a space, resolved by its serving pointer and kept open."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from embed_assets.errors import NotFoundError, StoreError
from embed_assets.store.serving.nearest_rows import open_release, rows_left
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.store import Store
from embed_assets.store.upsert import quoted
from embed_assets.store.user_columns import user_columns
from embed_assets.store.versions import VersionRecord

if TYPE_CHECKING:
    from lancedb.table import Table

_FEW_VALUES = ("source", "modality", "kind")
ITEM = "item"  # the kind of a query that is a stored item
_OPEN = 16  # releases that stay open; the one used longest ago goes first


@dataclass(frozen=True)
class OpenSpace:
    """A release of a space, its table at that very version, and the encoder version that queries it."""

    release: Release
    record: VersionRecord
    table: "Table"
    live: bool

    @cached_property
    def schema(self) -> pa.Schema:
        """Schema of the table."""
        return self.table.schema

    @cached_property
    def user_columns(self) -> dict[str, pa.Field]:
        """The user's own columns by their names."""
        return user_columns(self.schema)

    @cached_property
    def constants(self) -> dict[str, str]:
        """Columns that hold one value in all rows of a large table, with it.

        Lance packs a million equal values into few pages, and takes 2 ms to read ten of them (1,000,000 rows).
        """
        if not self.release.ann:
            return {}
        search: Any = self.table.search().select(list(_FEW_VALUES)).limit(1)
        [first] = search.to_list() or [{}]
        found = {name: first[name] for name in _FEW_VALUES if first.get(name) is not None}
        return {
            name: value
            for name, value in found.items()
            if rows_left(self.table, self.release, f"{name} = {quoted(value)}") == self.release.rows
        }

    def levels(self, kind: str) -> Sequence[float]:
        """Return the similarities of random pairs for a kind of query, at score_calibration.LEVELS; empty for none."""
        calibration = self.release.calibration
        if kind != ITEM:
            return calibration.get(kind, ())
        return next((calibration[each] for each in self.record.spec.media if each in calibration), ())

    @cached_property
    def has_words(self) -> bool:
        """Whether there is a full-text index."""
        return any(index.name == "text_idx" for index in self.table.list_indices())


class OpenSpaces:
    """Releases of a store's spaces. A pointer that was read is used again for `pointer_seconds`.

    `pointers` returns them by space instead, for whoever looks at the store in the background.
    """

    def __init__(
        self,
        store: Store,
        *,
        pointer_seconds: float = 0.0,
        pointers: Callable[[], Mapping[str, Pointer]] | None = None,
    ) -> None:
        self._store = store
        self._given = pointers
        self._pointer_seconds = pointer_seconds
        self._pointers: tuple[float, dict[str, Pointer]] | None = None
        self._open: OrderedDict[str, OpenSpace] = OrderedDict()
        self._lock = threading.Lock()

    def serving(self) -> list[str]:
        """Return the names of spaces with a live release."""
        return [name for name, pointer in self._read_pointers().items() if pointer.live is not None]

    def live(self, space: str) -> OpenSpace:
        """Return the live release of a space. Raises StoreError where it serves nothing."""
        pointer = self._read_pointers().get(space)
        if pointer is None or pointer.live is None:
            return self._opened(self._store.serving.live_release(space), live=True)  # raises, naming those that serve
        try:
            return self._opened(pointer.live, live=True)
        except StoreError:
            self.forget()  # retired since the pointer was read
            return self._opened(self._store.serving.live_release(space), live=True)

    def of_version(self, space: str, version: str) -> OpenSpace:
        """Return the newest release of an encoder version in a space, live or not. Raises StoreError."""
        pointer = self._read_pointers().get(space)
        known = [*(pointer.releases if pointer else ()), *self._store.releases.all()[::-1]]
        found = [each for each in known if each.space == space and each.encoder_version == version]
        if not found:
            versions = ", ".join(dict.fromkeys(each.encoder_version for each in known if each.space == space))
            raise NotFoundError(f"Space {space!r} has no release of encoder version {version!r}. It has: {versions}.")
        live = pointer is not None and pointer.live is not None and pointer.live.key == found[0].key
        return self._opened(found[0], live=live)

    def forget(self) -> None:
        """Read the pointers and open the releases again at the next question."""
        with self._lock:
            self._pointers = None
            self._open.clear()

    def _read_pointers(self) -> Mapping[str, Pointer]:
        if self._given is not None:
            return self._given()
        now = time.monotonic()
        with self._lock:
            if self._pointers is not None and now - self._pointers[0] < self._pointer_seconds:
                return self._pointers[1]
        pointers = {pointer.space: pointer for pointer in self._store.serving.pointers()}
        with self._lock:
            self._pointers = (now, pointers)
        return pointers

    def _opened(self, release: Release, *, live: bool) -> OpenSpace:
        with self._lock:
            if (space := self._open.get(release.key)) is not None and space.release == release and space.live == live:
                self._open.move_to_end(release.key)
                return space
        record = self._store.versions.get(release.version_id)
        if record is None:
            raise StoreError(
                f"Release {release.key} is of encoder version {release.encoder_version}, which the store does not "
                "have any more. Promote another release."
            )
        space = OpenSpace(release, record, open_release(self._store, release), live)
        with self._lock:
            self._open[release.key] = space
            while len(self._open) > _OPEN:
                self._open.popitem(last=False)
        return space
