"""html_text: the visible text of a page, a line for each block."""

import re
from collections import Counter
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.text.decode_text import decode_text
from embed_assets.media.text.documents import clean_text
from embed_assets.media.text.replaced_bytes import Decoded

# The parser's time grows with the square of the depth: 0.02 s for 5,000, 16 s for 100,000.
MAX_DEPTH = 2000
UNSEEN = ["script", "style", "noscript", "template", "iframe", "object"]

_INLINE = frozenset(
    re.findall(
        r"\w+",
        "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q rb rp rt ruby s samp "
        "small span strike strong sub sup time tt u var wbr",
    )
)
# Tags that the parser closes by itself, and those without content: they don't nest.
_FLAT = frozenset(
    re.findall(
        r"\w+",
        "p li dt dd tr td th thead tbody tfoot option optgroup colgroup caption rb rp rt html head body "
        "area base br col embed hr img input link meta param source track wbr",
    )
)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)")


def html_text(data: bytes, *, limits: Limits, encoding: str | None = None) -> Decoded:
    """Return the text by blocks, inline tags joined, white space as in a browser.

    Navigation and footers are part of the text. Raises MediaError "nested too deeply", "broken html",
    or those of decode_text.
    """
    source = decode_text(data, limits=limits, encoding=encoding, html=True)
    return Decoded(clean_text(_extracted(source.text, len(data)), "empty text", limits), source.warning)


def _extracted(source: str, size: int) -> str:
    _check_depth(source)
    from selectolax.lexbor import LexborHTMLParser

    try:
        tree: Any = LexborHTMLParser(source)
        tree.strip_tags(UNSEEN)
        return "\n".join(_lines(tree.root)) if tree.root is not None else ""
    except MemoryError as error:
        raise MediaError("out of memory", f"{size:,} bytes") from error
    except Exception as error:  # the parser raises its own and ValueError
        raise MediaError("broken html", f"{type(error).__name__}: {error}") from error


def _lines(root: Any) -> list[str]:
    lines: list[str] = []
    parts: list[str] = []
    blocks: dict[int, tuple[int, bool]] = {}
    current: tuple[int, bool] | None = None
    for node in root.traverse(include_text=True):
        if node.tag == "-text":
            block = _block_of(node.parent, blocks)
            if block != current:
                _end_line(lines, parts, current)
                current = block
            parts.append(node.text_content or "")
        elif node.tag in ("br", "hr"):
            _end_line(lines, parts, current)
    _end_line(lines, parts, current)
    return lines


def _block_of(node: Any, blocks: dict[int, tuple[int, bool]]) -> tuple[int, bool]:
    """Return the nearest block element around a text, and whether it keeps white space."""
    first = node.mem_id if node is not None else 0
    if first not in blocks:
        while node is not None and node.tag in _INLINE:
            node = node.parent
        keeps_space = node is not None and node.tag in ("pre", "textarea")
        blocks[first] = (node.mem_id if node is not None else 0, keeps_space)
    return blocks[first]


def _end_line(lines: list[str], parts: list[str], block: tuple[int, bool] | None) -> None:
    text = "".join(parts)
    parts.clear()
    text = text.strip("\n") if block is not None and block[1] else " ".join(text.split())
    if text.strip():
        lines.append(text)


def _check_depth(source: str) -> None:
    opened: Counter[str] = Counter()
    depth = 0
    for match in _TAG.finditer(source):
        close, tag = match[1], match[2].lower()
        if tag in _FLAT:
            continue
        if not close:
            opened[tag] += 1
            depth += 1
        elif opened[tag]:
            opened[tag] -= 1
            depth -= 1
        if depth > MAX_DEPTH:
            raise MediaError("nested too deeply", f"more than {MAX_DEPTH:,} tags inside each other")
