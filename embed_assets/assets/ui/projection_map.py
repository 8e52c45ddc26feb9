"""Projection map for the UI: the vectors of an index as cells of a plane, as markdown with the picture inside."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from embed_assets.assets.ui.previews import INLINE, in_markdown

if TYPE_CHECKING:
    from PIL.Image import Image

_COLOURS = (
    (76, 120, 168), (245, 133, 24), (84, 162, 75), (228, 87, 86),
    (114, 183, 178), (178, 121, 162), (157, 117, 93), (240, 200, 60),
)  # fmt: skip
_OTHERS = (150, 150, 150)
_SIDE = 640  # pixels of the whole map


def density_map(points: np.ndarray, groups: Sequence[str]) -> str:
    """Draw points of a plane as cells in the colour of their commonest group; short enough for inline metadata."""
    for cells in (48, 40, 32, 24):
        markdown = _map(_grid(points, groups, cells), cells)
        if len(markdown) < INLINE:
            return markdown
    return _map(_grid(points, groups, 16), 16)


def scatter_map(points: np.ndarray, groups: Sequence[str]) -> str:
    """Draw points as small cells as markdown with a PNG inside; too long to be inline.

    Cells are two to eight pixels wide: few points would not be seen as small as many have to be.
    """
    from PIL import Image

    cells = next(each for each in (80, 160, 320) if each == 320 or 16 * len(points) < each * each)
    picture = Image.fromarray(_grid(points, groups, cells)).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    return f"![whole map](data:image/png;base64,{_png(picture)})"


def legend(groups: Sequence[str]) -> str:
    """List the groups' colours as a markdown table."""
    names = ("blue", "orange", "green", "red", "teal", "purple", "brown", "yellow")
    common = [group for group, _ in Counter(groups).most_common(len(_COLOURS))]
    lines = [f"| {name} | {in_markdown(group)} |" for name, group in zip(names, common, strict=False)]
    others = len(set(groups)) - len(common)
    return "\n".join(["| colour | group |", "|---|---|", *lines, *([f"| grey | {others} others |"] if others else [])])


def _grid(points: np.ndarray, groups: Sequence[str], cells: int) -> np.ndarray:
    """Return the palette index of each cell: uint8, (cells, cells); 0 is empty."""
    grid = np.zeros((cells, cells), dtype=np.uint8)
    if not len(points):
        return grid
    common = [group for group, _ in Counter(groups).most_common(len(_COLOURS))]
    codes = np.array([common.index(g) + 1 if g in common else len(_COLOURS) + 1 for g in groups])
    low, high = np.quantile(points, 0.005, axis=0), np.quantile(points, 0.995, axis=0)
    places = ((points - low) / np.maximum(high - low, 1e-9)).clip(0, 1)
    columns, rows = (np.minimum((places * cells).astype(int), cells - 1)).T
    counts = np.zeros((cells, cells, len(_COLOURS) + 2), dtype=int)
    np.add.at(counts, (rows, columns, codes), 1)
    filled = counts.sum(axis=2) > 0
    grid[filled] = counts.argmax(axis=2)[filled]
    return grid


def _map(grid: np.ndarray, cells: int) -> str:
    from PIL import Image

    png = _png(Image.fromarray(grid, mode=None))
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='320' height='320' viewBox='0 0 {cells} {cells}' "
        f"style='image-rendering:pixelated'><image width='{cells}' height='{cells}' "
        f"href='data:image/png;base64,{png}'/></svg>"
    )
    return "![map](data:image/svg+xml," + quote(svg, safe="='/:;,+") + ")"


def _png(grid: "Image") -> str:
    """Return a picture of palette indices as a PNG in base64."""
    picture = grid.convert("P")
    palette = [(255, 255, 255), *_COLOURS, _OTHERS]
    picture.putpalette([part for colour in palette for part in colour])
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True, bits=4)
    return base64.b64encode(data.getvalue()).decode()
