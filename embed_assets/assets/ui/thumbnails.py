"""Thumbnails of a source's pictures, decoded apart, and the metadata that shows them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from embed_assets.assets.ui.contact_sheet import THUMBNAIL, contact_sheet, picture_strip
from embed_assets.media.pictures.decode_image import thumbnail
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.inspection.item_pictures import decoded, manifest_rows
from embed_assets.pipeline.steps import Steps

if TYPE_CHECKING:
    from PIL.Image import Image

SHEET = 24  # pictures on a contact sheet
_STRIP = 4  # pictures of a strip: Dagster shows what is short without a click
_STRIPS = ("pictures", "more pictures")
SHOWN = _STRIP * len(_STRIPS)


def strips(pictures: Sequence["Image"]) -> dict[str, dg.MetadataValue]:
    """Show up to eight pictures, evenly chosen, without a click; no entry for none."""
    chosen = pictures[:: max(1, len(pictures) // SHOWN)][:SHOWN]
    rows = {name: chosen[place * _STRIP :][:_STRIP] for place, name in enumerate(_STRIPS)}
    return {name: dg.MetadataValue.md(picture_strip(row)) for name, row in rows.items() if row}


def picture_metadata(pictures: Sequence["Image"]) -> dict[str, dg.MetadataValue]:
    """Show some pictures at once as strips, all of them as a contact sheet behind a button; no entry for none."""
    sheet = {"contact_sheet": dg.MetadataValue.md(contact_sheet(pictures))} if pictures else {}
    return {**strips(pictures), **sheet}


def thumbnails_of(context: RunContext, media_ids: Sequence[str]) -> dict[str, "Image"]:
    """Decode thumbnails of items, by media id in the given order; without those that can't be decoded."""
    if not media_ids:
        return {}
    with context.running_decoders():
        found = dict(decoded(context, manifest_rows(context, media_ids), thumbnail, side=THUMBNAIL))
    return {media_id: found[media_id] for media_id in media_ids if media_id in found}


def row_of_pictures(context: RunContext, title: str, media_ids: Sequence[str]) -> dict[str, dg.MetadataValue]:
    """Show pictures of some items: the first at once, where they are more all behind a button; no entry for none."""
    pictures = list(thumbnails_of(context, media_ids[:SHEET]).values())
    if not pictures:
        return {}
    shown: dict[str, dg.MetadataValue] = {title: dg.MetadataValue.md(picture_strip(pictures[:_STRIP]))}
    return shown if len(pictures) <= _STRIP else shown | {f"more {title}": dg.MetadataValue.md(contact_sheet(pictures))}


def spread(keys: Sequence[str]) -> Sequence[str]:
    """Choose as many of the keys as a contact sheet has places, evenly."""
    return keys[:: max(1, len(keys) // SHEET)][:SHEET]


def pictures_of(steps: Steps, source: str, keys: Sequence[str]) -> list["Image"]:
    """Decode thumbnails of a source's items; skip what can't be decoded, and what another run found gone.

    Where no process to decode them can start there are no more: the metadata is as good without.
    """
    rows = {row["key"]: row for row in steps.manifest.of(source, keys)}
    found = decoded(steps.context, [rows[key] for key in keys if key in rows], thumbnail, side=THUMBNAIL)
    return [picture for _, picture in found]
