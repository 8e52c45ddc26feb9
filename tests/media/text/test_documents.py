"""Text out of HTML, PDF and .docx files, and the reason where there is none."""

import io
import time
import zipfile

import pytest

from embed_assets.errors import MediaError
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.limits import Limits
from embed_assets.media.segments import Segmenting, document_text
from embed_assets.media.text.documents import DOCX, HTML, PDF
from tests.media.cutting import segments_of

LIMITS = Limits()


def text_of(data: bytes, limits: Limits = LIMITS) -> str:
    return document_text(data, sniff(data).mime, limits=limits).text


def reason(data: bytes, mime: str, limits: Limits = LIMITS) -> str:
    with pytest.raises(MediaError) as caught:
        document_text(data, mime, limits=limits)
    return caught.value.reason


def page(body: str) -> str:
    return document_text(f"<!doctype html><html><body>{body}</body></html>".encode(), HTML, limits=LIMITS).text


# HTML


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>open <b>x</b>y</p>", "open xy"),
        ("<h1>Title</h1>text<p>more</p>end", "Title\ntext\nmore\nend"),
        ("one<br>two<hr>three", "one\ntwo\nthree"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("<table><tr><td>1</td><td>2</td></tr></table>", "1\n2"),
        ("  a \n\n b\t<i> c </i> d", "a b c d"),
        ("x<pre>a\n  b</pre>y", "x\na\n  b\ny"),
        ("a<script>var b = '<p>c</p>'</script><style>p{}</style><noscript>no</noscript><template>t</template>d", "ad"),
        ("&lt;tag&gt; &amp; caf&eacute; &#x1F600;", "<tag> & café 😀"),
        ("<a href='x'>link</a>, <span>span</span>.", "link, span."),
        ("<p>never <b>closed <i>at all", "never closed at all"),
        ("</p></div>stray", "stray"),
        ("<!-- <p>comment</p> -->shown", "shown"),
    ],
)
def test_a_page_is_what_a_reader_sees(body: str, text: str) -> None:
    assert page(body) == text


def test_the_title_is_text_and_scripts_are_not() -> None:
    data = b"<!doctype html><html><head><title>Name</title><script>x()</script></head><body>words</body></html>"
    assert text_of(data) == "Name\nwords"


GERMAN = "Größe und Straße, für die Übung: Müller läuft über die Brücke nach Köln."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_page_is_decoded(encoding: str) -> None:
    assert text_of(f"<html><body>{GERMAN}</body></html>".encode(encoding)) == GERMAN


def test_a_declared_encoding_is_used_where_the_page_is_not_utf8() -> None:
    text = "Żółta łódź płynie"
    page = f'<html><head><meta charset="iso-8859-2"></head><body>{text}</body></html>'
    assert text_of(page.encode("iso-8859-2")) == text
    assert text_of(page.encode("utf-8")) == text


@pytest.mark.parametrize("declared", ["hex", "no-such", "utf-16", "cp1252"])
def test_a_wrong_declaration_does_not_matter(declared: str) -> None:
    page = f'<html><head><meta charset="{declared}"></head><body>{GERMAN}</body></html>'
    assert text_of(page.encode("cp1252")) == GERMAN


def test_a_page_without_text_says_so() -> None:
    assert reason(b"<html><body><script>x</script></body></html>", HTML) == "empty text"


@pytest.mark.parametrize("tag", ["<div>", "<ul><li>", "<b><i><div>", "<div></x>", "<font color=1>"])
def test_deep_nesting_is_refused_in_time(tag: str) -> None:
    started = time.monotonic()
    assert reason((f"<html>{tag * 200_000}x").encode(), HTML) == "nested too deeply"
    assert time.monotonic() - started < 2


def test_long_flat_pages_are_read_in_time() -> None:
    started = time.monotonic()
    assert page("<p>a<td>b<li><br>c<span>d</span>" * 20_000).count("a") == 20_000
    assert page("<span>" * 1500 + "x<br>" * 20_000).count("x") == 20_000
    assert time.monotonic() - started < 5


# PDF


def pdf(*pages: str) -> bytes:
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    out = io.BytesIO()
    drawn = canvas.Canvas(out)
    for text in pages:
        for number, line in enumerate(text.split("\n")):
            drawn.drawString(72, 700 - 14 * number, line)
        drawn.showPage()
    drawn.save()
    return out.getvalue()


