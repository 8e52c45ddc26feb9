"""opened: a file's bytes as a container of sound and pictures, and the streams of it that count."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from embed_assets.errors import MediaError
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.media_types import Modality
from embed_assets.media.recordings.demuxers import allowed, noting_doubts

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Of these the length is in the header, so that a file cut short shows; elsewhere FFmpeg estimates it.
_LENGTH_IN_HEADER = frozenset(("mov", "matroska", "avi", "wav", "w64", "flac", "aiff", "caf", "asf"))
# Time stamps of a broadcast begin anywhere; those of other kinds count from the start of the file.
_BROADCAST = frozenset(("mpegts", "mpeg"))
# What a person can do.
COPY = "copy the file again from where it came"
CONVERT = {
    "audio": "convert it, for instance by ffmpeg -i IN OUT.flac",
    "video": "convert it, for instance by ffmpeg -i IN OUT.mp4",
}
_THREADS = 4  # more gain little, and each takes memory that counts against the worker's limit


@contextmanager
def opened(data: bytes, kind: str, *, sure: bool = False) -> "Iterator[InputContainer]":
    """The container, closed behind the block; in it everything that goes wrong is a MediaError.

    `kind` is "audio" or "video" and names the reasons: "unsupported audio", "broken audio", "out of memory".
    With `sure` files are unsupported of which FFmpeg says that it may be wrong: time zone files look like sound to it.
    """
    doubts: list[str] = []
    try:
        with noting_doubts(doubts) if sure else nullcontext():
            found = _open(data, kind)
        with found as container:
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
        raise MediaError(f"broken {kind}", f"{_said(error)}; {COPY}, or {CONVERT[kind]}") from error


def _open(data: bytes, kind: str) -> "InputContainer":
    import av
    from av.error import FFmpegError

    options = {"format_whitelist": allowed(), "protocol_whitelist": ""}
    try:
        return av.open(io.BytesIO(data), mode="r", container_options=options)
    except FFmpegError as error:
        found = sniff(data)
        known = found.modality in ("audio", "video")
        said = f"{found.mime} of {len(data):,} bytes: {_said(error)}"
        way = f"{COPY}, or {CONVERT[kind]}" if known else CONVERT[kind]
        raise MediaError(f"{'broken' if known else 'unsupported'} {kind}", f"{said}; {way}") from error


def kind_of(container: "InputContainer") -> Modality | None:
    """What is in it, whether or not there is a decoder for it."""
    if _pictures(container) is not None:
        return "video"
    return None if container.streams.best("audio") is None else "audio"


def picture_stream(container: "InputContainer") -> "VideoStream | None":
    """The video stream that FFmpeg thinks best. The cover of a music file is none."""
    stream = _pictures(container)
    return None if stream is None else _ready(stream, "video")


def _pictures(container: "InputContainer") -> Any:
    from av.stream import Disposition

    stream = container.streams.best("video")
    return None if stream is None or stream.disposition & Disposition.attached_pic else stream


def sound_stream(container: "InputContainer") -> "AudioStream | None":
    """The sound track that FFmpeg thinks best."""
    stream = container.streams.best("audio")
    return None if stream is None else _ready(stream, "audio")


def _ready(stream: Any, kind: str) -> Any:
    if stream.codec_context is None:
        said = f"track {stream.index} of it is in a codec that has no decoder here"
        raise MediaError(f"unsupported {kind}", f"{said}; {CONVERT[kind]}")
    stream.codec_context.thread_type = "AUTO"  # the default shares out slices, which few files have
    stream.codec_context.thread_count = min(_THREADS, os.cpu_count() or 1)
    return stream


def packets_of(container: "InputContainer", *streams: Any) -> "Iterator[Packet]":
    """Packets of these streams, or of all, up to the end or to where the file is cut: its length tells which."""
    from av.error import FFmpegError

    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except MemoryError:  # FFmpeg's is of both classes
            raise
        except FFmpegError:
            return
        except IndexError:  # behind the last packet, where PyAV flushes a track that began on the way, unknown to it
            return
        yield packet


def frames_of(
    container: "InputContainer", stream: Any, *, decode: "Callable[[Packet], Sequence[Any]] | None" = None
) -> Iterator[Any]:
    """Decoded frames, by the stream's own decoder or by another.

    A packet that can't be decoded is passed over: many music files end in one.
    Raises "broken ..." where there is no frame at all, or more than one bad packet in twenty.
    """
    from av.error import FFmpegError

    good, bad, seen = 0, 0, ""
    for packet in packets_of(container, stream):
        try:
            frames = packet.decode() if decode is None else decode(packet)
        except MemoryError:
            raise
        except FFmpegError as error:
            bad, seen = bad + 1, seen or _said(error)
            continue
        good += len(frames)
        yield from frames
    if not good or bad > max(1, good // 20):
        raise _undecoded(stream, good, bad, seen)


def _undecoded(stream: Any, good: int, bad: int, seen: str) -> MediaError:
    kind, codec = stream.type, stream.codec_context.name
    if not good and not bad:
        return MediaError(f"broken {kind}", f"its {codec} track is announced and has nothing in it; {COPY}")
    share = f"{bad:,} packets can't be decoded as {codec}, {good or 'no'} frames can"
    way = f"{COPY}, or {CONVERT[kind]}"
    return MediaError(f"broken {kind}", f"{share}: {seen}; {way}")


def alpha_decoder(stream: Any) -> "Callable[[Packet], Sequence[Any]] | None":
    """What decodes the transparency of a VP8 or VP9 stream: FFmpeg's own decoders lose it. None where it has none."""
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
    """The time stamp, in seconds, of the start of the file."""
    if _name(container) in _BROADCAST and container.start_time is not None:
        return container.start_time / 1e6
    return 0.0


