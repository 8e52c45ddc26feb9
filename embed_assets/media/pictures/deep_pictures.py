"""deep_picture: pictures of more than 8 bits a colour that Pillow silently reads wrong, read by FFmpeg."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_CODESTREAM = b"\xff\x4f\xff\x51"  # JPEG 2000: start, and size, by ISO/IEC 15444-1, annex A
_COMPONENTS = 40  # bytes from there to the number of components, behind which the depth of the first stands
_PLANES, _BITS = 284, 258  # TIFF's tags


def deep_picture(image: "Image.Image", data: bytes) -> "Image.Image | None":
    """Return the picture as FFmpeg reads it, where Pillow (13.0) would get it wrong; None where Pillow is right.

    Of a JPEG 2000 of 16 bits Pillow rounds the brightest to 256, which is 0: white turns black, and opaque clear. Of a
    TIFF of 16 bits whose colours are in planes it takes the bytes for those of 8 bits.
    """
    if image.format == "JPEG2000" and image.mode in ("RGB", "RGBA", "LA") and _depth(data) > 8:
        return _rounded(_values(data, "j2k_pipe"), image.mode)
    if image.format == "TIFF" and image.mode in ("RGB", "RGBA") and _in_deep_planes(image):
        return _cut(_values(data, "tiff_pipe"), image.mode)
    return None


def _depth(data: bytes) -> int:
    at = data.find(_CODESTREAM)
    depth = data[at + _COMPONENTS + 2 : at + _COMPONENTS + 3] if at >= 0 else b""
    return (depth[0] & 0x7F) + 1 if depth else 0


def _in_deep_planes(image: Any) -> bool:
    tags = image.tag_v2
    return tags.get(_PLANES) == 2 and max(tags.get(_BITS, (1,))) > 8


def _values(data: bytes, demuxer: str) -> "np.ndarray":
    """Return uint16, (height, width, 4). Raises FFmpeg's errors."""
    import av

    with av.open(io.BytesIO(data), "r", format=demuxer, container_options={"protocol_whitelist": ""}) as container:
        frame = next(container.decode(video=0))
        return frame.reformat(format="rgba64le").to_ndarray()


def _rounded(values: "np.ndarray", mode: str) -> "Image.Image":
    """Round as Pillow does, but clip at 255."""
    import numpy as np
    from PIL import Image

    small = np.minimum((values.astype(np.uint32) + 128) >> 8, 255).astype(np.uint8)
    return Image.fromarray(small, "RGBA").convert(mode)


def _cut(values: "np.ndarray", mode: str) -> "Image.Image":
    """Return the upper byte, as Pillow has it of a TIFF whose colours are side by side."""
    import numpy as np
    from PIL import Image

    return Image.fromarray((values >> 8).astype(np.uint8), "RGBA").convert(mode)
