"""A query's parts read for a space: what kind each is, whether the space takes it, and the one vector of them."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from embed_assets.errors import EmbedAssetsError, EncoderOutputError, EncoderVersionError, NotFoundError, SettingsError
from embed_assets.media.detect import look_at
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.limits import Limits
from embed_assets.search.combine_parts import combine
from embed_assets.search.encode_query import QueryEncoder
from embed_assets.search.open_spaces import ITEM, OpenSpace
from embed_assets.search.query import Mode, QueryPart
from embed_assets.store.serving.vector_scan import matrix
from embed_assets.store.upsert import first, quoted
from embed_assets.store.vectors import unstorable
from embed_assets.versions.cutting_recipe import recipe_of
from embed_assets.versions.query_input import query_payload

_SEGMENTS = 256  # of an item at most, whose mean is its vector


class QueryParts:
    """The parts of one query. Files are looked at once, however many spaces are searched."""

    def __init__(self, parts: Sequence[QueryPart], *, limits: Limits, decoders: Decoders | None) -> None:
        if unread := next((part.upload for part in parts if part.upload is not None), None):
            raise SettingsError(
                f"The query names an upload, {unread!r}, and only the service has such. Give its bytes."
            )
        self.parts = parts
        self._limits = limits
        self._decoders = decoders
        self._ids: dict[tuple[str, str], str | None] = {}  # of items, by release and name

    @cached_property
    def kinds(self) -> list[str]:
        """The kind of each part: a modality, item or vector. Raises MediaError; SettingsError for an unknown file."""
        return [self._kind(part) for part in self.parts]

    @property
    def kind(self) -> str:
        """The kind of the parts with a positive weight; "mixed" for several: random pairs were measured with none."""
        wanted = {kind for kind, part in zip(self.kinds, self.parts, strict=True) if part.weight > 0}
        return wanted.pop() if len(wanted) == 1 else "mixed"

    def refusal(self, space: OpenSpace, mode: Mode, *, where: str | None) -> EmbedAssetsError | None:
        """Return why a space does not take the query, or None. Stored items are those within `where`."""
        if mode == "text":
            name = space.release.space
            return None if space.has_words else SettingsError(f"Space {name!r} has no texts to search by words.")
        reasons = (
            self._part_refusal(part, kind, space, where) for part, kind in zip(self.parts, self.kinds, strict=True)
        )
        return next((reason for reason in reasons if reason is not None), None)

    def vector(self, space: OpenSpace, encoder: QueryEncoder, *, where: str | None) -> np.ndarray:
        """Return the query's vector in a space: float32, (dim,).

        Stored items are looked up within `where`, a filter in Lance's language. Raises EncoderVersionError,
        EncoderOutputError where the vector can't be compared, NotFoundError for an item that is not there.
        """
        record = space.record
        limits = recipe_of(record, self._limits).limits
        places, inputs, vectors = [], [], {}
        for place, part in enumerate(self.parts):
            if part.vector is not None:
                vectors[place] = _checked(np.asarray(part.vector, dtype=np.float32), space)
            elif part.item is not None:
                vectors[place] = self._vector_of_item(space, part, where)
            else:
                content = _content(part)
                places.append(place)
                inputs.append(query_payload(content, record.spec, limits=limits, decoders=self._decoders))
        if inputs:
            vectors |= dict(zip(places, encoder.encode(record, inputs), strict=True))
        stacked = np.stack([vectors[place] for place in range(len(self.parts))])
        vector = combine(stacked, [part.weight for part in self.parts], distance=space.release.distance)
        reason = unstorable([vector], space.schema.field("vector").type.value_type)
        if not reason and space.release.distance == "cosine" and not vector.any():
            reason = "vector of length zero, which is no direction"
        if reason:
            raise EncoderOutputError(
                f"The query's vector can't be compared: {reason}. Its numbers must be like those of the table."
            )
        return vector

    def items(self, space: OpenSpace, *, where: str | None) -> list[str]:
        """Return the media ids of stored items that are parts of the query: they are no answer to it."""
        found = (self._item(space, part.item, where) for part in self.parts if part.item is not None)
        return [each for each in found if each is not None]

    def _item(self, space: OpenSpace, name: str, where: str | None) -> str | None:
        known = (space.release.key, name)
        if known not in self._ids:
            self._ids[known] = item_in(space, name, where=where)
        return self._ids[known]

    def _vector_of_item(self, space: OpenSpace, part: QueryPart, where: str | None) -> np.ndarray:
        """Return the mean vector of an item's segments, or that of one: float32, (dim,)."""
        wanted = f"media_id = {quoted(self._item(space, part.item or '', where) or '')}"
        if part.start is not None:
            wanted += f" AND start = {part.start}"
        search: Any = space.table.search().where(_within(where, wanted)).select(["vector"]).limit(_SEGMENTS)
        rows = search.to_arrow()
        if not rows.num_rows:
            segment = "" if part.start is None else f" with a segment that starts at {part.start}"
            raise NotFoundError(f"Space {space.release.space!r} has no item {part.item!r}{segment}.")
        return matrix(rows["vector"].combine_chunks()).mean(axis=0)

    def _kind(self, part: QueryPart) -> str:
        if part.text is not None:
            return "text"
        if part.picture is not None:
            return "image"
        if part.file is None:
            return ITEM if part.item is not None else "vector"
        sniffed = look_at(part.file, self._decoders)
        if sniffed.modality is None:
            raise SettingsError(f"The query file is {sniffed.mime}, which no encoder takes.")
        return sniffed.modality

    def _part_refusal(self, part: QueryPart, kind: str, space: OpenSpace, where: str | None) -> EmbedAssetsError | None:
        spec, release = space.record.spec, space.release
        if kind == "vector":
            same = part.encoder_version == release.encoder_version
            return None if same else _of_another_version(part.encoder_version, space)
        if kind == ITEM:
            there = self._item(space, part.item or "", where) is not None
            return None if there else NotFoundError(f"Space {release.space!r} has no item {part.item!r}.")
        if kind in spec.modalities or (kind == "video" and "audio" in spec.modalities):
            return None
        return SettingsError(
            f"Space {release.space!r} can't be searched with {kind}: its encoder {spec.name!r} takes "
            f"{', '.join(spec.modalities)}."
        )


