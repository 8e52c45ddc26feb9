"""demuxers: FFmpeg's formats that are opened: all that it can probe, but those that refer to other files."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

# Playlists, scripts and descriptions refer to other files and addresses; some formats render text as a terminal.
LEAD_ELSEWHERE = frozenset(
    (
        *("concat", "concatf", "hls", "applehttp", "dash", "imf", "image2", "image2pipe", "sdp", "rtsp", "rtp", "sap"),
        *("vobsub", "webm_dash_manifest", "avisynth", "vapoursynth", "lavfi", "sbg", "ffmetadata"),
        *("tty", "bin", "adf", "idf", "xbin", "tedcaptions"),
    )
)
# Single pictures are decoded by Pillow: to FFmpeg these are videos of one frame.
_STILLS = frozenset(("fits", "ico", "alias_pix", "brender_pix", "txd", "jpegxl_anim"))

_UNSURE = "detected only with low score"  # FFmpeg's warning of an uncertain guess


@lru_cache(maxsize=1)
def allowed() -> str:
    """Return the names for FFmpeg's `format_whitelist`, separated by commas."""
    import av
    from av.format import ContainerFormat

    names: list[str] = []
    for name in sorted(av.formats_available):
        try:
            demuxer = ContainerFormat(name, "r")
        except ValueError:  # a format that is written only
            continue
        # Without a file of its own it is a device.
        if demuxer.is_input and not demuxer.no_file and LEAD_ELSEWHERE.isdisjoint(name.split(",")):
            names.append(name)
    return ",".join(names)


def is_still(name: str) -> bool:
    """Return whether files of a format hold one picture each."""
    return name in _STILLS or name.endswith("_pipe")


@contextmanager
def collect_doubts(doubts: list[str]) -> Iterator[None]:
    """Add FFmpeg's warnings of an uncertain format to `doubts`.

    For opening alone: decoding threads would wait for the interpreter to take their messages, and it for them.
    """
    from av import logging

    level, skips = logging.get_level(), logging.get_skip_repeated()
    logging.set_level(logging.WARNING)
    logging.set_skip_repeated(False)
    try:
        with logging.Capture() as messages:
            yield
    finally:
        logging.set_level(level)
        logging.set_skip_repeated(skips)
    doubts += [message for _, _, message in messages if _UNSURE in message]
