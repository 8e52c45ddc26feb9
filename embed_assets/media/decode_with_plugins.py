"""decode_with_plugin: what a decoder of an installed package makes of a file, checked as what is built in."""

import struct
from collections.abc import Iterator
from typing import Any

from embed_assets.errors import MediaError, SettingsError
from embed_assets.media.kinds.decoder import Decoder
from embed_assets.media.kinds.decoder_plugins import decoder_plugins
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Segment
from embed_assets.media.pictures.animated_frames import Shown
from embed_assets.media.sampling import Sampling
from embed_assets.media.text.documents import checked_text
from embed_assets.media.text.replaced_bytes import Decoded


def decode_with_plugin(data: bytes, *, decoder: str, limits: Limits) -> Any:
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


def plugin_text(data: bytes, *, decoder: str, limits: Limits) -> Decoded:
    """Return a decoder's text, as of any document."""
    return Decoded(decode_with_plugin(data, decoder=decoder, limits=limits))


def plugin_picture(data: bytes, *, decoder: str, most: int | None, limits: Limits) -> Iterator[Shown]:
    """Yield a decoder's picture, as of any picture file that is not animated."""
    yield None, None, decode_with_plugin(data, decoder=decoder, limits=limits)


def plugin_sounds(
    data: bytes, *, decoder: str, caption: str | None, media_hash: str, sampling: Sampling, limits: Limits
) -> Iterator[Segment]:
    """The windows of a decoder's Sound, at the encoder's rate, as of any sound file."""
    from embed_assets.media.recordings.recording_segments import sound_segments

    wav = _wav(decode_with_plugin(data, decoder=decoder, limits=limits))
    yield from sound_segments(wav, caption=caption, media_hash=media_hash, sampling=sampling, limits=limits)


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
        from embed_assets.media.pictures.decode_image import checked_rgb

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
