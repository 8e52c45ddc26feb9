"""open_container: a file's bytes as an FFmpeg container, and its best streams."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from embed_assets.errors import MediaError
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.media_types import Modality
from embed_assets.media.recordings.demuxers import allowed, collect_doubts

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Formats with the length in the header, so that a truncated file is detected; of others FFmpeg estimates it.
_LENGTH_IN_HEADER = frozenset(("mov", "matroska", "avi", "wav", "w64", "flac", "aiff", "caf", "asf"))
# Time stamps of a broadcast begin anywhere; those of other formats count from the start of the file.
_BROADCAST = frozenset(("mpegts", "mpeg"))
# Ways out, for messages.
COPY = "copy the file again from where it came"
CONVERT = {
    "audio": "convert it, for instance by ffmpeg -i IN OUT.flac",
    "video": "convert it, for instance by ffmpeg -i IN OUT.mp4",
}
_THREADS = 4  # more threads gain little, and each takes memory that counts against the worker's limit


@contextmanager
def open_container(data: bytes, kind: str, *, sure: bool = False) -> "Iterator[InputContainer]":
    """Open a container and close it after the block; inside the block every error becomes a MediaError.

    `kind` is "audio" or "video" and names the reasons: "unsupported audio", "broken audio", "out of memory".
    With `sure` a file is unsupported where FFmpeg is unsure of its format: it takes time zone files for sound.
    """
    doubts: list[str] = []
    try:
        with collect_doubts(doubts) if sure else nullcontext():
            unchecked = _open(data, kind)
        with unchecked as container:
            if doubts:
                raise MediaError(f"unsupported {kind}", f"it may be {_named(container)}; {CONVERT[kind]}")
            if not container.streams:
                raise MediaError(f"broken {kind}", f"{_named(container)} with no track in it; {COPY}")
            yield container
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("out of memory", f"{len(data):,} bytes; raise the limit decode_megabytes") from error
    except Exception as error:  # FFmpeg's own errors are of a dozen classes, and PyAV lets IndexError through
        raise MediaError(f"broken {kind}", f"{_message(error)}; {COPY}, or {CONVERT[kind]}") from error


def _open(data: bytes, kind: str) -> "InputContainer":
    import av
    from av.error import FFmpegError

    options = {"format_whitelist": allowed(), "protocol_whitelist": ""}
    try:
        return av.open(io.BytesIO(data), mode="r", container_options=options)
    except FFmpegError as error:
        sniffed = sniff(data)
        is_recording = sniffed.modality in ("audio", "video")
        problem = f"{sniffed.mime} of {len(data):,} bytes: {_message(error)}"
        hint = f"{COPY}, or {CONVERT[kind]}" if is_recording else CONVERT[kind]
        raise MediaError(f"{'broken' if is_recording else 'unsupported'} {kind}", f"{problem}; {hint}") from error


def kind_of(container: "InputContainer") -> Modality | None:
    """Return the modality of the streams, whether or not they can be decoded."""
    if _pictures(container) is not None:
        return "video"
    return None if container.streams.best("audio") is None else "audio"


def picture_stream(container: "InputContainer") -> "VideoStream | None":
    """Return FFmpeg's best video stream. The cover of a music file does not count."""
    stream = _pictures(container)
    return None if stream is None else _ready(stream, "video")


def _pictures(container: "InputContainer") -> Any:
    from av.stream import Disposition

    stream = container.streams.best("video")
    return None if stream is None or stream.disposition & Disposition.attached_pic else stream


def sound_stream(container: "InputContainer") -> "AudioStream | None":
    """Return FFmpeg's best sound track."""
    stream = container.streams.best("audio")
    return None if stream is None else _ready(stream, "audio")


def _ready(stream: Any, kind: str) -> Any:
    if stream.codec_context is None:
        problem = f"track {stream.index} of it is in a codec that has no decoder here"
        raise MediaError(f"unsupported {kind}", f"{problem}; {CONVERT[kind]}")
    stream.codec_context.thread_type = "AUTO"  # the default shares out slices, which few files have
    stream.codec_context.thread_count = min(_THREADS, os.cpu_count() or 1)
    return stream


def packets_of(container: "InputContainer", *streams: Any) -> "Iterator[Packet]":
    """Yield the packets of these streams, or of all, up to the end, or to where the file is truncated."""
    from av.error import FFmpegError

    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except MemoryError:  # FFmpeg's has both classes
            raise
        except FFmpegError:
            return
        except IndexError:  # after the last packet, where PyAV flushes a track that began later and is unknown to it
            return
        yield packet


