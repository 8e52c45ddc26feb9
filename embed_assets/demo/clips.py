"""Generated videos: one coloured shape that moves, grows, shrinks or turns, with a tone."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embed_assets.demo.recorder import VIDEOS, write_video
from embed_assets.demo.scenes import CENTRES, SIDE, background, jittered_colour, outline
from embed_assets.demo.sidecar import write_sidecar

if TYPE_CHECKING:
    from PIL.Image import Image

VARIANTS = 3
# Three colours of each shape, or more, so that a shape or a colour alone is no answer.
SUBJECTS = (
    "red circle", "blue circle", "yellow circle", "purple circle",
    "green square", "red square", "cyan square",
    "blue triangle", "orange triangle", "pink triangle",
    "purple diamond", "yellow diamond", "green diamond",
    "yellow star", "red star", "cyan star", "pink star",
    "green cross", "blue cross", "orange cross",
)  # fmt: skip
MOTIONS = ("moves to the right", "moves to the left", "moves up", "moves down", "grows", "shrinks", "turns")
SUFFIXES = ("mp4", "mp4", "webm", "mp4", "mkv")
SILENT = 12  # each twelfth has no sound track

Point = tuple[float, float]
Pose = tuple[Point, float, float]  # centre and radius in pixels, part of a full turn


@dataclass(frozen=True, kw_only=True)
class Script:
    """The contents of one video."""

    colour: str
    shape: str
    motion: str
    suffix: str
    with_sound: bool

    @property
    def label(self) -> str:
        """Colour and shape, such as "red circle"."""
        return f"{self.colour} {self.shape}"

    @property
    def caption(self) -> str:
        """The video as a sentence, such as "a red circle moves to the right"."""
        return f"{'an' if self.colour == 'orange' else 'a'} {self.label} {self.motion}"


def clip_scripts() -> list[Script]:
    """List all videos in a fixed order."""
    scripts: list[Script] = []
    for subject in SUBJECTS:
        colour, shape = subject.split()
        motions = MOTIONS if shape != "circle" else MOTIONS[:-1]  # a circle that turns stands still
        for number in range(len(scripts), len(scripts) + VARIANTS):
            script = Script(
                colour=colour,
                shape=shape,
                motion=motions[number % len(motions)],
                suffix=SUFFIXES[number % len(SUFFIXES)],
                with_sound=number % SILENT != SILENT - 1,
            )
            scripts.append(script)
    return scripts


def write_clips(folder: Path) -> None:
    """Write the videos as a mix of MP4, WebM and Matroska files with their sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    for script in clip_scripts():
        name = f"{len(rows):04d}.{script.suffix}"
        rng = random.Random(f"{len(rows)} {script.caption}")
        fps = rng.choice((10, 12))
        frames = draw_frames(script, rng, count=round(rng.uniform(1.6, 2.4) * fps))
        rate = VIDEOS[script.suffix].sound.rate
        samples = _tone(rng, round(len(frames) / fps * rate), rate=rate) if script.with_sound else None
        write_video(folder / name, frames, fps=fps, samples=samples)
        rows.append({"file": name, "caption": script.caption, "label": script.label})
    write_sidecar(folder, rows)


def draw_frames(script: Script, rng: random.Random, *, count: int) -> list[Image]:
    """Draw the frames, RGB, 128 x 128, from the first pose to the last; grain and ground stand still."""
    from PIL import Image, ImageDraw

    ground, colour = background(rng), jittered_colour(script.colour, rng)
    noise = Image.frombytes("RGB", (SIDE, SIDE), rng.randbytes(SIDE * SIDE * 3))
    grain = rng.uniform(0.02, 0.2)
    pose = _course(script.motion, rng)
    frames = []
    for number in range(count):
        centre, radius, turn = pose(number / (count - 1))
        frame = ground.copy()
        ImageDraw.Draw(frame).polygon(outline(script.shape, centre, radius, turn=turn), fill=colour)
        frames.append(Image.blend(frame, noise, grain))
    return frames


def _course(motion: str, rng: random.Random) -> Callable[[float], Pose]:
    """Return the pose at each part of the time, from 0 to 1: between two corners, or in one of them."""
    (left, top), (right, bottom) = CENTRES["top left"], CENTRES["bottom right"]
    x, y, radius = rng.choice((left, right)), rng.choice((top, bottom)), rng.uniform(18, 29)
    small, large = rng.uniform(13, 17), rng.uniform(28, 33)
    turns = rng.choice((-1, 1)) * rng.uniform(0.3, 0.8)
    courses: dict[str, tuple[Pose, Pose]] = {
        "moves to the right": (((left, y), radius, 0), ((right, y), radius, 0)),
        "moves to the left": (((right, y), radius, 0), ((left, y), radius, 0)),
        "moves up": (((x, bottom), radius, 0), ((x, top), radius, 0)),
        "moves down": (((x, top), radius, 0), ((x, bottom), radius, 0)),
        "grows": (((x, y), small, 0), ((x, y), large, 0)),
        "shrinks": (((x, y), large, 0), ((x, y), small, 0)),
        "turns": (((x, y), radius, 0), ((x, y), radius, turns)),
    }
    start, end = courses[motion]
    return lambda part: _between(start, end, part)


def _between(start: Pose, end: Pose, part: float) -> Pose:
    (x1, y1), radius1, turn1 = start
    (x2, y2), radius2, turn2 = end
    centre = x1 + (x2 - x1) * part, y1 + (y2 - y1) * part
    return centre, radius1 + (radius2 - radius1) * part, turn1 + (turn2 - turn1) * part


def _tone(rng: random.Random, count: int, *, rate: int) -> np.ndarray:
    """Make a chord of two sines, float64 (count,)."""
    times, hertz = np.arange(count) / rate, rng.uniform(150, 900)
    return 0.2 * np.sin(2 * np.pi * hertz * times) + 0.1 * np.sin(3 * np.pi * hertz * times)