def encrypted(data: bytes, *, user: str, algorithm: str) -> bytes:
    import pypdf

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(user, owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def minimal_pdf(content: bytes) -> bytes:
    """One page, written by hand: no tool's habits in it."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 6\n0000000000 65535 f \n"
    return out + head + table + b"trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(out)


def test_a_pdf_is_its_pages_text() -> None:
    data = pdf("Hello page one\nsecond line", "", "Page three")
    assert sniff(data).modality == "text"
    assert text_of(data) == "Hello page one\nsecond line\n\nPage three"


def test_a_pdf_written_by_hand_is_read() -> None:
    assert text_of(minimal_pdf(b"BT /F 12 Tf 10 100 Td (Plain words) Tj ET")) == "Plain words"


def test_a_pdf_without_text_has_no_text_layer() -> None:
    assert reason(minimal_pdf(b"0 0 100 100 re f"), PDF) == "no text layer"


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_a_pdf_with_a_password_is_encrypted_and_one_without_is_read(algorithm: str) -> None:
    pytest.importorskip("cryptography")
    data = pdf("secret words")
    assert reason(encrypted(data, user="word", algorithm=algorithm), PDF) == "encrypted"
    assert text_of(encrypted(data, user="", algorithm=algorithm)) == "secret words"


def test_broken_pdfs_have_a_reason_whatever_the_parser_raises() -> None:
    whole = minimal_pdf(b"BT /F 12 Tf 10 100 Td (Plain words) Tj ET")
    assert reason(b"%PDF-1.7", PDF) == "broken pdf"
    assert reason(b"%PDF-1.4\n" + bytes(range(256)) * 10, PDF) == "broken pdf"
    for end in range(0, len(whole), 7):  # cut anywhere: read in part, or a reason
        try:
            document_text(whole[:end], PDF, limits=LIMITS)
        except MediaError as error:
            assert error.reason in ("broken pdf", "no text layer")


def test_a_pdf_has_limits() -> None:
    data = pdf("one", "two", "three")
    assert reason(data, PDF, Limits(max_pages=2)) == "too many pages"
    assert reason(data, PDF, Limits(max_characters=5)) == "too many characters"


# Word


def docx(*lines: str) -> bytes:
    import docx as library

    document = library.Document()
    for line in lines:
        document.add_paragraph(line)
    table = document.add_table(rows=2, cols=2)
    for number, cell in enumerate(cell for row in table.rows for cell in row.cells):
        cell.text = f"cell {number}"
    document.add_paragraph("after the table")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def word_xml(body: str, *, space: str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>')
    return out.getvalue()


def test_a_word_document_is_its_paragraphs_and_tables_in_order() -> None:
    pytest.importorskip("docx")
    data = docx("First line", "", "Zweite Zeile: größer")
    assert sniff(data).mime == DOCX
    assert sniff(data).modality == "text"
    assert text_of(data) == "First line\nZweite Zeile: größer\ncell 0\tcell 1\ncell 2\tcell 3\nafter the table"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>", "a\tb\nc"),
        ("<w:p><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>", "link"),
        ("<w:sdt><w:sdtContent><w:p><w:r><w:t>control</w:t></w:r></w:p></w:sdtContent></w:sdt>", "control"),
        (
            (
                "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
                "<w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom></w:p>"
            ),
            "new",
        ),
        (
            (
                "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>in</w:t></w:r>"
                "</w:p></w:tc></w:tr></w:tbl></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
            ),
            "a in\tb",
        ),
    ],
)
def test_what_stands_in_a_paragraph_is_read_and_what_was_deleted_is_not(body: str, text: str) -> None:
    assert text_of(word_xml(body)) == text
    assert text_of(word_xml(body, space="http://purl.oclc.org/ooxml/wordprocessingml/main")) == text


def test_broken_word_documents_have_a_reason() -> None:
    data = word_xml("<w:p><w:r><w:t>words</w:t></w:r></w:p>" * 50)
    for end in range(0, len(data) - 1, 9):
        assert reason(data[:end], DOCX) == "broken document"
    assert reason(word_xml("<w:p>"), DOCX) == "broken document"
    assert reason(word_xml(""), DOCX) == "empty text"
    assert reason(word_xml("<w:sdt>" * 50_000 + "</w:sdt>" * 50_000), DOCX) == "broken document"


def test_a_zip_bomb_is_not_unpacked() -> None:
    assert reason(word_xml(" " * 20_000_000), DOCX, Limits(max_characters=1_000_000)) == "too large unpacked"


def test_entities_that_expand_without_end_are_refused() -> None:
    entities = '<!ENTITY a "0123456789">' + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", f"<!DOCTYPE d [{entities}]><d>&i;</d>")
    assert reason(out.getvalue(), DOCX) == "broken document"


# Any


def test_other_kinds_are_decoded_as_they_are() -> None:
    assert document_text(b"<b>not a page</b>\n", "text/plain", limits=LIMITS).text == "<b>not a page</b>\n"
    assert document_text(b"words", None, limits=LIMITS).text == "words"


def test_what_a_database_refuses_is_taken_out() -> None:
    assert "\0" not in page("a&#0;b")
    assert page("&#xD800;x").encode("utf-8")


@pytest.mark.parametrize("isolated", [False, True])
def test_segments_are_cut_from_the_text_of_the_document(isolated: bool) -> None:
    data = word_xml("<w:p><w:r><w:t>Words of a document.</w:t></w:r></w:p>")
    decoders = Decoders() if isolated else None
    try:
        segments = segments_of(
            data,
            modality="text",
            caption=None,
            media_hash="hash",
            tokenizer=None,
            max_tokens=None,
            segmenting=Segmenting(),
            limits=LIMITS,
            decoders=decoders,
            mime=DOCX,
        )
    finally:
        if decoders is not None:
            decoders.close()
    assert [(each.start, each.end, each.text) for each in segments] == [(0, 20, "Words of a document.")]
