"""Generated scenes: one coloured shape on a noisy background, split into training and held-out halves."""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embed_assets.demo.sidecar import write_sidecar

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 128
HELD_OUT_VARIANTS = 2
COLOURS = {
    "red": (214, 39, 40),
    "orange": (250, 130, 15),
    "yellow": (246, 220, 40),
    "green": (36, 150, 50),
    "cyan": (40, 200, 215),
    "blue": (35, 70, 205),
    "purple": (125, 45, 160),
    "pink": (250, 140, 190),
}
SHAPES = ("circle", "square", "triangle", "diamond", "star", "cross")
RADII = {"small": 18.0, "large": 29.0}
CENTRES = {"top left": (34, 34), "top right": (94, 34), "bottom left": (34, 94), "bottom right": (94, 94)}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One combination of size, colour, shape and position."""

    size: str
    colour: str
    shape: str
    position: str

    @property
    def label(self) -> str:
        """The combination in canonical words, such as "small red circle top left"."""
        return f"{self.size} {self.colour} {self.shape} {self.position}"

    @property
    def caption(self) -> str:
        """The combination as a phrase, such as "a small red circle in the top left"."""
        return f"a {self.size} {self.colour} {self.shape} in the {self.position}"


def all_scenes() -> list[Scene]:
    """List every combination, training and held out."""
    return [
        Scene(size=size, colour=colour, shape=shape, position=position)
        for size, colour, shape, position in itertools.product(RADII, COLOURS, SHAPES, CENTRES)
    ]


def training_scenes() -> list[Scene]:
    """List the half that the model is trained on."""
    return [scene for scene in all_scenes() if scene not in set(held_out_scenes())]


def held_out_scenes() -> list[Scene]:
    """List the half that the model never gets; chosen by hash, so no attribute decides the side."""
    scenes = sorted(all_scenes(), key=lambda scene: hashlib.sha256(scene.label.encode()).digest())
    chosen = set(scenes[: len(scenes) // 2])
    return [scene for scene in all_scenes() if scene in chosen]


def render_scene(scene: Scene, *, variant: int) -> Image:
    """Draw one picture, RGB, 128 x 128; the same scene and variant always give the same pixels."""
    from PIL import Image, ImageDraw

    rng = random.Random(f"{scene.label}/{variant}")
    picture = background(rng)
    centre = _jittered_centre(scene, rng)
    radius = RADII[scene.size] * rng.uniform(0.92, 1.08)
    draw = ImageDraw.Draw(picture)
    draw.polygon(outline(scene.shape, centre, radius), fill=jittered_colour(scene.colour, rng))
    noise = Image.frombytes("RGB", (SIDE, SIDE), rng.randbytes(SIDE * SIDE * 3))
    return Image.blend(picture, noise, rng.uniform(0.02, 0.12))


def write_scenes(folder: Path) -> None:
    """Write the held-out scenes as a mix of JPEG and PNG files with their sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    for scene, variant in itertools.product(held_out_scenes(), range(HELD_OUT_VARIANTS)):
        suffix = "png" if len(rows) % 3 == 0 else "jpg"
        name = f"{len(rows):04d}.{suffix}"
        picture = render_scene(scene, variant=variant)
        picture.save(folder / name, quality=92, compress_level=1)  # of JPEG, and of PNG, fast
        rows.append({"file": name, "caption": scene.caption, "label": scene.label})
    write_sidecar(folder, rows)


def background(rng: random.Random) -> Image:
    """Draw 128 x 128 pixels of a grey with a slight tint that drifts from top to bottom."""
    from PIL import Image

    grey = rng.choice((rng.randint(15, 60), rng.randint(105, 135), rng.randint(195, 240)))
    top = tuple(min(255, max(0, grey + rng.randint(-10, 10))) for _ in range(3))
    bottom = tuple(min(255, max(0, grey + rng.randint(-10, 10))) for _ in range(3))
    mask = Image.linear_gradient("L").resize((SIDE, SIDE))
    return Image.composite(Image.new("RGB", (SIDE, SIDE), bottom), Image.new("RGB", (SIDE, SIDE), top), mask)


def _jittered_centre(scene: Scene, rng: random.Random) -> tuple[float, float]:
    x, y = CENTRES[scene.position]
    return x + rng.uniform(-4, 4), y + rng.uniform(-4, 4)


def jittered_colour(colour: str, rng: random.Random) -> tuple[int, int, int]:
    """Draw a shade of the colour."""
    red, green, blue = (min(255, max(0, part + rng.randint(-12, 12))) for part in COLOURS[colour])
    return red, green, blue


def outline(shape: str, centre: tuple[float, float], radius: float, *, turn: float = 0.0) -> list[tuple[float, float]]:
    """Return corner points of the shape, turned clockwise by a part of a full turn; a circle has 40 corners."""
    x, y = centre
    if not turn:
        return [(x + radius * dx, y + radius * dy) for dx, dy in _unit_outline(shape)]
    cos, sin = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    return [(x + radius * (dx * cos - dy * sin), y + radius * (dx * sin + dy * cos)) for dx, dy in _unit_outline(shape)]


def _unit_outline(shape: str) -> list[tuple[float, float]]:
    if shape == "circle":
        return [_on_circle(step / 40) for step in range(40)]
    if shape == "square":
        return [(-0.87, -0.87), (0.87, -0.87), (0.87, 0.87), (-0.87, 0.87)]
    if shape == "triangle":
        return [(0.0, -1.0), (1.0, 0.85), (-1.0, 0.85)]
    if shape == "diamond":
        return [(0.0, -1.12), (0.78, 0.0), (0.0, 1.12), (-0.78, 0.0)]
    if shape == "star":
        return [_on_circle(step / 10, 1.15 if step % 2 == 0 else 0.45) for step in range(10)]
    arm = 0.3
    return [
        (-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm),
        (arm, 1), (-arm, 1), (-arm, arm), (-1, arm), (-1, -arm), (-arm, -arm),
    ]  # fmt: skip


def _on_circle(turn: float, radius: float = 1.0) -> tuple[float, float]:
    angle = 2 * math.pi * turn
    return radius * math.sin(angle), -radius * math.cos(angle)
