"""decode_with_plugin: decode a file with the decoder of an installed package, and check its result."""

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
from embed_assets.media.text.documents import clean_text
from embed_assets.media.text.replaced_bytes import Decoded


def decode_with_plugin(data: bytes, *, decoder: str, limits: Limits) -> Any:
    """Return a non-empty text, an upright RGB picture, or a Sound, by the decoder of this name.

    Raises MediaError, the decoder's own or "<name> decoder failed", and SettingsError where it is not installed.
    """
    plugins = decoder_plugins()
    plugins.refuse_broken(decoder)
    if decoder not in plugins.good:
        raise SettingsError(f"Decoder {decoder!r} is not installed.")
    plugin = plugins.good[decoder]
    try:
        return _checked(plugin.decode(data, limits), plugin, limits)
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("out of memory", f"{plugin.id} on {len(data):,} bytes") from error
    except Exception as error:  # a plugin's parser may raise anything; it costs this item alone
        raise MediaError(f"{plugin.name} decoder failed", f"{plugin.id}: {type(error).__name__}: {error}") from error


def plugin_text(data: bytes, *, decoder: str, limits: Limits) -> Decoded:
    """Return a decoder's text, as of any document."""
    return Decoded(decode_with_plugin(data, decoder=decoder, limits=limits))


def plugin_picture(data: bytes, *, decoder: str, most: int | None, limits: Limits) -> Iterator[Shown]:
    """Yield a decoder's picture, as of any picture file that is not animated."""
    yield None, None, decode_with_plugin(data, decoder=decoder, limits=limits)


def plugin_sounds(
    data: bytes, *, decoder: str, caption: str | None, media_hash: str, sampling: Sampling, limits: Limits
) -> Iterator[Segment]:
    """Yield the windows of a decoder's Sound, at the encoder's rate, as of any sound file."""
    from embed_assets.media.recordings.recording_segments import sound_segments

    wav = _wav(decode_with_plugin(data, decoder=decoder, limits=limits))
    yield from sound_segments(wav, caption=caption, media_hash=media_hash, sampling=sampling, limits=limits)


def _checked(result: Any, decoder: Decoder, limits: Limits) -> Any:
    """Return the decoder's result, if it has the declared type and is within the limits."""
    from PIL import Image

    from embed_assets.media.payload import Sound

    kind: Any = {"text": str, "image": Image.Image, "audio": Sound}[decoder.modality]
    if not isinstance(result, kind):
        raise TypeError(f"gave {type(result).__name__}, where {decoder.modality} is {kind.__name__}")
    if decoder.modality == "text":
        return clean_text(result, "empty text", limits)
    if decoder.modality == "image":
        from embed_assets.media.pictures.decode_image import checked_rgb

        return checked_rgb(result, limits)
    return _checked_sound(result, limits)


def _checked_sound(sound: Any, limits: Limits) -> Any:
    import numpy as np

    samples = sound.samples
    if samples.ndim != 1 or samples.dtype != np.float32 or sound.rate < 1:
        raise TypeError(f"gave samples {samples.dtype} {samples.shape} at {sound.rate} Hz; expected float32 (n,)")
    if sound.seconds > limits.max_seconds:
        raise MediaError("too long", f"{sound.seconds:,.0f} s; the limit max_seconds is {limits.max_seconds:,.0f}")
    return sound


def _wav(sound: Any) -> bytes:
    """Return the samples as a WAV file of 32-bit floats: every sound is resampled by the decoder of sound files."""
    body = sound.samples.astype("<f4").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, sound.rate, sound.rate * 4, 4, 32)
    chunks = b"WAVE" + form + struct.pack("<4sI", b"data", len(body)) + body
    return struct.pack("<4sI", b"RIFF", len(chunks)) + chunks
