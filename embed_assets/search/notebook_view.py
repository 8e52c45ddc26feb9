"""A notebook's view of hits: a card each, with its picture, player or passage; all inside the page, nothing fetched."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from embed_assets.errors import EmbedAssetsError
from embed_assets.media.files.regular_file import read_regular
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.isolation.worker_process import NotStarted
from embed_assets.media.limits import Limits
from embed_assets.media.thumbnail_file import picture_file, video_file

if TYPE_CHECKING:
    from embed_assets.search.answers import Hit

_CARDS = 50  # that are shown
_SIDE = 160  # pixels of a picture
_PICTURE_BYTES = 32 * 2**20  # of a file that is decoded for a thumbnail
_PLAYED_BYTES = 2 * 2**20  # of a sound that is kept in the notebook
_CHARACTERS = 300  # of a passage
_STYLE = (
    "display:inline-block;vertical-align:top;width:180px;margin:4px;padding:8px;border:1px solid #8884;"
    "border-radius:6px;font:12px sans-serif;overflow-wrap:anywhere"
)


def cards(hits: Sequence["Hit"], *, good_match: bool | None, decoders: Decoders | None) -> str:
    """Return HTML of hits. Names and texts of media are escaped. Pictures are decoded by `decoders`, or not at all."""
    shown = "".join(_card(hit, decoders) for hit in hits[:_CARDS])
    more = f"<p>and {len(hits) - _CARDS} more</p>" if len(hits) > _CARDS else ""
    note = "<p><b>No good match.</b></p>" if good_match is False else ""
    return f"<div>{note}{shown or '<p>nothing found</p>'}{more}</div>"


def _card(hit: "Hit", decoders: Decoders | None) -> str:
    score = "words" if hit.score is None else f"{hit.score:.3f}"
    percentile = "" if hit.percentile is None else f" · {hit.percentile:.1f} %"
    labels = ", ".join(hit.labels)
    return (
        f'<div style="{_STYLE}"><b>{hit.rank}</b> {score}{percentile}<br>{_media(hit, decoders)}'
        f"<div>{escape(hit.source)}/{escape(hit.key)}{_seconds(hit)}</div><i>{escape(labels)}</i></div>"
    )


def _media(hit: "Hit", decoders: Decoders | None) -> str:
    file = Path(hit.uri)
    passage = escape(" ".join((hit.text or "").split())[:_CHARACTERS])
    try:
        if not (hit.uri.startswith("/") and file.is_file()):
            return passage
        if hit.modality in ("image", "video") and decoders is not None and file.stat().st_size <= _PICTURE_BYTES:
            return _picture(hit, read_regular(file, _PICTURE_BYTES), decoders) + passage
        if hit.modality == "audio" and file.stat().st_size <= _PLAYED_BYTES:
            return _player(hit, read_regular(file, _PLAYED_BYTES)) + passage
    except (OSError, EmbedAssetsError, NotStarted):  # moved or broken since: the card is as good without
        return passage
    return passage


def _picture(hit: "Hit", data: bytes, decoders: Decoders) -> str:
    if hit.modality == "video":
        (made,) = decoders.decode(video_file, data, milliseconds=hit.start or 0, side=_SIDE, limits=Limits())
    else:
        (made,) = decoders.decode(picture_file, data, side=_SIDE, limits=Limits())
    return f'<img src="data:image/webp;base64,{base64.b64encode(made).decode()}" style="max-width:100%">'


def _player(hit: "Hit", data: bytes) -> str:
    kind = {".mp3": "mpeg", ".ogg": "ogg", ".flac": "flac"}.get(Path(hit.uri).suffix.lower(), "wav")
    span = "" if hit.start is None else f"#t={hit.start / 1000:g},{(hit.end or 0) / 1000:g}"
    source = f"data:audio/{kind};base64,{base64.b64encode(data).decode()}{span}"
    return f'<audio controls style="width:100%" src="{source}"></audio>'


def _seconds(hit: "Hit") -> str:
    if hit.start is None or hit.modality not in ("audio", "video"):
        return ""
    return f" {hit.start / 1000:g} s to {(hit.end or hit.start) / 1000:g} s"
