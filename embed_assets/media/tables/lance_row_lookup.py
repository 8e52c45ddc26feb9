"""RowLookup: the bytes of single rows of a Lance dataset, read in place instead of from a copy."""

import threading
from array import array
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.cells.cell_values import as_text
from embed_assets.media.hashing import text_hash
from embed_assets.media.kinds.decoder_plugins import media_hash
from embed_assets.media.tables.open_table import Rows


class RowLookup:
    """Contents by row id, after one scan of the id column: 16 bytes of memory a row. For several threads."""

    def __init__(self, dataset: Rows, *, id: str, content: str) -> None:
        self._dataset = dataset
        self._id = id
        self._content = content
        self._lock = threading.Lock()
        self._index: tuple[Any, Any] | None = None

    def data(self, row_id: str, content_hash: str, *, read_as: str) -> bytes | None:
        """Return the bytes of the row with this id; None for rows without an id of their own, named by content.

        Raises MediaError "vanished" where the row was deleted or changed.
        """
        import numpy as np

        shorts, places = self._places()
        short = np.uint64(_short(row_id))
        at = int(np.searchsorted(shorts, short))
        while at < len(shorts) and shorts[at] == short:
            data = self._dataset.value_at(int(places[at]), self._content)
            if data is not None and media_hash(data, read_as) == content_hash:
                return data
            at += 1
        if "~" in row_id or row_id.startswith(content_hash[:16]):
            return None
        raise MediaError("vanished", f"row {row_id} was deleted or changed: refresh the source")

    def _places(self) -> tuple[Any, Any]:
        import numpy as np

        with self._lock:
            if self._index is None:
                hashes = array("Q", (_short(_name(row, self._id)) for _, row in self._dataset.records([self._id])))
                shorts = np.array(hashes, np.uint64)
                order = np.argsort(shorts, kind="stable")
                self._index = shorts[order], order
            return self._index


def _name(row: Any, column: str) -> str:
    return as_text(row[column]) or ""


def _short(row_id: str) -> int:
    return int(text_hash(row_id)[:16], 16)
