"""SubRip subtitles (.srt) as the text that is spoken, without numbers, times and tags."""

import re

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.text.decode_text import decode_text

_TIME = r"\d+:\d\d:\d\d[,.]\d{1,3}"
_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?\s*\d+[ \t]*\r?\n" + _TIME.encode() + rb" *--> *\d")
_CUE = re.compile(rf"\d+[ \t]*\n{_TIME} *--> *{_TIME}[^\n]*(?:\n|\Z)(.*)", re.DOTALL)
_TAG = re.compile(r"</?[a-z][^>\n]*>|\{\\[^}\n]*\}", re.IGNORECASE)


def is_subrip(head: bytes) -> bool:
    """Whether a file begins with a number and, in the next line, two times."""
    return _FIRST.match(head) is not None


def subrip_text(data: bytes, limits: Limits) -> str:
    """Return one line a cue. Raises MediaError "broken subtitles", or an error of decode_text."""
    text = decode_text(data, limits=limits).text.replace("\r\n", "\n")
    lines = []
    for number, block in enumerate(re.split(r"\n\s*\n(?=\d+[ \t]*\n)", text.strip()), start=1):
        cue = _CUE.fullmatch(block)
        if cue is None:
            raise MediaError("broken subtitles", f"block {number} is no cue: {block[:60]!r}")
        lines.append(" ".join(_TAG.sub("", cue[1]).split()))
    return "\n".join(line for line in lines if line)
