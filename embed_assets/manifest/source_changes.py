"""SourceChanges: differences between a source's listing and its manifest, found by columns."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.manifest.entry import Entry
from embed_assets.manifest.inspect_files import ListedSource
from embed_assets.manifest.listing_diff import COLUMNS, ListingDiff
from embed_assets.manifest.stored_rows import StoredRows, in_one_piece
from embed_assets.manifest.unreachable_items import (
    UnreachableItems,
    still_unreadable,
    unreachable_as_text,
    unreachable_by_listing,
    unreachable_by_reading,
    unread_folder,
)
from embed_assets.media.files.redacted_uri import place_of
from embed_assets.media.files.unreachable import KEPT, Away
from embed_assets.media.kinds.decoder_plugins import plugin_fingerprint
from embed_assets.media.media_types import PLAIN, ListedFile
from embed_assets.media.text.documents import DOCX, PDF
from embed_assets.store.manifest import Manifest
from embed_assets.store.manifest_row import owner
from embed_assets.store.source_state import SourceState

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

# Of the manifest: what is compared of rows of tables, and of files.
_OF_TABLES = ("key", "table_key", "status", "reason", "mime", "modality", "decoder")
_COMPARED = (*_OF_TABLES, *(name for name in COLUMNS if name != "key"))
_TRANSIENT_REASONS = ("vanished", *sorted(KEPT))  # reasons that may not hold at the next refresh


@dataclass(frozen=True, kw_only=True)
class SourceChanges:
    """Differences between a listing and its manifest."""

    listed: ListedSource
    to_read: Sequence[ListedFile]
    metadata_changed: Sequence[ListedFile]  # unread files whose caption, labels or columns changed
    missing: pa.Table  # key and table_key of manifest rows that are not in the listing, or are in tables that changed
    version: int  # of the manifest's table that was compared
    item_count: int  # items of the manifest, changed or not
    marks: Mapping[str, str]  # of all tables
    unreachable: Sequence[UnreachableItems]  # by the listing
    still_unreadable: Sequence[Away]  # unreadable before and now
    previous_unreachable: str  # of the latest refresh, as text
    previous_columns: str  # as of user_column_counts

    def stored(self, manifest: Manifest) -> StoredRows:
        """Return all rows of the manifest, those of the files to read and the missing ones to be looked for.

        Of a table that changed these are all its rows.
        """
        rows = in_one_piece(manifest.table([self.listed.name], version=self.version))
        files = pa.array([file.key for file in (*self.to_read, *self.metadata_changed)], pa.string())
        missing = pc.is_in(rows["key"], value_set=self.missing["key"].combine_chunks())
        chosen = pc.or_(missing, pc.is_in(rows["key"], value_set=files))
        live = pc.not_equal(rows["status"], "deleted")
        return StoredRows(rows, chosen=pc.and_(chosen, live), may_be_missing=missing)

    @property
    def has_changes(self) -> bool:
        """Whether a file is new, missing or changed, or its metadata, or other places are unreachable than before."""
        changed = self.to_read or self.metadata_changed or self.missing.num_rows
        return bool(changed) or unreachable_as_text(self.all_unreachable()) != self.previous_unreachable

    def all_unreachable(self, read: Sequence[Entry] = ()) -> list[UnreachableItems]:
        """Return unreachable items, those among the entries that were just read included."""
        return [*self.unreachable, *unreachable_by_reading(read, self.listed.away, self.still_unreadable)]


def find_changes(listed: ListedSource, manifest: Manifest) -> SourceChanges:
    """Compare listing and manifest by columns: unchanged files never become objects.

    Reads no media, but tries files that could not be read before.
    """
    state = manifest.state(listed.name)
    listed = replace(listed, decoders=_decoders(state))
    return _Comparison(listed, manifest, state).changes()


class _Comparison:
    """One comparison. Of unchanged tables no row is looked at."""

    def __init__(self, listed: ListedSource, manifest: Manifest, state: SourceState) -> None:
        self._listed = listed
        self._state = state
        self._previous_marks = manifest.table_marks(listed.name)
        self._manifest = manifest
        self._version = manifest.version
        self._still: list[Away] = []  # unreadable before and now

    def changes(self) -> SourceChanges:
        listed, previous = self._listed, self._state.unreachable
        rows = self._live_rows()
        item_count = rows.num_rows
        keys = rows.select(["key", "table_key"]).to_pylist() if listed.unread else []
        unreachable, rows = unreachable_by_listing(listed, keys), _below_read_folders(listed, rows, keys)
        # Of an unreadable table nothing is known: neither that it is unchanged, nor that its rows are missing.
        shut = still_unreadable(listed, self._unmarked_tables(rows) if previous else (), previous)
        marks, unchanged, rows = self._marks(rows, shut)
        away = set(rows["key"].to_pylist()).intersection(listed.away) if listed.away else set[str]()
        skipped = unchanged | away | shut.keys()
        files = [file for file in listed.files if file.key not in skipped] if skipped else listed.files
        if away:
            rows = rows.filter(pc.invert(pc.is_in(rows["key"], value_set=pa.array(sorted(away), pa.string()))))
        # A table is no item, unless it is unreadable: a row of its own key is missing until it is read again.
        tables = {file.key: file for file in files if listed.is_table(file)} if listed.tables is not None else {}
        diff = ListingDiff([f for f in files if f.key not in tables] if tables else files, listed.annotations, rows)
        to_read = self._files_to_read(diff, files, tables, rows)
        metadata_changed = [file for file in diff.metadata_changed if file.key not in to_read]
        return SourceChanges(
            listed=listed,
            to_read=list(to_read.values()),
            metadata_changed=metadata_changed,
            missing=diff.missing,
            item_count=item_count,
            version=self._version,
            marks=marks,
            unreachable=unreachable,
            still_unreadable=self._still,
            previous_unreachable=previous,
            previous_columns=self._state.columns,
        )

    def _live_rows(self) -> pa.Table:
        """Return the manifest's rows that are not deleted, with the columns that are compared."""
        listed = self._listed
        columns = _OF_TABLES if all(map(listed.is_table, listed.files)) else _COMPARED
        return _live(self._manifest.table([listed.name], columns=columns, version=self._version))

    def _files_to_read(
        self, diff: ListingDiff, files: Sequence[ListedFile], tables: Mapping[str, ListedFile], rows: pa.Table
    ) -> dict[str, ListedFile]:
        """Return the files to read by key: of another stat, for other plugins or encodings, or readable again."""
        previous = self._state.unreachable
        edited = set(rows["key"].to_pylist()) if previous else set[str]()
        candidates = [file for file in diff.stat_changed if file.key in edited]
        shut = still_unreadable(self._listed, candidates, previous)
        self._still += shut.values()
        to_read = {file.key: file for file in diff.stat_changed if file.key not in shut} | dict(tables)
        redetected = self._to_detect_again(rows) - shut.keys()
        to_read |= {file.key: file for file in files if file.key in redetected} if redetected else {}
        return to_read | self._readable_again(files, rows, skipped=shut.keys() | to_read.keys())

    def _readable_again(
        self, files: Sequence[ListedFile], rows: pa.Table, *, skipped: Collection[str]
    ) -> dict[str, ListedFile]:
        """Return the files, by key, that could not be read and can be now, though their stat is unchanged."""
        transient = pc.is_in(rows["reason"], value_set=pa.array(_TRANSIENT_REASONS, pa.string()))
        reasons = {row["key"]: row["reason"] for row in rows.select(["key", "reason"]).filter(transient).to_pylist()}
        waiting = [file for file in files if file.key in reasons and file.key not in skipped] if reasons else []
        readable: dict[str, ListedFile] = {}
        for file, fault in zip(waiting, self._listed.faults(waiting), strict=True):
            if fault is None:
                readable[file.key] = file
            elif reasons[file.key] in KEPT:
                self._still.append(Away(place_of(file.uri), reasons[file.key]))
        return readable

    def _to_detect_again(self, rows: pa.Table) -> set[str]:
        """Return the keys of rows that other plugins, or another encoding in the settings, may read as other items."""
        other_plugins = self._state.decoders != self._listed.decoders
        other_encoding = self._state.encoding != (self._listed.encoding or "")
        if not (other_plugins or other_encoding):
            return set()
        return {
            row["key"]
            for row in rows.select(["key", "mime", "modality", "status", "decoder", "table_key"]).to_pylist()
            if (other_plugins and _depends_on_plugins(row)) or (other_encoding and _depends_on_encoding(row))
        }

    def _marks(self, rows: pa.Table, shut: Mapping[str, Away]) -> tuple[dict[str, str], set[str], pa.Table]:
        """Return the mark of every table, the keys of unchanged tables, and the rows of all others.

        Tables below a folder that could not be listed keep their marks; unreadable ones (`shut`) have none.
        """
        listed, previous = self._listed, self._previous_marks
        below_unread = {key: mark for key, mark in previous.items() if unread_folder(key, listed.unread)}
        marks = {file.key: listed.mark(file) for file in listed.files if listed.is_table(file)}
        if not marks:
            return below_unread, set(), rows
        owners = _owners(rows)
        self._still += [shut[name] for name in owners.filter(_among(owners, shut)).to_pylist()] if shut else []
        # An unreadable table has one row, its own.
        of_tables = pc.or_(_filled(rows["table_key"]), pc.not_equal(rows["status"], "ok"))
        with_rows = set(pc.unique(owners.filter(of_tables)).to_pylist())
        unchanged = {key for key, mark in marks.items() if previous.get(key) == mark and key in with_rows}
        others = pc.invert(_among(owners, unchanged | shut.keys()))
        marks = {key: mark for key, mark in marks.items() if key not in shut}
        return marks | below_unread, unchanged, rows.filter(others)

    def _unmarked_tables(self, rows: pa.Table) -> list[ListedFile]:
        """Return tables with rows but without a mark: they could not be read."""
        listed = self._listed
        unmarked = [file for file in listed.files if listed.is_table(file) and file.key not in self._previous_marks]
        owners = set(pc.unique(_owners(rows)).to_pylist()) if unmarked else set[str]()
        return [file for file in unmarked if file.key in owners]


