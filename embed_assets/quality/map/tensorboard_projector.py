"""TensorBoard's projector: vectors, names and thumbnails as the four files that its page reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embed_assets.errors import SettingsError
from embed_assets.quality.map.item_map import ItemMap

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_POINTS = 10_000  # that its page draws
_SPRITE = 8192  # pixels of a side: the page's limit
_THUMBNAIL = 64  # at the most


def write_projector(
    folder: str | Path,
    item_map: ItemMap,
    texts: Sequence[str],
    *,
    vectors: np.ndarray,
    thumbnails: Mapping[str, "Image"],
) -> list[Path]:
    """Write projector_config.pbtxt, vec.tsv and meta.tsv, and sprite.png where there are pictures.

    `vectors` are float (n, dim), of the map's items, MOST_POINTS at the most. Raises SettingsError where it can't be
    written.
    """
    target = Path(folder).expanduser()
    side = thumbnail_side(len(item_map.names)) if thumbnails else 0
    files = {"projector_config.pbtxt": _config(item_map, side), "meta.tsv": _names(item_map, texts)}
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (target / name).write_text(text, encoding="utf-8")
        np.savetxt(target / "vec.tsv", vectors, fmt="%.6g", delimiter="\t")
        if side:
            pictures = [thumbnails.get(name.media_id) for name in item_map.names]
            _sprite(pictures, side).save(target / "sprite.png")
    except OSError as error:
        raise SettingsError(f"Export {str(folder)!r} can't be written: {error.strerror or error}.") from error
    written = ["projector_config.pbtxt", "vec.tsv", "meta.tsv", *(["sprite.png"] if side else [])]
    return [target / name for name in written]


def thumbnail_side(count: int) -> int:
    """Return the pixels of a thumbnail's side with which so many fit on the sprite."""
    return min(_THUMBNAIL, _SPRITE // max(1, _columns(count)))


def _columns(count: int) -> int:
    return int(np.ceil(np.sqrt(count)))


def _config(item_map: ItemMap, side: int) -> str:
    name = f"{item_map.space} {item_map.encoder} {item_map.version}"
    lines = [f'  tensor_name: "{name}"', '  tensor_path: "vec.tsv"', '  metadata_path: "meta.tsv"']
    if side:
        lines += ["  sprite {", '    image_path: "sprite.png"', *[f"    single_image_dim: {side}"] * 2, "  }"]
    return "\n".join(["embeddings {", *lines, "}", ""])


def _names(item_map: ItemMap, texts: Sequence[str]) -> str:
    lines = ["key\tsource\tlabel\ttext"]
    for name, text in zip(item_map.names, texts, strict=True):
        cells = (name.key, name.source, ", ".join(name.labels), text)
        lines.append("\t".join(" ".join(cell.split()) for cell in cells))
    return "\n".join([*lines, ""])


def _sprite(pictures: Sequence["Image | None"], side: int) -> "Image":
    """Draw the pictures in a square grid, row by row."""
    from PIL import Image

    columns = _columns(len(pictures))
    sheet = Image.new("RGB", (columns * side, columns * side), (255, 255, 255))
    for place, picture in enumerate(pictures):
        if picture is None:
            continue
        small = picture.copy()
        small.thumbnail((side, side))
        corner = (place % columns) * side, (place // columns) * side
        sheet.paste(small, (corner[0] + (side - small.width) // 2, corner[1] + (side - small.height) // 2))
    return sheet
