"""Texts in their encoding: marked, declared, set or certain; replaced bytes give a warning; others are quarantined."""

from pathlib import Path

import pytest

from benchmarks.encodings import cases, outcome
from embed_assets.errors import MediaError, SettingsError
from embed_assets.load_settings import make_settings
from embed_assets.media.detect import look_at
from embed_assets.media.hashing import content_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.kinds.unsupported_kinds import unsupported
from embed_assets.media.limits import Limits
from embed_assets.media.segments import Segmenting, document_text
from embed_assets.media.text.decode_text import decode_text
from embed_assets.media.text.documents import PDF
from embed_assets.media.text.encodings import checked_encoding, codec_named, needs_encoding
from embed_assets.media.text.guess_encoding import guessed_codec
from embed_assets.media.text.replaced_bytes import Decoded
from tests.media.cutting import segments_of

LIMITS = Limits()
FRENCH = "Les élèves français étaient très fatigués après la fête. "
GERMAN = (
    "Die Straße führt über die Brücke nach Köln, wo schöne Häuser stehen. Müller "
    "fährt täglich durch die Grünanlagen, weil öffentliche Plätze für Fußgänger "
    "gesperrt sind. Dort hören während der Sommernächte viele Leute Gespräche über Ärzte. "
)
RUSSIAN = "Эта улица закрыта для пешеходов."
CHINESE = "这是一个中文网页"
POLISH = "Zażółć gęślą jaźń"
KOREAN = "한국어"


def decoded(data: bytes, encoding: str | None = None) -> Decoded:
    return decode_text(data, limits=LIMITS, encoding=encoding)


def read(data: bytes) -> str:
    return document_text(data, sniff(data).mime, limits=LIMITS).text


def refused(data: bytes, encoding: str | None = None) -> MediaError:
    with pytest.raises(MediaError) as caught:
        decoded(data, encoding)
    return caught.value


@pytest.mark.slow
def test_no_text_of_the_corpus_is_silently_wrong() -> None:
    found = [
        (outcome(text, data, faulty=kind.endswith("fault")), language, encoding, kind, text)
        for language, encoding, kind, text, data in cases(1, seed=3)
    ]
    assert [each for each in found if each[0] == "wrong"] == []
    assert sum(each[0] == "right" for each in found) > len(found) * 0.6


