"""Entry: an item of a listing, a file or a row of a table, as it was read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from embed_assets.media.media_types import ListedFile


@dataclass(frozen=True, slots=True)
class FileProbe:
    """Facts from reading an item's bytes; `reason` is why the item can't be used."""

    content_hash: str
    mime: str | None
    modality: str | None
    reason: str | None
    decoder: str = ""  # as in Sniffed
    charset: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of the listing. `probe` is None where it was not read."""

    file: ListedFile
    probe: FileProbe | None
    annotation: Mapping[str, Any]  # columns of the manifest
    table_key: str | None = None  # of a table's row
    row_stamp: str | None = None  # of a row with an etag of its own, in place of the table's


def stored_annotation(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotation of an item in its manifest row."""
    return {name: row[name] for name in ("caption", "labels", "extra")}
