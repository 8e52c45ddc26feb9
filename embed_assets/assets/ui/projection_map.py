"""Projection map for the UI: the vectors of an index as cells of a plane, as markdown with the picture inside."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from embed_assets.assets.ui.previews import INLINE

if TYPE_CHECKING:
    from PIL.Image import Image

_Colour = tuple[int, int, int]
# As many as a PNG of four bits a pixel has room for, beside white and grey: more would not be inline.
_COLOURS: tuple[_Colour, ...] = (
    (76, 120, 168), (245, 133, 24), (84, 162, 75), (228, 87, 86), (114, 183, 178), (178, 121, 162), (157, 117, 93),
    (240, 200, 60), (255, 150, 190), (20, 60, 130), (130, 200, 250), (20, 90, 50), (170, 220, 60), (80, 20, 90),
)  # fmt: skip
_OTHERS = (150, 150, 150)
_NAME = 30  # characters of a group's name in a legend
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


def legend(groups: Sequence[str], *, title: str = "legend") -> dict[str, str]:
    """Draw the groups' colours and names, as markdown with an SVG inside; in parts, each short enough to be inline."""
    common = [group for group, _ in Counter(groups).most_common(len(_COLOURS))]
    others = len(set(groups)) - len(common)
    rows = list(zip(_COLOURS, map(_short, common), strict=False))
    rows += [(_OTHERS, f"{others} others")] if others else []
    for parts in range(1, len(rows) + 1):
        size = -(-len(rows) // parts)
        drawn = [_swatches(rows[start : start + size]) for start in range(0, len(rows), size)]
        if max(map(len, drawn)) < INLINE:
            return {title if not place else f"{title} {place + 1}": part for place, part in enumerate(drawn)}
    return {}


def _swatches(rows: Sequence[tuple[_Colour, str]]) -> str:
    """Draw a square in each colour with a name beside it. Names are text of a picture: no markup of theirs acts."""
    lines = "".join(
        f"<path d='M0 {18 * row + 9}h14' stroke='#{bytes(colour).hex()}'/>"
        f"<text x='20' y='{18 * row + 14}'>{escape(name)}</text>"
        for row, (colour, name) in enumerate(rows)
    )
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='320' height='{18 * len(rows)}' stroke-width='14' "
        f"font-family='sans-serif' font-size='13' style='background:#fff'>{lines}</svg>"
    )
    return "![legend](data:image/svg+xml," + quote(svg, safe="='/:;,+") + ")"


def _short(name: str) -> str:
    line = " ".join("".join(each if each.isprintable() else " " for each in name).split())
    return line if len(line) <= _NAME else f"{line[: _NAME - 1]}…"


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
