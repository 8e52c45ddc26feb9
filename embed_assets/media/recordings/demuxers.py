"""demuxers: which of FFmpeg's kinds of files are opened: all that it can probe, but those that lead elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

# Playlists, scripts and descriptions name other files and addresses; of a text a terminal's screen is drawn.
LEAD_ELSEWHERE = frozenset(
    (
        *("concat", "concatf", "hls", "applehttp", "dash", "imf", "image2", "image2pipe", "sdp", "rtsp", "rtp", "sap"),
        *("vobsub", "webm_dash_manifest", "avisynth", "vapoursynth", "lavfi", "sbg", "ffmetadata"),
        *("tty", "bin", "adf", "idf", "xbin", "tedcaptions"),
    )
)
# A single picture is Pillow's: FFmpeg has these as films of one frame.
_STILLS = frozenset(("fits", "ico", "alias_pix", "brender_pix", "txd", "jpegxl_anim"))

_UNSURE = "detected only with low score"  # what FFmpeg says of a guess that it would not bet on


@lru_cache(maxsize=1)
def allowed() -> str:
    """The names that FFmpeg is given as `format_whitelist`, with commas between them."""
    import av
    from av.format import ContainerFormat

    names: list[str] = []
    for name in sorted(av.formats_available):
        try:
            found = ContainerFormat(name, "r")
        except ValueError:  # a kind that is written only
            continue
        # Without a file of its own it is a device.
        if found.is_input and not found.no_file and LEAD_ELSEWHERE.isdisjoint(name.split(",")):
            names.append(name)
    return ",".join(names)


def is_still(name: str) -> bool:
    """Whether files of a format hold one picture each."""
    return name in _STILLS or name.endswith("_pipe")


@contextmanager
def noting_doubts(doubts: list[str]) -> Iterator[None]:
    """Adds to `doubts` what FFmpeg says where it is not sure of the kind of a file.

    For opening alone: threads that decode would wait for the interpreter to take what they say, and it for them.
    """
    from av import logging

    level, skips = logging.get_level(), logging.get_skip_repeated()
    logging.set_level(logging.WARNING)
    logging.set_skip_repeated(False)
    try:
        with logging.Capture() as told:
            yield
    finally:
        logging.set_level(level)
        logging.set_skip_repeated(skips)
    doubts += [message for _, _, message in told if _UNSURE in message]