def _live(rows: pa.Table) -> pa.Table:
    return rows.filter(pc.not_equal(rows["status"], "deleted"))


def _owners(rows: pa.Table) -> Any:
    """Return the key of the file that each row is, or is in."""
    return pc.if_else(_filled(rows["table_key"]), rows["table_key"], rows["key"])


def _filled(column: Any) -> Any:
    """Return where a text is neither null nor empty."""
    return pc.not_equal(pc.fill_null(column, ""), "")


def _among(column: Any, names: Collection[str]) -> Any:
    return pc.is_in(column, value_set=pa.array(sorted(names), pa.string()))


def _below_read_folders(listed: ListedSource, rows: pa.Table, keys: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return the rows but for those below folders that could not be listed; `keys` are theirs and their tables'."""
    if not listed.unread:
        return rows
    return rows.filter(pa.array([unread_folder(owner(row), listed.unread) is None for row in keys], pa.bool_()))


def _decoders(state: SourceState) -> str:
    """Return the installed decoder plugins; while one is broken those of the latest refresh.

    Then they count as unchanged: its files keep their rows until it works again.
    """
    fingerprint = plugin_fingerprint()
    return state.decoders if fingerprint is None else fingerprint


def _depends_on_plugins(row: Mapping[str, Any]) -> bool:
    """Return whether other decoder plugins may read another item from a file."""
    plain = row["mime"] == PLAIN and row["table_key"] is None
    return row["status"] == "quarantined" or plain or bool(row["decoder"])


def _depends_on_encoding(row: Mapping[str, Any]) -> bool:
    """Return whether another encoding in the settings may read another text from a file."""
    return row["status"] == "quarantined" or (row["modality"] == "text" and row["mime"] not in (PDF, DOCX))