def declares_length(container: "InputContainer") -> bool:
    """Whether the header says how long the file is, so that less than that is a damaged file."""
    return _name(container) in _LENGTH_IN_HEADER


def counts_packets(container: "InputContainer") -> bool:
    """Whether time stamps are numbers of packets, as of an AVI: those of packets that differ in length are wrong."""
    return _name(container) == "avi"


def declared_end(container: "InputContainer", stream: Any) -> float | None:
    """Where the header says that a stream ends, as a time stamp in seconds; None where it does not say."""
    if not declares_length(container) or counts_packets(container):
        return None
    if stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return container_end(container) if len(container.streams) == 1 else None


def container_end(container: "InputContainer") -> float | None:
    """Where the longest stream ends, as a time stamp in seconds, by the header or by an estimate."""
    if not container.duration or container.duration < 0:
        return None
    # Matroska counts its duration from zero, the others from the first time stamp.
    start = 0 if _name(container) == "matroska" else container.start_time or 0
    return (start + container.duration) / 1e6


def check_whole(end: float, expected: float | None, kind: str) -> None:
    """Raises "partial audio" or "partial video" where more than a twentieth and half a second is missing."""
    if expected is not None and end < expected - max(0.5, expected / 20):
        said = f"it ends at {end:.2f} s, its header says {expected:.2f} s"
        raise MediaError(f"partial {kind}", f"{said}; {COPY}, or keep what is left: {CONVERT[kind]}")


def check_length(seconds: float, kind: str, limit: float) -> None:
    """Raises "too long"."""
    if seconds > limit:
        said = f"{kind} of {seconds:,.0f} s; the limit max_seconds is {limit:,.0f}"
        raise MediaError("too long", f"{said}: raise it, or cut the file")


def _name(container: "InputContainer") -> str:
    return container.format.name.split(",")[0]


def _named(container: "InputContainer") -> str:
    return f"a file of {container.format.long_name}"


def _said(error: Exception) -> str:
    """What went wrong, without numbers that nobody knows."""
    from av.error import FFmpegError

    if isinstance(error, FFmpegError) and error.strerror:
        return str(error.strerror)
    return f"{type(error).__name__}: {error}"
