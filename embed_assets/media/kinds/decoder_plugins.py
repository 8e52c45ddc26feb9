"""Decoder plugins: file types of installed packages, tried on files that nothing built in decodes."""

import sys
from collections.abc import Callable
from functools import lru_cache

from embed_assets.errors import SettingsError
from embed_assets.media.hashing import content_hash
from embed_assets.media.kinds.decoder import Decoder
from embed_assets.media.kinds.file_head import FileHead
from embed_assets.media.kinds.media_kind import MediaKind
from embed_assets.media.kinds.sniff import first_that_detects
from embed_assets.media.media_types import PLAIN, Sniffed
from embed_assets.plugins import Plugins, find_plugins, warn_once

ENTRY_POINTS = "embed_assets.decoders"

_TASKS = {
    "text": "embed_assets.media.decode_with_plugins:plugin_text",
    "image": "embed_assets.media.decode_with_plugins:plugin_picture",
    "audio": "embed_assets.media.decode_with_plugins:plugin_sounds",
}


def decoder_plugins() -> Plugins[Decoder]:
    """Return the decoders that installed packages declare, loaded once per process."""
    return _loaded(tuple(sys.path))


@lru_cache(maxsize=4)
def _loaded(path: tuple[str, ...]) -> Plugins[Decoder]:
    return find_plugins(ENTRY_POINTS, Decoder)


def plugin_fingerprint() -> str | None:
    """Return the ids of all decoders in one line, "" for none; None where one is broken, so that they are unknown."""
    plugins = decoder_plugins()
    return None if plugins.broken else ", ".join(sorted(each.id for each in plugins.good.values()))


def sniff_with_plugins(head: bytes, sniffed: Sniffed, warn: Callable[[str], None] = warn_once) -> Sniffed:
    """Return a plugin's type of a file that nothing built in decodes, or that is a text without markup.

    Other files keep their type. Of several decoders that detect a file the first by name gets it. One whose `detect`
    fails is skipped with a warning. The result names the decoder.
    """
    if not head or (sniffed.modality is not None and sniffed.mime != PLAIN):
        return sniffed
    kinds = (plugin_kind(decoder, warn) for _, decoder in sorted(decoder_plugins().good.items()))
    return first_that_detects(kinds, FileHead(head)) or sniffed


def plugin_kind(decoder: Decoder, warn: Callable[[str], None] = warn_once) -> MediaKind:
    """Return the decoder as a kind of media, in the form of those that are built in."""
    return MediaKind(
        name=decoder.name,
        modality=decoder.modality,
        mime=decoder.mime,
        decoder=decoder.id,
        detect=lambda head: decoder.mime if _detects(decoder, head.first, warn) else None,
        decode=_TASKS[decoder.modality],
        options={"decoder": decoder.name},
    )


def media_hash(data: bytes, read_as: str = "") -> str:
    """Return the sha256 of a file's bytes; a plugin's decoder or an encoding that they are read with counts too."""
    return content_hash(data + f"\0{read_as}".encode()) if read_as else content_hash(data)


def decoder_of(decoder_id: str, *, mime: str | None) -> Decoder | None:
    """Return the decoder of this name and version; None for "".

    Raises SettingsError where it can't be used: quarantined files would lose their vectors.
    """
    if not decoder_id:
        return None
    plugins, name = decoder_plugins(), decoder_id.partition("-")[0]
    plugins.refuse_broken(name)
    decoder = plugins.good.get(name)
    if decoder is not None and decoder.id == decoder_id:
        return decoder
    state = f"{decoder.id} is installed" if decoder is not None else "it is not installed"
    message = " ".join(
        [
            f"Media of type {mime} is decoded by {decoder_id}, but {state}.",
            "Install the package that has it, or refresh the source: its files are then read by what is installed.",
            *(each.message for each in plugins.broken),
        ]
    )
    raise SettingsError(message)


def _detects(decoder: Decoder, head: bytes, warn: Callable[[str], None]) -> bool:
    try:
        return bool(decoder.detect(head))
    except Exception as error:  # a plugin must not stop the listing of a source
        warn(f"Decoder {decoder.id}: its detect raised {type(error).__name__}: {error}. It is skipped.")
        return False
