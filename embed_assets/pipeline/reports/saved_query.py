"""A saved query of the settings, as it is searched with: its Query, its words, the hash that a change of it changes."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from embed_assets.media.files.regular_file import read_query_file
from embed_assets.search.filters import Filter, FilterTree, parse_filter
from embed_assets.search.query import Query, query_of
from embed_assets.settings import SavedQuerySettings


@dataclass(frozen=True)
class SavedQuery:
    """A saved query. Its properties raise SettingsError where the settings describe none; `content` reads the file."""

    settings: SavedQuerySettings
    max_bytes: int  # of a file

    @property
    def in_words(self) -> str:
        """What is searched for, for people."""
        own = self.settings
        if own.query is not None:
            return f'"{own.query}"'
        return f"like {own.like}" if own.like is not None else Path(own.file or "").name

    @property
    def filter(self) -> FilterTree | None:
        """The filter. Raises SettingsError that names the part which is none."""
        return None if self.settings.filter is None else parse_filter(self.settings.filter)

    @cached_property
    def content(self) -> bytes | None:
        """Bytes of the file; None where words or an item are searched with."""
        return None if self.settings.file is None else read_query_file(Path(self.settings.file), self.max_bytes)

    @property
    def definition(self) -> str:
        """Hash of everything that the matches depend on beside the index: 16 hex digits."""
        own = self.settings.model_dump(mode="json", exclude={"file"})
        digest = hashlib.sha256(json.dumps(own, sort_keys=True).encode())
        digest.update(self.content or b"")
        return digest.hexdigest()[:16]

    def query(self, *, where: "Filter | None" = None) -> Query:
        """Return the query, by another filter where one is given."""
        own = self.settings
        part = {"text": own.query, "file": self.content, "item": own.like}
        return query_of(
            parts=[part],
            spaces=[own.space],
            where=self.filter if where is None else where,
            min_percentile=own.min_percentile,
            k=own.limit,
            spans=1,
        )
