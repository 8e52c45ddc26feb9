"""Limits: how large a media item may be before it is quarantined, and what decides the pixels of a picture."""

from dataclasses import dataclass

# Encodings between which texts were guessed once: part of every version's identity, which must not change.
_GUESSED_AT_FIRST = ["cp1252", "cp932"]


def seconds_for(size: int, *, each: float) -> float:
    """Return the seconds for so many bytes, at `each` for ten megabytes begun."""
    return each * (1 + size // 10_000_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits of every decoder: without them one item could take the memory of the whole run.

    `max_pixels` counts the frame that is decoded, not the frames of an animation. Pillow has a limit
    of its own, twice `PIL.Image.MAX_IMAGE_PIXELS`, which holds as well: raise both for larger images.
    """

    max_bytes: int = 512 * 2**20
    max_pixels: int = 100_000_000
    max_characters: int = 10_000_000
    max_pages: int = 5000  # of a PDF, at about 3 ms a page
    max_seconds: float = 4 * 3600  # of a sound or a video; at 16 kHz four hours of sound take 0.9 GB
    max_frames: int = 4096  # taken from one video, over all of its clips
    decode_seconds: float = 20  # for each ten megabytes begun; over it an isolated decoder is stopped
    decode_megabytes: int = 2048  # that an isolated decoder may take on top of its libraries
    background: tuple[int, int, int] = (255, 255, 255)
    jpeg_side: int | None = None  # that a JPEG decoded at a half, quarter or eighth keeps at least; None: whole

    def identity(self) -> dict[str, object]:
        """Return the limits that change an encoder's input, and with it its vectors."""
        reduced = {} if self.jpeg_side is None else {"jpeg_side": self.jpeg_side}
        return {"background": list(self.background), "code_pages": _GUESSED_AT_FIRST, **reduced}

    def seconds_for(self, size: int) -> float:
        """Return how long an isolated decoder may take for a file of this many bytes."""
        return seconds_for(size, each=self.decode_seconds)