@pytest.mark.parametrize("tail", [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"])
def test_a_cut_last_character_is_replaced_with_a_warning(tail: bytes) -> None:
    data = (FRENCH * 20).encode() + tail
    found = decoded(data)
    assert found.text.startswith(FRENCH * 20)
    assert found.warning is not None
    assert found.warning.kind == "replaced what is not UTF-8"
    assert found.warning.where == f"once, at byte {len(data) - len(tail):,}"


@pytest.mark.parametrize("fault", [b"\xff", b"\xfe", b"\x80", b"\xc0", b"\xe9 "])
def test_one_bad_byte_in_utf8_is_replaced_with_a_warning(fault: bytes) -> None:
    found = decoded(FRENCH.encode() + fault + FRENCH.encode())
    assert found.text.replace("\ufffd", "").replace(" ", "") == (FRENCH * 2).replace(" ", "")
    assert found.warning is not None and f"at byte {len(FRENCH.encode())}" in found.warning.where


def test_a_warning_has_three_of_many_places() -> None:
    found = decoded(b"\xff".join([FRENCH.encode()] * 6))
    assert found.warning is not None and found.warning.where == "5 times, at byte 65, 131, 197, …"


def test_pairs_of_surrogates_are_the_character_that_they_stand_for() -> None:
    found = decoded(FRENCH.encode() + "\ud83d\ude00".encode("utf-8", "surrogatepass"))
    assert found.text == f"{FRENCH}\U0001f600"
    assert found.warning is None
    assert decoded(FRENCH.encode() + b"\xed\xa0\xbd").warning is not None


def test_half_a_text_in_another_encoding_is_not_repaired() -> None:
    assert refused(FRENCH.encode() + FRENCH.encode("cp1252")).reason == "unknown encoding"


def test_a_nul_is_replaced_with_a_warning_and_many_are_no_text() -> None:
    found = decoded(b"some words\x00and more words")
    assert found.text == "some words\ufffdand more words"
    assert found.warning is not None
    assert found.warning.kind == "replaced NUL"
    assert found.warning.where == "once, the first at character 10"
    assert refused(b"a\x00bc\x00d" * 50).reason == "not text"


@pytest.mark.parametrize("data", [b"\xff\xfea\x00b", b"\xfe\xff\x00a\x00b\x00", b"\xef\xbb\xbfabc\xff"])
def test_a_mark_decides_though_a_byte_is_broken(data: bytes) -> None:
    found = decoded(data)
    assert found.text.startswith("a") and found.warning is not None


def test_a_long_english_text_with_one_odd_byte_has_a_warning() -> None:
    text = b"Nothing happened in that town for a very long time. " * 40
    found = decoded(text + b"\x8d" + text)
    assert found.warning is not None and found.text.count("\ufffd") == 1


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("windows-1251", RUSSIAN), ("koi8-r", RUSSIAN), ("iso-8859-5", RUSSIAN), ("x-mac-cyrillic", RUSSIAN),
        ("gb2312", CHINESE), ("GBK", CHINESE), ("gb18030", CHINESE), ("iso-8859-2", POLISH),
        ("ISO-8859-1", "café"), ("euc-kr", KOREAN), ("ks_c_5601-1987", KOREAN), ("shift_jis", "日本語"),
        ("x-sjis", "日本語"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "form", ['<?xml version="1.0" encoding="{0}"?><a>{1}</a>', "<?xml version='1.0' encoding='{0}'?>{1}"]
)
def test_xml_is_read_as_it_declares(form: str, declared: str, text: str) -> None:
    page = form.format(declared, text)
    data = page.encode(codec_named(declared) or "")
    assert sniff(data).mime == "text/xml"
    assert read(data) == page
    assert read(page.encode()) == page  # UTF-8 whatever it says


@pytest.mark.parametrize(
    "text",
    [
        f'@charset "windows-1251";\na::before {{ content: "{RUSSIAN}" }}',
        f"# -*- coding: windows-1251 -*-\nprint('{RUSSIAN}')",
        f"#!/usr/bin/env python\n# vim: set fileencoding=windows-1251 :\n# {RUSSIAN}",
        f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=windows-1251\\n"\n\nmsgstr "{RUSSIAN}"',
        f'<?xml version="1.0" encoding="windows-1251"?><!doctype html><html><body>{RUSSIAN}</body></html>',
        f'<html><head><meta http-equiv=Content-Type content="text/html; charset=windows-1251"><body>{RUSSIAN}',
    ],
)
def test_a_text_that_says_its_encoding_is_read_in_it(text: str) -> None:
    data = text.encode("cp1251")
    assert RUSSIAN in read(data)


@pytest.mark.parametrize("declared", ["utf-8", "utf-16", "no-such", "hex", "base64", "idna", "punycode", "undefined"])
def test_a_declaration_that_can_not_be_true_is_none(declared: str) -> None:
    data = f'<?xml version="1.0" encoding="{declared}"?><a>{GERMAN}</a>'.encode("cp1252")
    assert GERMAN in read(data)


def test_a_setting_is_above_a_declaration_and_below_a_mark_and_utf8() -> None:
    page = f'<?xml version="1.0" encoding="koi8-r"?><a>{RUSSIAN}</a>'
    assert decoded(page.encode("cp1251"), "cp1251").text == page
    assert decoded(page.encode(), "cp1251").text == page
    assert decoded(page.encode("utf-16"), "cp1251").text == page


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", RUSSIAN), ("gbk", CHINESE), ("euc_kr", KOREAN), ("big5", "繁體"), ("cp1250", POLISH),
        ("cp437", "▒ ä"), ("cp037", "HELLO, world"), ("utf-16-le", CHINESE), ("utf-32-be", CHINESE),
        ("iso2022_jp", "日本語"), ("hz", CHINESE), ("tis-620", "ไทย"),
    ],
)  # fmt: skip
def test_a_short_text_is_read_in_the_encoding_that_the_settings_name(encoding: str, text: str) -> None:
    encoding = checked_encoding(encoding)
    data = text.encode(encoding)
    found = look_at(data, None, encoding=encoding)
    assert found.modality == "text"
    assert document_text(data, found.mime, limits=LIMITS, charset=found.charset).text == text


