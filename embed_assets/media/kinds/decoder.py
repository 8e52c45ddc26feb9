"""Decoder: a file type that an installed package adds: its detection and its decoding."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from embed_assets.errors import SettingsError
from embed_assets.media.limits import Limits

if TYPE_CHECKING:
    from PIL import Image

    from embed_assets.media.payload import Sound

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._]*")
_MIME = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]*")
_YIELDS = ("text", "image", "audio")


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """One file type, declared as an entry point of the group `embed_assets.decoders`.

    `detect` gets the first 8 KiB of a file that nothing built in decodes, or of a text without markup: it inspects
    bytes and loads nothing. `decode` gets the whole file and `limits`, and returns a str, a PIL picture in any mode, or
    a `Sound` at any rate, by `modality`; for a broken file it raises MediaError with a short reason. Any other
    exception counts as "<name> decoder failed". Both run in a worker process, bounded in time and memory.
    Raises SettingsError for values that a manifest can't hold.
    """

    name: str
    version: str  # raise it when the same bytes are decoded differently: their files are embedded again
    mime: str
    modality: Literal["text", "image", "audio"]
    detect: Callable[[bytes], bool]
    decode: "Callable[[bytes, Limits], str | Image.Image | Sound]"

    def __post_init__(self) -> None:
        for name, pattern in (("name", _NAME), ("version", _VERSION), ("mime", _MIME)):
            value = getattr(self, name)
            if not isinstance(value, str) or not pattern.fullmatch(value):
                raise SettingsError(f"Decoder {self.name!r}: its {name} is {value!r}; expected {pattern.pattern}")
        if self.modality not in _YIELDS:
            raise SettingsError(
                f"Decoder {self.name!r}: its modality is {self.modality!r}; expected {', '.join(_YIELDS)}"
            )

    @property
    def id(self) -> str:
        """Name and version, which are part of the content hash of its files."""
        return f"{self.name}-{self.version}"
