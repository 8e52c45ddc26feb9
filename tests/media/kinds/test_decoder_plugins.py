"""Decoders of installed packages: which files they get, where they run, and what becomes of their files."""

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embed_assets import plugins
from embed_assets.errors import MediaError, SettingsError
from embed_assets.media.detect import refine
from embed_assets.media.hashing import content_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.decoder import Decoder
from embed_assets.media.kinds.decoder_plugins import decoder_plugins, media_hash
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Segment
from embed_assets.media.sampling import Sampling
from embed_assets.media.segments import Segmenting
from embed_assets.testing import MediaContract, picture
from tests.installing import install, uninstall
from tests.media.cutting import segments_of
from tests.support import note, pipeline, refresh_and_embed, rows_by_key, write_notes

GROUP = "embed_assets.decoders"

# A picture of 8 bits a channel, a sound and a text, each behind a signature of its own.
CODE = """
import os, struct, time
import numpy as np
from PIL import Image
from embed_assets.errors import MediaError
from embed_assets.media.kinds.decoder import Decoder
from embed_assets.media.payload import Sound


def tile(data, limits):
    if len(data) < 8:
        raise MediaError("broken tile", f"{len(data)} bytes")
    width, height = struct.unpack("<HH", data[4:8])
    if width * height > limits.max_pixels:
        raise MediaError("too many pixels", f"{width} x {height}")
    if len(data) != 8 + 3 * width * height:
        raise MediaError("broken tile", f"{len(data)} bytes for {width} x {height}")
    return Image.frombytes("RGB", (width, height), data[8:])


def hum(data, limits):
    rate, count = struct.unpack("<II", data[4:12])
    return Sound(np.sin(np.arange(count) / rate * 880).astype(np.float32) / 2, rate)


def secret(data, limits):
    order = data[6:].partition(b" ")[0]
    if order == b"crash":
        os.abort()
    if order == b"hang":
        time.sleep(600)
    if order == b"fail":
        raise KeyError("a bug")
    if order == b"bytes":
        return data
    return data[6:].decode()[::-1] * REPEATED


def starts(head, with_):
    return head.startswith(with_)


REPEATED = 1
decoders = [
    Decoder(name="tile", version="1", mime="image/x-tile", modality="image",
            detect=lambda head: head.startswith(b"TILE"), decode=tile),
    Decoder(name="hum", version="1", mime="audio/x-hum", modality="audio",
            detect=lambda head: head.startswith(b"HUM\\1"), decode=hum),
    Decoder(name="secret", version="VERSION", mime="text/x-secret", modality="text",
            detect=lambda head: head.startswith(b"secret"), decode=secret),
    Decoder(name="greedy", version="1", mime="text/x-greedy", modality="text",
            detect=lambda head: head.startswith((b"\\x89PNG", b"%PDF", b"RIFF", b"<html", b"{")), decode=secret),
    Decoder(name="faulty", version="1", mime="text/x-faulty", modality="text",
            detect=lambda head: 1 / 0, decode=secret),
]
"""


def plugin(folder: Path, monkeypatch: pytest.MonkeyPatch, *, version: str = "1", change: str = "") -> Path:
    code = CODE.replace("VERSION", version) + change
    entries = {GROUP: {"media": "media_plugin:decoders"}}
    return install(folder, "media-plugin", code, entries, monkeypatch, version=version)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return plugin(tmp_path / "site", monkeypatch)


@pytest.fixture
def decoders(installed: Path) -> Iterator[Decoders]:
    with Decoders(seconds=2) as made:
        yield made


def tile(side: int) -> bytes:
    return b"TILE" + struct.pack("<HH", side, side) + picture(side, side, 1).tobytes()


def cut(data: bytes, decoders: Decoders | None, **given: Any) -> list[Segment]:
    found = refine(data, sniff(data))
    assert found.modality is not None, found
    options: dict[str, Any] = {"segmenting": Segmenting(), "limits": Limits(decode_seconds=1), **given}
    about = {"mime": found.mime, "decoder": found.decoder, "media_hash": media_hash(data, found.read_as)}
    return segments_of(data, modality=found.modality, decoders=decoders, **about, **options)


class TestTiles(MediaContract):
    @pytest.fixture
    def decoder(self, installed: Path) -> Decoder:
        return decoder_plugins().good["tile"]

    def good(self) -> list[bytes]:
        return [tile(4), tile(31)]

    def broken(self) -> list[bytes]:
        return [b"TILE", tile(9)[:-1], tile(3) + b"\0"]