def test_a_setting_changes_nothing_that_is_utf8_or_no_text() -> None:
    for data in (
        b"plain",
        FRENCH.encode(),
        FRENCH.encode("utf-8-sig"),
        FRENCH.encode("utf-16"),
        b"\x89PNG\r\n\x1a\n" + bytes(99),
    ):
        assert look_at(data, None, encoding="cp1251") == look_at(data, None)
        assert not needs_encoding(data, "cp1251") or data[:1] == b"\x89"


def test_what_is_not_in_the_encoding_of_the_settings_says_so() -> None:
    error = refused((RUSSIAN * 40).encode("koi8-r"), "cp932")
    assert error.reason == "unknown encoding"
    assert "cp932" in str(error) and "sources.NAME.encoding" in str(error)


@pytest.mark.parametrize(
    ("name", "near"), [("cp12511", "cp1251"), ("koi8-rr", "koi8_r"), ("gbk1", "gbk"), ("hex", "."), ("rot13", ".")]
)
def test_an_encoding_that_is_none_is_refused_with_a_near_name(name: str, near: str) -> None:
    with pytest.raises(SettingsError, match=r"sources\.a\.encoding: .*is no text encoding.*" + near) as caught:
        make_settings(
            {"store": "s", "sources": {"a": {"uri": "x", "encoding": name}}, "encoders": {"e": {"model": "m"}}}
        )
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("data", ["Müller café".encode("cp1252"), RUSSIAN[:6].encode("cp866"), KOREAN.encode("euc-kr")])
def test_a_few_words_without_a_sign_are_quarantined_with_the_setting_to_use(data: bytes) -> None:
    assert "sources.NAME.encoding" in str(refused(data))


def test_quotation_marks_of_windows_are_no_letters() -> None:
    text = "It\u2019s a fact that we don\u2019t know. \u201cWe\u2019re sorry,\u201d they said \u2013 and left\u2026 "
    assert decoded((text * 3).encode("cp1252")).text == text * 3
    assert guessed_codec(b"caf\x92x " * 30) is None


def test_one_letter_again_and_again_is_no_language() -> None:
    assert guessed_codec(b"\xe9" * 5000) is guessed_codec(b"\xe9 " * 5000) is None


