"""Added decoders: file types of installed packages, asked of files that nothing built in knows."""

import struct
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from embed_assets.errors import MediaError, SettingsError
from embed_assets.media.decoder import Decoder
from embed_assets.media.documents import checked_text
from embed_assets.media.encodings import encoding_of
from embed_assets.media.hashing import content_hash
from embed_assets.media.item import Segment, Sniffed
from embed_assets.media.limits import Limits
from embed_assets.media.sampling import Sampling
from embed_assets.plugins import Plugins, find_plugins, warn_once

ENTRY_POINTS = "embed_assets.decoders"
PLAIN = "text/plain"  # what every text without markup is to `sniff`

_MARK = "; decoder="


def decoder_plugins() -> Plugins[Decoder]:
    """The decoders that installed packages declare, found once a process; a package added later is not seen."""
    return _found(tuple(sys.path))


@lru_cache(maxsize=4)
def _found(path: tuple[str, ...]) -> Plugins[Decoder]:
    return find_plugins(ENTRY_POINTS, Decoder)


def installed() -> str | None:
    """All usable decoders in one line, "" for none; None where one is broken, so that it can't be told."""
    found = decoder_plugins()
    return None if found.broken else ", ".join(sorted(each.id for each in found.good.values()))


def shown_to_plugins(head: bytes, sniffed: Sniffed, warn: Callable[[str], None] = warn_once) -> Sniffed:
    """What a plugin takes a file for that nothing built in decodes, or that is a text without markup.

    Types that are known stay what they are. Of several decoders that want a file the first by name gets
    it. One whose `detect` fails is passed over with a warning. The mime type says who decodes the file.
    """
    if not head or (sniffed.modality is not None and sniffed.mime != PLAIN):
        return sniffed
    for _, decoder in sorted(decoder_plugins().good.items()):
        if _detects(decoder, head, warn):
            return Sniffed(mime=f"{decoder.mime}{_MARK}{decoder.id}", modality=decoder.modality)
    return sniffed


def decoded_by(mime: str | None) -> str:
    """Name and version of the decoder that a manifest's mime type names; "" for types of ours."""
    return (mime or "").partition(_MARK)[2]


def media_hash(data: bytes, mime: str | None) -> str:
    """sha256 of a file's bytes, with the plugin's decoder or the setting's encoding that changes what they are."""
    added = decoded_by(mime) or encoding_of(mime)
    return content_hash(data + f"\0{added}".encode()) if added else content_hash(data)


def decoder_of(mime: str | None) -> Decoder | None:
    """The decoder that a mime type names; None for types of ours.

    Raises SettingsError where it can't be used: to set its files aside would cost them their vectors.
    """
    wanted = decoded_by(mime)
    if not wanted:
        return None
    plugins, name = decoder_plugins(), wanted.partition("-")[0]
    plugins.refuse_broken(name)
    found = plugins.good.get(name)
    if found is not None and found.id == wanted:
        return found
    there = f"{found.id} is installed" if found is not None else "it is not installed"
    said = " ".join(
        [
            f"Media of type {(mime or '').partition(_MARK)[0]} is decoded by {wanted}, but {there}.",
            "Install the package that it came with, or refresh the source: what is installed then decides.",
            *(each.said for each in plugins.broken),
        ]
    )
    raise SettingsError(said)


def decode_added(data: bytes, *, decoder: str, limits: Limits) -> Any:
    """A text that is not empty, an upright RGB picture, or a Sound, by the decoder of this name.

    Raises MediaError alone, the decoder's own or "<name> decoder failed", but SettingsError where it is
    not installed.
    """
    plugins = decoder_plugins()
    plugins.refuse_broken(decoder)
    if decoder not in plugins.good:
        raise SettingsError(f"Decoder {decoder!r} is not installed.")
    added = plugins.good[decoder]
    try:
        return _checked(added.decode(data, limits), added, limits)
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("out of memory", f"{added.id} on {len(data):,} bytes") from error
    except Exception as error:  # another's parser may raise anything; it costs this item alone
        raise MediaError(f"{added.name} decoder failed", f"{added.id}: {type(error).__name__}: {error}") from error


def added_sounds(
    data: bytes, *, decoder: str, caption: str | None, media_hash: str, sampling: Sampling, limits: Limits
) -> Iterator[Segment]:
    """The windows of a decoder's Sound, at the encoder's rate, as of any sound file."""
    from embed_assets.media.recordings import sound_segments

    wav = _wav(decode_added(data, decoder=decoder, limits=limits))
    yield from sound_segments(wav, caption=caption, media_hash=media_hash, sampling=sampling, limits=limits)


def _detects(decoder: Decoder, head: bytes, warn: Callable[[str], None]) -> bool:
    try:
        return bool(decoder.detect(head))
    except Exception as error:  # another's code: it must not stop the listing of a source
        warn(f"Decoder {decoder.id}: its detect raised {type(error).__name__}: {error}. It is passed over.")
        return False


def _checked(made: Any, decoder: Decoder, limits: Limits) -> Any:
    """What the decoder made, if it is what it declares and within the limits."""
    from PIL import Image

    from embed_assets.media.payload import Sound

    kind: Any = {"text": str, "image": Image.Image, "audio": Sound}[decoder.modality]
    if not isinstance(made, kind):
        raise TypeError(f"gave {type(made).__name__}, where {decoder.modality} is {kind.__name__}")
    if decoder.modality == "text":
        return checked_text(made, "empty text", limits)
    if decoder.modality == "image":
        from embed_assets.media.image import checked_rgb

        return checked_rgb(made, limits)
    return _checked_sound(made, limits)


def _checked_sound(sound: Any, limits: Limits) -> Any:
    import numpy as np

    samples = sound.samples
    if samples.ndim != 1 or samples.dtype != np.float32 or sound.rate < 1:
        raise TypeError(f"gave samples {samples.dtype} {samples.shape} at {sound.rate} Hz; expected float32 (n,)")
    if sound.seconds > limits.max_seconds:
        raise MediaError("too long", f"{sound.seconds:,.0f} s; the limit max_seconds is {limits.max_seconds:,.0f}")
    return sound


def _wav(sound: Any) -> bytes:
    """32-bit float samples behind a header: the way through which every sound is brought to an encoder's rate."""
    body = sound.samples.astype("<f4").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, sound.rate, sound.rate * 4, 4, 32)
    chunks = b"WAVE" + form + struct.pack("<4sI", b"data", len(body)) + body
    return struct.pack("<4sI", b"RIFF", len(chunks)) + chunks
