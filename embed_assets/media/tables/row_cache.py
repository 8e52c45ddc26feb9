"""RowCache: the contents of tables by content hash; each table is read once into a temporary file."""

import threading
from collections import OrderedDict

from embed_assets.errors import MediaError
from embed_assets.media.tables.content_file import ContentFile
from embed_assets.media.tables.rows_as_items import Tables

_OPEN = 4  # tables cached at one time; the least recently used is dropped


class RowCache:
    """Contents by table and content hash, in any order, with each table parsed once.

    Takes 20 bytes of memory a row, and the contents' size in the folder for temporary files (TMPDIR). May be used from
    several threads. `changed` has contents that this run's refresh read already: a table is read for the others alone.
    """

    def __init__(self, tables: Tables, changed: ContentFile | None = None) -> None:
        self._tables = tables
        self._changed = changed
        self._files: OrderedDict[str, ContentFile | MediaError] = OrderedDict()
        self._lock = threading.Lock()

    def text(self, key: str, content_hash: str) -> str:
        """Return the text of this hash. Raises MediaError "vanished", or the table's own error."""
        return self.data(key, content_hash).decode()

    def data(self, key: str, content_hash: str, *, read_as: str = "") -> bytes:
        """Return the bytes of this hash, that `read_as` is part of (`media_hash`). Raises as `text`."""
        known = self._changed.get(content_hash, read_as) if self._changed is not None else None
        if known is not None:
            return known
        contents = self._opened(key)
        if isinstance(contents, MediaError):
            raise MediaError(contents.reason, f"{key}: {contents}")
        data = contents.get(content_hash, read_as)
        if data is None:
            raise MediaError("vanished", f"{key} has no row of that content any more: refresh the source")
        return data

    def _opened(self, key: str) -> ContentFile | MediaError:
        with self._lock:
            if key not in self._files:
                try:
                    self._files[key] = self._read(key)
                except MediaError as error:  # cached as well: every row of the table would get it
                    self._files[key] = error
            self._files.move_to_end(key)
            while len(self._files) > _OPEN:
                self._files.popitem(last=False)
            return self._files[key]

    def _read(self, key: str) -> ContentFile:
        contents = ContentFile()
        for content_hash, data in self._tables.contents(key):
            contents.add(content_hash, data)
        return contents
