"""picture_kind: pictures without a common signature, detected by Pillow."""

import io
import re
import struct
import warnings

# Pillow's kinds beside the usual ones. Not among them: EPS, which starts ghostscript; IPTC, which opens what is inside
# it as whatever kind that is; WMF, GRIB, BUFR, HDF5 and MPEG, of which Pillow has the header alone; FITS, whose numbers
# it takes in the wrong order; and PCD, whose colours it makes too bright. Of 26,000 files in /usr that are neither text
# nor known, these take none.
RARE_FORMATS = (
    *("JPEG2000", "PSD", "ICO", "CUR", "ICNS", "DDS", "PCX", "DCX", "SGI", "SUN", "FLI", "BLP", "QOI", "FTEX"),
    *("MSP", "PIXAR", "XVTHUMB", "DIB", "XBM", "XPM", "GBR", "IM", "IMT", "MCIDAS", "SPIDER"),
)
TARGA = "TGA"  # has no signature: `_is_targa` is checked before Pillow tries it

_NETPBM = re.compile(rb"P[1-6f][\s#]")
_MINIMUM = 16  # bytes that a picture takes at least
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_TARGA_HEADER = struct.Struct("<BBBHHBHHHHBB")


def picture_kind(data: bytes) -> str | None:
    """Return the mime type of a picture that Pillow opens, None for other files. Reads the header alone."""
    if len(data) < _MINIMUM:
        return None
    from PIL import Image

    formats = (*RARE_FORMATS, TARGA) if _is_targa(data) else RARE_FORMATS
    silence_pillow()
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            kind = image.format or ""
    except Image.DecompressionBombError:
        return "image/x-unknown"  # by its signature a picture; its decoder gives the reason
    except Exception:  # Pillow's parsers raise what they like; any of it means no
        return None
    return Image.MIME.get(kind, f"image/x-{kind.lower()}")


def maybe_netpbm(head: bytes) -> bool:
    """Return whether a file begins as Netpbm's kinds do; so do some texts."""
    return _NETPBM.match(head) is not None


def is_netpbm(head: bytes) -> bool:
    """Return whether Pillow opens the file as a picture of Netpbm."""
    if not maybe_netpbm(head):
        return False
    from PIL import Image

    try:
        Image.open(io.BytesIO(head), formats=["PPM"]).close()
    except Exception:  # Pillow's parsers raise what they like; any of it means no
        return False
    return True


def silence_pillow() -> None:
    """Turn off Pillow's warnings, dozens on one malformed TIFF. Checked each time, because filters get reset."""
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=_QUIET[3].pattern)


def _is_targa(data: bytes) -> bool:
    """Return whether the header makes sense, and the file is long enough for its pixels."""
    if len(data) < _TARGA_HEADER.size:
        return False
    skipped, mapped, kind, _, colours, bits, _, _, width, height, depth, _ = _TARGA_HEADER.unpack_from(data)
    if mapped != (kind in (1, 9)) or kind not in (1, 2, 3, 9, 10, 11) or depth not in (8, 16, 24, 32):
        return False
    pixel = depth // 8
    least = width * height * pixel if kind < 9 else -(-width * height // 128) * (1 + pixel)
    return 0 < least <= len(data) - _TARGA_HEADER.size - skipped - mapped * colours * bits // 8
