"""Handwritten digits of scikit-learn as pictures; every second one is held out from training."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from embed_assets.demo.sidecar import write_sidecar

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 64
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def digit_caption(digit: int) -> str:
    """Return the digit as a phrase, such as "a handwritten seven"."""
    return f"a handwritten {WORDS[digit]}"


def training_digits() -> list[tuple[int, Image, int]]:
    """Return (index, picture, digit) of the samples with an even index."""
    return _digits(first=0)


def held_out_digits() -> list[tuple[int, Image, int]]:
    """Return (index, picture, digit) of the samples with an odd index, which the model never gets."""
    return _digits(first=1)


def write_digits(folder: Path) -> None:
    """Write the held-out digits as PNG files with their sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    for index, picture, digit in held_out_digits():
        name = f"{index:04d}.png"
        picture.save(folder / name, compress_level=1)
        rows.append({"file": name, "caption": digit_caption(digit), "label": str(digit)})
    write_sidecar(folder, rows)


def _digits(*, first: int) -> list[tuple[int, Image, int]]:
    import numpy as np
    from PIL import Image

    samples = np.loadtxt(_samples(), delimiter=",", dtype=np.uint8)  # 64 grey values of 0 to 16, and the digit
    grey = np.minimum(samples[:, :64].astype(int) * 16, 255).astype(np.uint8).reshape(-1, 8, 8)
    return [
        (index, Image.fromarray(grey[index]).resize((SIDE, SIDE), Image.Resampling.BICUBIC), int(digit))
        for index, digit in enumerate(samples[:, 64])
        if index % 2 == first
    ]


def _samples() -> Path:
    """Return the file behind scikit-learn's `load_digits`: importing scikit-learn takes two seconds."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("The demo's digits need scikit-learn; install embed-assets[demo].", name="sklearn")
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