def test_a_plugin_is_tried_where_nothing_built_in_decodes(installed: Path) -> None:
    found = refine(tile(4), sniff(tile(4)))
    assert found.mime == "image/x-tile"
    assert found.decoder == "tile-1"
    assert found.modality == "image"
    text = refine(b"secret words", sniff(b"secret words"))
    assert text.mime == "text/x-secret"
    assert text.decoder == "secret-1"
    assert text.modality == "text"


def test_a_plugin_takes_no_known_type(installed: Path) -> None:
    png = io.BytesIO()
    Image.new("RGB", (2, 2)).save(png, "PNG")
    for data in (png.getvalue(), b"%PDF-1.4\n", b"<html><body>words</body></html>", b'{"a": 1}', b""):
        found = refine(data, sniff(data))
        assert found.decoder == ""
        assert found == sniff(data)


def test_a_detect_that_fails_is_passed_over(
    installed: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "_logged_warnings", set())  # a warning is given once a process
    found = refine(b"plain words", sniff(b"plain words"))
    assert found.mime == "text/plain"
    assert found.modality == "text"
    assert "faulty-1: its detect raised ZeroDivisionError" in caplog.text


def test_pictures_texts_and_sounds_become_segments(installed: Path, decoders: Decoders) -> None:
    (shown,) = cut(tile(8), decoders)
    assert shown.kind == "image"
    assert shown.payload.tobytes() == picture(8, 8, 1).tobytes()
    assert shown.content_hash == media_hash(tile(8), "tile-1") != content_hash(tile(8))
    (segment,) = cut(b"secret words", decoders)
    assert segment.kind == "chunk"
    assert segment.payload == "sdrow"
    heard = cut(
        b"HUM\1" + struct.pack("<II", 8000, 24_000), decoders, sampling=Sampling(sample_rate=16_000, window_seconds=1)
    )
    assert [(each.kind, each.start, each.end) for each in heard] == [
        ("window", 0, 1000),
        ("window", 1000, 2000),
        ("window", 2000, 3000),
    ]
    first = heard[0].payload
    expected = np.sin(np.arange(16_000) / 16_000 * 880) / 2
    assert first.rate == 16_000
    assert len(first.samples) == 16_000
    assert np.abs(first.samples - expected)[100:-100].max() < 0.01


@pytest.mark.slow
def test_a_decoder_that_crashes_hangs_or_fails_costs_its_item(installed: Path, decoders: Decoders) -> None:
    reasons = {}
    for order in ("crash", "hang", "fail", "bytes"):
        with pytest.raises(MediaError) as caught:
            cut(f"secret{order} now".encode(), decoders)
        reasons[order] = caught.value.reason
    assert reasons == {
        "crash": "decoder crashed",
        "hang": "decoder timed out",
        "fail": "secret decoder failed",
        "bytes": "secret decoder failed",
    }
    assert cut(b"secret words", decoders)[0].payload == "sdrow"


def test_limits_hold_whatever_the_decoder_does(installed: Path) -> None:
    with pytest.raises(MediaError, match="too many characters"):
        cut(b"secret words", None, limits=Limits(max_characters=3))
    with pytest.raises(MediaError, match="empty text"):
        cut(b"secret  ", None)
    with pytest.raises(MediaError, match="too long"):
        cut(
            b"HUM\1" + struct.pack("<II", 8000, 24_000),
            None,
            limits=Limits(max_seconds=1),
            sampling=Sampling(sample_rate=16_000),
        )


def test_facts_that_a_manifest_cannot_hold_are_refused() -> None:
    facts: dict[str, Any] = {"name": "ok", "version": "1", "mime": "text/x-ok", "modality": "text"}
    good = {**facts, "detect": len, "decode": len}
    assert Decoder(**good).id == "ok-1"
    for wrong in ({"name": "no good"}, {"version": ""}, {"mime": "text"}, {"modality": "video"}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            Decoder(**{**good, **wrong})


def test_a_broken_plugin_names_itself_and_breaks_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, "bad-media", "import no_such_library\n", {GROUP: {"secret": "bad_media:decoder"}}, monkeypatch)
    assert refine(b"words", sniff(b"words")).mime == "text/plain"
    assert "Plugin 'secret' of package bad-media 1.0 (bad_media:decoder) can't be loaded" in caplog.text
    with pytest.raises(SettingsError, match="package bad-media"):
        given: Any = {"modality": "text", "caption": None, "media_hash": "", "tokenizer": None, "max_tokens": None}
        segments_of(b"x", **given, segmenting=Segmenting(), limits=Limits(), mime="text/x-secret", decoder="secret-1")


