"""Kept matches: what a saved query had matched when it was last reported, a file of each beside the tables."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from embed_assets.errors import StoreError
from embed_assets.store.open_database import Database

FOLDER = "saved_queries"  # of the store: a file a saved query, replaced as a whole


@dataclass(frozen=True, kw_only=True)
class KeptMatch:
    """An item that matched."""

    name: str  # SOURCE/KEY
    since: str  # ISO time of the report that had it first


@dataclass(frozen=True, kw_only=True)
class KeptMatches:
    """What was last reported of a saved query."""

    definition: str  # hash of the query as the settings had it; "" where nothing could be matched yet
    release: str  # that was searched
    at: str  # ISO time
    items: Mapping[str, KeptMatch] = field(default_factory=dict)  # by media id


def matches_file(name: str) -> str:
    """Return the path of a saved query's file below the store."""
    return f"{FOLDER}/{name}.json"


def read_matches(database: Database, name: str) -> KeptMatches | None:
    """Return what is kept of a saved query; None before its first report. Raises StoreError for a damaged file."""
    fs, folder = database.files()
    try:
        document = json.loads(fs.cat_file(f"{folder.rstrip('/')}/{matches_file(name)}"))
        items = {media_id: KeptMatch(**item) for media_id, item in document.pop("items").items()}
        return KeptMatches(**document, items=items)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{matches_file(name)} of store {database.uri!r} can't be read: {error}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(
            f"{matches_file(name)} of store {database.uri!r} is damaged: {error}. Delete that file: the next report "
            "counts all matches as its first ones."
        ) from error


def keep_matches(database: Database, name: str, matches: KeptMatches) -> None:
    """Replace what is kept. Raises StoreError where the store can't be written."""
    document: dict[str, Any] = asdict(matches)
    database.write_file(matches_file(name), json.dumps(document))
