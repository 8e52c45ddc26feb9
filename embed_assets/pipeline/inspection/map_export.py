"""Map export: a map's items with texts and thumbnails, for Embedding Atlas (a file) or TensorBoard (a folder)."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from embed_assets.errors import SettingsError
from embed_assets.media.pictures.decode_image import thumbnail
from embed_assets.pipeline.inspection.inspection_steps import Inspection
from embed_assets.pipeline.inspection.item_pictures import decoded, manifest_rows
from embed_assets.quality.inspection.export_table import export_table
from embed_assets.quality.item_vectors import first_texts
from embed_assets.quality.map.embedding_atlas import atlas_command, atlas_table
from embed_assets.quality.map.item_map import ItemMap, shortened
from embed_assets.quality.map.tensorboard_projector import MOST_POINTS, thumbnail_side, write_projector

if TYPE_CHECKING:
    from PIL.Image import Image

_CHARACTERS = 300  # of a text
_SIDE = 96  # pixels of a thumbnail
_PICTURES = 20_000  # thumbnails, evenly spread


def export_map(inspection: Inspection, item_map: ItemMap, path: str) -> tuple[list[Path], str]:
    """Write a .parquet file for Embedding Atlas, or a folder for TensorBoard's projector.

    Returns the files and the command that opens them. Raises SettingsError where they can't be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix and suffix != ".parquet":
        raise SettingsError(
            f"Export {path!r}: name a .parquet file for Embedding Atlas, or a folder for TensorBoard's projector."
        )
    if suffix:
        table = _atlas(inspection, item_map)
        file = export_table(table, path)
        return [file], atlas_command(str(path), pictures="image" in table.column_names)
    few, places = shortened(item_map, MOST_POINTS)
    pictures = _thumbnails(inspection, few, thumbnail_side(len(few.names)))
    vectors = inspection.found.vectors[places]
    files = write_projector(path, few, _texts(inspection, few), vectors=vectors, thumbnails=pictures)
    return files, f"tensorboard --logdir {path}"


def _atlas(inspection: Inspection, item_map: ItemMap) -> pa.Table:
    pictures = _thumbnails(inspection, item_map, _SIDE)
    return atlas_table(
        item_map,
        _texts(inspection, item_map),
        neighbours=inspection.found.places,
        cosines=inspection.found.cosines,
        thumbnails={media_id: _jpeg(picture) for media_id, picture in pictures.items()},
    )


def _texts(inspection: Inspection, item_map: ItemMap) -> list[str]:
    return first_texts(inspection.table, [name.media_id for name in item_map.names], characters=_CHARACTERS)


def _thumbnails(inspection: Inspection, item_map: ItemMap, side: int) -> dict[str, "Image"]:
    ids = [name.media_id for name in item_map.names if name.modality == "image"]
    wanted = [ids[place] for place in np.unique(np.linspace(0, len(ids) - 1, min(len(ids), _PICTURES)).astype(int))]
    if not wanted:
        return {}
    context = inspection.context
    with context.running_decoders():
        return dict(decoded(context, manifest_rows(context, wanted), thumbnail, side=side))


def _jpeg(picture: "Image") -> bytes:
    data = io.BytesIO()
    picture.convert("RGB").save(data, "JPEG", quality=80)
    return data.getvalue()
