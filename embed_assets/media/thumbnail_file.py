"""Thumbnail files: a picture, or a video's picture at a moment, small and as WebP; made in a decoder's process."""

import io
from typing import TYPE_CHECKING

from embed_assets.errors import MediaError
from embed_assets.media.decode_with_plugins import decode_with_plugin
from embed_assets.media.limits import Limits
from embed_assets.media.pictures.decode_image import thumbnail
from embed_assets.media.recordings.container import CONVERT, COPY, frames_of, open_container, origin_of
from embed_assets.media.recordings.video_extent import video_stream

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY = 80


def picture_file(data: bytes, *, side: int, limits: Limits, decoder: str = "") -> bytes:
    """Return a picture's thumbnail, no wider and no higher than `side`. Raises MediaError.

    `decoder`: name of the plugin's decoder that reads the picture.
    """
    if not decoder:
        return _webp(thumbnail(data, side=side, limits=limits))
    picture = decode_with_plugin(data, decoder=decoder, limits=limits)
    picture.thumbnail((side, side))
    return _webp(picture)


def video_file(data: bytes, *, milliseconds: int, side: int, limits: Limits) -> bytes:
    """Return a thumbnail of what a video shows at a moment, of its last picture beyond the end. Raises MediaError."""
    picture = _picture_at(data, milliseconds / 1000, limits)
    picture.thumbnail((side, side))
    return _webp(picture)


def _picture_at(data: bytes, seconds: float, limits: Limits) -> "Image":
    from av.error import FFmpegError

    with open_container(data, "video") as container:
        stream = video_stream(container, limits)
        wanted = None if stream.time_base is None else round((seconds + origin_of(container)) / stream.time_base)
        if wanted and seconds > 0:
            try:
                container.seek(wanted, stream=stream)  # to the key frame before it
            except FFmpegError:  # a stream without an index is read from its start
                container.seek(0)
        shown = None
        for frame in frames_of(container, stream):
            if shown is not None and (wanted is None or frame.pts is None or frame.pts > wanted):
                break
            shown = frame
        if shown is None:
            raise MediaError("broken video", f"no picture can be decoded; {COPY}, or {CONVERT['video']}")
        turns = round(shown.rotation / 90) % 4
        return shown.to_image().rotate(90 * turns, expand=True)


def _webp(picture: "Image") -> bytes:
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, format="WEBP", quality=_QUALITY)
    return stream.getvalue()