@pytest.mark.parametrize("mark", [b"\x1a", b"\x07", b"\x02", b"\x08_", b"\x01", b"\x1b[31m", b"\x7f", b"\x00"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_one_control_character_makes_no_other_kind_of_a_text_wherever_it_stands(mark: bytes, encoding: str) -> None:
    text = (GERMAN).encode(encoding)
    if mark == b"\x00" and encoding != "utf-8":
        return
    for data in (mark + text, text[:150] + mark + text[150:], text + mark):
        assert sniff(data).modality == "text"
        assert decoded(data).text.replace("\ufffd", "\0") == data.decode(encoding)


def test_texts_full_of_control_characters_are_texts() -> None:
    fix = b"8=FIX.4.2\x019=65\x0135=A\x0149=SERVER\x0156=CLIENT\x01"
    struck = b"".join(b"%c\x08%c" % (each, each) for each in b"NAME and more of it")
    assert sniff(fix).modality == sniff(struck).modality == sniff(b"\x1b[1;31mred\x1b[0m\n" * 50).modality == "text"


@pytest.mark.parametrize(
    "data",
    [
        b"a line of text" + bytes(40),
        b"one\0two\0three\0four\0",
        bytes(30) + b"text",
        "\u6f22\u5b57".encode() + bytes(512),
        b"a\n" + bytes(9000),
    ],
)
def test_texts_with_many_nuls_are_quarantined_for_their_nuls(data: bytes) -> None:
    found = sniff(data)
    assert found.modality is None
    assert unsupported(found.mime).endswith("(a text with NULs in it: save it without them)")
    assert sniff(data.replace(b"\0", b"")).modality == "text"


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)),
        b"\x00" * 50,
        b"\xde\x12\x04\x95" + bytes(60),
        b"\x01\x02\x03\x04\x05",
        b"\0\1\2\3",
        b"\1\0A\0",
    ],
)
def test_binary_files_stay_binary(data: bytes) -> None:
    assert sniff(data).modality is None


PDF_BODY = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"


@pytest.mark.parametrize(
    "before",
    [
        b"\n", b"   \r\n", b"\x00" * 64, b"\x07\x00junk\n" * 9, b"\xef\xbb\xbf", b"\n" * 1015,
        b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n", b"Content-Type: application/pdf\n\n",
    ],
)  # fmt: skip
def test_a_pdf_may_begin_behind_other_bytes(before: bytes) -> None:
    assert sniff(before + PDF_BODY).mime == PDF


@pytest.mark.parametrize(
    "text",
    [
        b"A PDF begins with %PDF-1.4, then come objects.\n",
        b"This is what one looks like:\n\n" + PDF_BODY + b"\nThat is all.\n",
        b"import io\nDATA = b'''%PDF-1.4\n1 0 obj\n'''\n",
        b"\n" * 1100 + PDF_BODY,
    ],
)
def test_a_text_that_speaks_of_pdf_is_a_text(text: bytes) -> None:
    assert sniff(text).mime == "text/plain"


def test_what_was_replaced_travels_with_the_first_segment_through_a_worker() -> None:
    data = (FRENCH * 200).encode() + b"\xff" + FRENCH.encode()
    given = {
        "modality": "text",
        "caption": None,
        "media_hash": content_hash(data),
        "tokenizer": None,
        "max_tokens": None,
    }
    with Decoders() as decoders:
        found = segments_of(data, segmenting=Segmenting(), limits=LIMITS, decoders=decoders, mime="text/plain", **given)
    assert len(found) > 1
    assert [segment.warning is not None for segment in found] == [True] + [False] * (len(found) - 1)


def test_the_identity_of_the_limits_stays_as_it_was() -> None:
    assert LIMITS.identity() == {"background": [255, 255, 255], "code_pages": ["cp1252", "cp932"]}


def test_a_sound_without_signature_is_no_text(tmp_path: Path) -> None:
    steps = bytes(128 + (place % 50) for place in range(9000))
    assert guessed_codec(steps) is None


_RUSSIAN = "Каждый человек рождается свободным и равным в своём достоинстве и правах. "
_FRENCH = "Tous les êtres humains naissent libres et égaux en dignité et en droits. Élevés, français. "


@pytest.mark.parametrize("text", [_RUSSIAN, _FRENCH])
@pytest.mark.parametrize("encoding", ["cp1251", "iso8859-1", "cp437", "mac_roman", "gb18030", "koi8_r"])
@pytest.mark.parametrize("fault", [b"\xff", b"\xc3", b"\x92"])
def test_a_bad_byte_of_utf8_is_not_read_by_the_setting(text: str, encoding: str, fault: bytes) -> None:
    data = b"First. " + fault + b" " + text.encode()
    found = decode_text(data, limits=Limits(), encoding=encoding)
    assert found.text == f"First. \ufffd {text}"
    assert found.warning is not None and found.warning.kind == "replaced what is not UTF-8"