def frames_of(
    container: "InputContainer", stream: Any, *, decode: "Callable[[Packet], Sequence[Any]] | None" = None
) -> Iterator[Any]:
    """Yield the decoded frames, by the stream's own decoder or by `decode`.

    A packet that can't be decoded is skipped: many music files end in one. Raises MediaError "broken ..." where there
    is no frame at all, or more than one bad packet in twenty.
    """
    from av.error import FFmpegError

    good, bad, message = 0, 0, ""
    for packet in packets_of(container, stream):
        try:
            frames = packet.decode() if decode is None else decode(packet)
        except MemoryError:
            raise
        except FFmpegError as error:
            bad, message = bad + 1, message or _message(error)
            continue
        good += len(frames)
        yield from frames
    if not good or bad > max(1, good // 20):
        raise _undecoded(stream, good, bad, message)


def _undecoded(stream: Any, good: int, bad: int, message: str) -> MediaError:
    kind, codec = stream.type, stream.codec_context.name
    if not good and not bad:
        return MediaError(f"broken {kind}", f"its {codec} track is announced and has nothing in it; {COPY}")
    share = f"{bad:,} packets can't be decoded as {codec}, {good or 'no'} frames can"
    return MediaError(f"broken {kind}", f"{share}: {message}; {COPY}, or {CONVERT[kind]}")


def alpha_decoder(stream: Any) -> "Callable[[Packet], Sequence[Any]] | None":
    """Return a decoder that keeps the transparency of VP8 or VP9, which FFmpeg's own lose; None if not needed."""
    import av
    from av.codec.codec import UnknownCodecError

    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return None
    try:
        context: Any = av.CodecContext.create(name, "r")
    except UnknownCodecError:  # an FFmpeg that was built without it
        return None
    context.thread_count = min(_THREADS, os.cpu_count() or 1)
    return lambda packet: context.decode(packet if packet.size else None)


def origin_of(container: "InputContainer") -> float:
    """Return the time stamp, in seconds, of the start of the file."""
    if _name(container) in _BROADCAST and container.start_time is not None:
        return container.start_time / 1e6
    return 0.0


def declares_length(container: "InputContainer") -> bool:
    """Return whether the header has the length of the file, so that a truncated file is detected."""
    return _name(container) in _LENGTH_IN_HEADER


def counts_packets(container: "InputContainer") -> bool:
    """Return whether time stamps are numbers of packets, as in AVI, and wrong for packets of varying length."""
    return _name(container) == "avi"


def declared_end(container: "InputContainer", stream: Any) -> float | None:
    """Return the end of a stream by the header, as a time stamp in seconds; None where the header has none."""
    if not declares_length(container) or counts_packets(container):
        return None
    if stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return container_end(container) if len(container.streams) == 1 else None


def container_end(container: "InputContainer") -> float | None:
    """Return where the longest stream ends, as a time stamp in seconds, by the header or by an estimate."""
    if not container.duration or container.duration < 0:
        return None
    # Matroska counts its duration from zero, the others from the first time stamp.
    start = 0 if _name(container) == "matroska" else container.start_time or 0
    return (start + container.duration) / 1e6


def check_whole(end: float, expected: float | None, kind: str) -> None:
    """Raise MediaError "partial audio" or "partial video" where more than a twentieth and half a second is missing."""
    if expected is not None and end < expected - max(0.5, expected / 20):
        problem = f"it ends at {end:.2f} s, by its header at {expected:.2f} s"
        raise MediaError(f"partial {kind}", f"{problem}; {COPY}, or keep what is left: {CONVERT[kind]}")


def check_length(seconds: float, kind: str, limit: float) -> None:
    """Raise MediaError "too long" above the limit."""
    if seconds > limit:
        problem = f"{kind} of {seconds:,.0f} s; the limit max_seconds is {limit:,.0f}"
        raise MediaError("too long", f"{problem}: raise it, or cut the file")


def _name(container: "InputContainer") -> str:
    return container.format.name.split(",")[0]


def _named(container: "InputContainer") -> str:
    return f"a file of {container.format.long_name}"


def _message(error: Exception) -> str:
    """Return the error's message without its number."""
    from av.error import FFmpegError

    if isinstance(error, FFmpegError) and error.strerror:
        return str(error.strerror)
    return f"{type(error).__name__}: {error}"
