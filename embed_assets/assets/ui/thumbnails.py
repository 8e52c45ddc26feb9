"""Thumbnails of a source's pictures, decoded apart, and the metadata that shows them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from embed_assets.assets.ui.contact_sheet import THUMBNAIL, contact_sheet, picture_strip
from embed_assets.media.pictures.decode_image import thumbnail
from embed_assets.pipeline.inspection.item_pictures import decoded
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