def item_in(space: OpenSpace, name: str, *, where: str | None) -> str | None:
    """Return the media id of an item by its id, by SOURCE/KEY, or by a key that one source alone has; None for none.

    Only rows within `where` count, a filter in Lance's language. Raises SettingsError where several sources have the
    key.
    """
    source, _, key = name.partition("/")
    by_key = f"key = {quoted(name)}"
    for condition in (f"media_id = {quoted(name)}", f"source = {quoted(source)} AND key = {quoted(key)}", by_key):
        found = first(space.table, where=_within(where, condition))
        if found is None:
            continue
        other = None
        if condition == by_key:
            other = first(space.table, where=_within(where, f"{by_key} AND source <> {quoted(found['source'])}"))
        if other is not None:
            both = f"{found['source']}/{name} and {other['source']}/{name}"
            raise SettingsError(f"Several sources have an item {name!r}: name one of {both}.")
        return found["media_id"]
    return None


def _within(where: str | None, condition: str) -> str:
    return condition if where is None else f"({where}) AND {condition}"


def _content(part: QueryPart) -> Any:
    return next(each for each in (part.text, part.file, part.picture) if each is not None)


def _checked(vector: np.ndarray, space: OpenSpace) -> np.ndarray:
    if vector.shape != (space.release.dim,):
        raise EncoderVersionError(f"The query vector has shape {vector.shape}; expected ({space.release.dim},).")
    return vector


def _of_another_version(version: str | None, space: OpenSpace) -> EncoderVersionError:
    release = space.release
    return EncoderVersionError(
        f"The query vector is of encoder version {version or 'unknown'}; space {release.space!r} serves "
        f"{release.encoder} {release.encoder_version}. Encode the query with that version."
    )