@pytest.mark.parametrize(
    "head",
    [
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n',
        '@charset "windows-1251";\n',
        "# vim: set fileencoding=latin-1 :\n",
        "# -*- coding: cp437 -*-\n",
        '<html><meta charset="iso-8859-1">\n',
        '<html><meta charset="gbk">\n',
    ],
)
def test_a_bad_byte_of_utf8_is_not_read_by_what_the_text_declares(head: str) -> None:
    data = head.encode() + b"\xff " + _FRENCH.encode()
    found = decode_text(data, limits=Limits(), html=head.startswith("<html"))
    assert found.text == f"{head}\ufffd {_FRENCH}"
    assert found.warning is not None


@pytest.mark.parametrize("text", [_RUSSIAN, _FRENCH, "Müller", "Москва"])
@pytest.mark.parametrize("encoding", ["cp1251", "cp1252", "cp866", "koi8_r", "gb18030", "mac_cyrillic"])
def test_short_texts_of_the_setting_stay_its_own(text: str, encoding: str) -> None:
    data = text.encode(encoding, "replace")
    assert decode_text(data, limits=Limits(), encoding=encoding).text == data.decode(encoding)


@pytest.mark.parametrize(
    "data",
    [
        "人人生而自由在尊严和权利上一律平等".encode("gb18030") * 40,
        "มนุษย์ทั้งหลายเกิดมามีอิสระ".encode("cp874") * 60,
        b"\xff" * 5000,
        b"\xed\xa0\x80" * 1000,
        bytes(range(0x80, 0x100)) * 20,
        b"\xff\xfe" + b"\x00\xdc" * 1000,
        b"\xef\xbb\xbf" + _RUSSIAN.encode("cp1251"),
    ],
)
def test_bytes_in_a_row_are_not_one_fault(data: bytes) -> None:
    try:
        text = decode_text(data, limits=Limits()).text
    except MediaError as error:
        assert error.reason == "unknown encoding"
    else:
        assert "\ufffd" not in text


@pytest.mark.parametrize(
    "text",
    ["tilde ~{abcd~} brace", "Fig.~{ref~}", "M~{u~}ller, ~{Smith~}", "~{Tables~} and ~{figures~}", "~{VPND~} brace"],
)
def test_tildes_and_braces_are_no_chinese(text: str) -> None:
    assert decode_text(text.encode(), limits=Limits()).text == text


def test_chinese_between_tildes_and_braces() -> None:
    text = "人人生而自由。在尊严和权利上一律平等。\n"
    assert decode_text(text.encode("hz"), limits=Limits()).text == text


@pytest.mark.parametrize("encoding", ["utf-16", "UTF_32", "utf16"])
def test_an_encoding_without_an_order_of_bytes_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"write 'utf-(16|32)-le' or 'utf-(16|32)-be'"):
        checked_encoding(encoding)


@pytest.mark.parametrize("encoding", ["rot13", "base64", "hex", "quopri", "mbcs", "charmap", "unicode_escape"])
def test_no_codec_that_is_none_of_text_is_named_as_the_nearest(encoding: str) -> None:
    with pytest.raises(ValueError, match="is no text encoding") as caught:
        checked_encoding(encoding)
    near = str(caught.value).partition("Did you mean '")[2].partition("'")[0]
    assert near != encoding and (not near or checked_encoding(near))


@pytest.mark.parametrize("text", [_RUSSIAN, _FRENCH])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_cut_text_with_a_mark_is_a_text(text: str, encoding: str) -> None:
    data = text.encode(encoding) + b"\xc3"
    found = sniff(data)
    assert found.mime == "text/plain"
    assert found.modality == "text"
    assert decode_text(data, limits=Limits()).text == text + "\ufffd"
