"""Unrelated texts: queries in words, of which almost every item of a table has nothing to do with each."""

import hashlib
from typing import TYPE_CHECKING

from embed_assets.quality.queries.held_out_queries import evenly, span_of
from embed_assets.store.upsert import evenly_spread

if TYPE_CHECKING:
    from lancedb.table import Table

_LOOKED_AT = 2048  # rows
# For tables whose items have neither texts, captions nor labels.
_PHRASES = (
    "a person", "a dog in the snow", "an old car", "a bowl of fruit", "a map of a city", "a red flower",
    "people on a beach", "a page of text", "a mountain lake", "a birthday party", "an aeroplane", "a wooden chair",
    "rain on a window", "a cat asleep", "a plate of food", "a bridge at night", "a green field", "a drawing of a house",
    "a crowded street", "a computer screen", "a child playing football", "a ship at sea", "a glass of water",
    "a train station", "snow on trees", "a bird in flight", "a brick wall", "a hand holding a pen", "a bicycle",
    "an empty room", "a church tower", "sunset over hills", "a horse in a meadow", "a pair of shoes", "a loud noise",
    "music with drums",
)  # fmt: skip


def unrelated_texts(table: "Table", count: int) -> dict[str, str]:
    """Return up to `count` queries by the segment that each is made of, with a number behind where it is of none."""
    rows = evenly_spread(table, ["segment_id", "kind", "text", "labels"], _LOOKED_AT).to_pylist()
    chunks = [row for row in rows if row["kind"] == "chunk"]
    spans = {row["segment_id"]: span_of(row["text"] or "", seed=_seed(row)) for row in evenly(chunks, count)}
    captions = {row["segment_id"]: row["text"] for row in evenly([row for row in rows if row["text"]], count)}
    labels = {label: f"{row['segment_id']}#{label}" for row in rows for label in row["labels"] or ()}
    for texts in (spans, captions, {name: label for label, name in labels.items()}):
        found = {name: text for name, text in texts.items() if text and text.strip()}
        if len(found) >= count // 4:
            return dict(list(found.items())[:count])
    return {f"phrase:{number}": text for number, text in enumerate(_PHRASES)}


def _seed(row: dict[str, str]) -> int:
    return int(hashlib.sha256(row["segment_id"].encode()).hexdigest()[:8], 16)