def _files(folder: Path) -> Path:
    notes = write_notes(folder / "notes", 3)
    (notes / "hidden.txt").write_bytes(b"secret words")
    (notes / "tile.bin").write_bytes(tile(8))
    (notes / "picture.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return notes


@pytest.mark.slow
def test_files_that_were_listed_before_get_their_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[Any]
) -> None:
    _files(tmp_path)
    steps = pipeline(tmp_path, encoders={"words": {"model": "words", "media": ["text", "image"]}})
    refresh_and_embed(steps)
    version = steps.resolve("words").record.version
    assert set(rows_by_key(steps)) == {"hidden.txt", "note-000.txt", "note-001.txt", "note-002.txt"}
    words.clear()

    plugin(tmp_path / "site", monkeypatch)
    assert steps.listing_differs("notes")
    report = steps.refresh("notes")
    assert report.edited == 2
    assert report.files_read == 6
    refresh_and_embed(steps)
    assert sorted(words) == ["picture", "sdrow"], "what no plugin decodes is not encoded again"
    assert steps.resolve("words").record.version == version
    assert not steps.listing_differs("notes")
    assert steps.refresh("notes").files_read == 0


@pytest.mark.slow
def test_another_version_of_a_decoder_makes_its_own_files_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[Any]
) -> None:
    _files(tmp_path)
    steps = pipeline(tmp_path, encoders={"words": {"model": "words", "media": ["text", "image"]}})
    place = plugin(tmp_path / "site", monkeypatch)
    refresh_and_embed(steps)
    words.clear()
    uninstall(place, monkeypatch)
    plugin(tmp_path / "site", monkeypatch, version="2", change="REPEATED = 2\n")
    refresh_and_embed(steps)
    assert words == ["sdrow sdrow"]


@pytest.mark.slow
def test_a_plugin_that_went_leaves_its_files_to_the_built_in_decoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[Any]
) -> None:
    _files(tmp_path)
    steps = pipeline(tmp_path, encoders={"words": {"model": "words", "media": ["text", "image"]}})
    place = plugin(tmp_path / "site", monkeypatch)
    refresh_and_embed(steps)
    words.clear()
    uninstall(place, monkeypatch)
    refresh_and_embed(steps)
    assert words == ["secret words"]
    assert "tile.bin" not in rows_by_key(steps)


@pytest.mark.slow
def test_a_plugin_that_broke_costs_no_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[Any]
) -> None:
    notes = _files(tmp_path)
    steps = pipeline(tmp_path, encoders={"words": {"model": "words", "media": ["text", "image"]}})
    place = plugin(tmp_path / "site", monkeypatch)
    refresh_and_embed(steps)
    before = rows_by_key(steps)
    words.clear()
    uninstall(place, monkeypatch)
    plugin(tmp_path / "site", monkeypatch, version="3", change="raise ImportError('half installed')\n")
    (notes / "note-009.txt").write_text(note(9))
    refresh_and_embed(steps)
    assert words == [note(9)]
    assert set(rows_by_key(steps)) == {*before, "note-009.txt"}


def test_a_manifest_without_plugins_is_as_it_was(tmp_path: Path, words: list[Any]) -> None:
    _files(tmp_path)
    steps = pipeline(tmp_path)
    steps.refresh("notes")
    rows = {row["key"]: row for row in steps.manifest.rows("notes")}
    assert rows["hidden.txt"]["content_hash"] == content_hash(b"secret words")
    assert rows["hidden.txt"]["mime"] == "text/plain"
    assert not {"manifest_tables", "source_state"} & steps.store.table_names()
    assert "plugins" not in json.dumps(steps.resolve("words").record.segmenting)


def test_a_text_that_the_setting_encoding_reads_is_shown_to_a_plugin_that_comes_later(tmp_path, words, monkeypatch):
    code = (
        "from embed_assets.media.kinds.decoder import Decoder\n"
        "odd = Decoder(name='odd', version='1', mime='text/x-odd', modality='text',\n"
        "              detect=lambda head: head.startswith(b'ODD'), decode=lambda data, limits: 'text')\n"
    )
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_bytes("ODD Привет, мир".encode("cp1251"))
    steps = pipeline(tmp_path, sources={"notes": {"uri": str(folder), "encoding": "cp1251"}})
    steps.refresh("notes")
    assert [(row["mime"], row["charset"]) for row in steps.manifest.rows("notes")] == [("text/plain", "cp1251")]
    install(tmp_path / "site", "odd-plugin", code, {GROUP: {"odd": "odd_plugin:odd"}}, monkeypatch)
    steps.refresh("notes")
    assert [(row["mime"], row["decoder"]) for row in steps.manifest.rows("notes")] == [("text/x-odd", "odd-1")]
