"""Media cut for a test: the facts and the recipe by name."""

from typing import Any

from embed_assets.media.media_types import MediaItem, Segment
from embed_assets.media.segments import CuttingRecipe, each_segment

_OF_RECIPE = ("limits", "segmenting", "sampling", "tokenizer", "max_tokens")


def segments_of(data: bytes, *, decoders: Any = None, **facts: Any) -> list[Segment]:
    """Return all segments of an item; what `facts` name goes to the recipe or to the item."""
    recipe = CuttingRecipe(**{name: facts.pop(name) for name in _OF_RECIPE if name in facts})
    return list(each_segment(data, MediaItem(**facts), recipe, decoders=decoders))
