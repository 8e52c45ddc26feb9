"""Contact sheets for the UI: thumbnails in a grid or a row, as markdown with the picture inside."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from embed_assets.assets.ui.previews import INLINE

if TYPE_CHECKING:
    from PIL.Image import Image

# Sides and qualities of a strip's thumbnails, the best first.
_STRIP_SIZES = tuple(
    (side, quality) for side, least in ((68, 40), (56, 30), (48, 16), (40, 1)) for quality in range(61, least - 1, -10)
)
THUMBNAIL = 68  # pixels of a side on a contact sheet


def contact_sheet(pictures: Sequence["Image"], *, columns: int = 8, side: int = THUMBNAIL + 4) -> str:
    """Draw thumbnails in a grid, as markdown with a JPEG inside; some 20 kB for 24 pictures."""
    from PIL import Image

    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * side, max(1, rows) * side), (255, 255, 255))
    for place, picture in enumerate(pictures):
        small = picture.copy()
        small.thumbnail((side - 4, side - 4))
        sheet.paste(small, ((place % columns) * side + 2, (place // columns) * side + 2))
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=75)
    return f"![contact sheet](data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()})"


def picture_strip(pictures: Sequence["Image"]) -> str:
    """Draw some thumbnails in a row, as markdown with a WebP inside; as large and sharp as stays short enough."""
    from PIL import Image

    markdown = ""
    for side, quality in _STRIP_SIZES:
        strip = Image.new("RGB", (len(pictures) * (side + 2), side), (255, 255, 255))
        for place, picture in enumerate(pictures):
            small = picture.copy()
            small.thumbnail((side, side))
            strip.paste(small, (place * (side + 2), 0))
        data = io.BytesIO()
        strip.save(data, "WEBP", quality=quality, method=6)
        markdown = f"![pictures](data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()})"
        if len(markdown) < INLINE:
            break
    return markdown
