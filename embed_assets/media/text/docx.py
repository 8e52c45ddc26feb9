"""docx_text: the paragraphs and tables of a Word document, read from its XML."""

import io
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.text.documents import clean_text
from embed_assets.media.text.replaced_bytes import Decoded

MAIN = "word/document.xml"

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_MARKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
# Elements around text: fields, content controls, links, accepted changes. Deleted text is in others.
_AROUND = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo"})
_INSIDE = _AROUND | {"r", "hyperlink", "smartTag", "fldSimple", "dir", "bdo"}


def docx_text(data: bytes, *, limits: Limits) -> Decoded:
    """Return a line for each paragraph; a table's row is a line, its cells apart by tabs.

    Headers, footers, notes, comments and text boxes are left out. Raises MediaError "broken document",
    "encrypted", "empty text" or "too large unpacked".
    """
    return Decoded(clean_text(_extracted(data, limits), "empty text", limits))


def _extracted(data: bytes, limits: Limits) -> str:
    try:
        body = _main_part(data, limits)
        return "\n".join(_blocks(body))
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("out of memory", f"{len(data):,} bytes") from error
    except Exception as error:  # zipfile, zlib and expat raise their own; deep nesting RecursionError
        raise MediaError("broken document", f"{type(error).__name__}: {error}") from error


def _main_part(data: bytes, limits: Limits) -> ET.Element:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo(MAIN)
        if info.flag_bits & 1:
            raise MediaError("encrypted", f"{MAIN} needs a password")
        # zipfile reads no more than the declared size. Markup is several times the text.
        limit = 8 * limits.max_characters
        if info.file_size > limit:
            raise MediaError(
                "too large unpacked", f"{info.file_size:,} bytes of XML; 8 times max_characters is {limit:,}"
            )
        xml = archive.read(info)
    root = ET.fromstring(xml)  # expat bounds what entities expand to
    body = next((child for child in root if _name(child) == "body"), None)
    if body is None:
        raise MediaError("broken document", f"{MAIN} has no body")
    return body


def _blocks(element: ET.Element) -> Iterator[str]:
    for child in element:
        name = _name(child)
        if name == "p":
            if text := _inline(child).strip():
                yield text
        elif name == "tbl":
            yield from _rows(child)
        elif name in _AROUND:
            yield from _blocks(child)


def _rows(table: ET.Element) -> Iterator[str]:
    for row in _within(table, "tr"):
        cells = (" ".join(_blocks(cell)).replace("\n", " ") for cell in _within(row, "tc"))
        if text := "\t".join(cells).strip():
            yield text


def _within(element: ET.Element, tag_name: str) -> Iterator[ET.Element]:
    """Yield the rows of a table or the cells of a row, also those inside content controls."""
    for child in element:
        name = _name(child)
        if name == tag_name:
            yield child
        elif name in _AROUND:
            yield from _within(child, tag_name)


def _inline(element: ET.Element) -> str:
    parts: list[str] = []
    for child in element:
        name = _name(child)
        if name == "t":
            parts.append(child.text or "")
        elif name in _MARKS:
            parts.append(_MARKS[name])
        elif name in _INSIDE:
            parts.append(_inline(child))
    return "".join(parts)


def _name(element: ET.Element) -> str:
    """Return the tag of Word's own vocabulary, in either of its namespaces; "" for any other."""
    tag = element.tag
    return next((tag[len(space) :] for space in (_W, _STRICT) if tag.startswith(space)), "")
