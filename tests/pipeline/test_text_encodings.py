"""Encodings through the pipeline: `encoding` of a source, what it makes anew, and what is shown of replaced bytes."""

import json
from pathlib import Path
from typing import Any

import pytest

from embed_assets.pipeline.status import read_status
from embed_assets.pipeline.steps import Steps
from tests.support import pipeline, refresh_and_embed, rows_by_key

RUSSIAN = "Привет, как дела?"
PAGE = f'<?xml version="1.0" encoding="koi8-r"?><a>{RUSSIAN}</a>'
FRENCH = "Les élèves français étaient très fatigués après la fête."


def folder(tmp_path: Path) -> Path:
    made = tmp_path / "notes"
    made.mkdir()
    (made / "ascii.txt").write_bytes(b"plain words")
    (made / "utf8.txt").write_bytes(RUSSIAN.encode())
    (made / "marked.txt").write_bytes(RUSSIAN.encode("utf-16"))
    (made / "short.txt").write_bytes(RUSSIAN.encode("cp1251"))
    (made / "page.xml").write_bytes(PAGE.encode("koi8-r"))
    return made


def source(tmp_path: Path, **said: Any) -> Steps:
    return pipeline(tmp_path, sources={"notes": {"uri": str(tmp_path / "notes"), **said}})


def texts(steps: Steps) -> dict[str, str]:
    return {key: row["text"] for key, row in rows_by_key(steps).items()}


@pytest.mark.slow
def test_a_setting_reads_what_was_quarantined_and_embeds_only_other_texts_again(tmp_path, words) -> None:
    folder(tmp_path)
    report = refresh_and_embed(source(tmp_path))
    assert report.reasons == {"notes": {"unknown encoding": 1}}

    steps = source(tmp_path, encoding="cp1251")
    report = refresh_and_embed(steps)
    assert dict(report.items["notes"]) == {"unchanged": 3, "embedded": 1, "reused": 1}  # the text of utf8.txt
    assert texts(steps)["short.txt"] == RUSSIAN
    assert texts(steps)["page.xml"] == PAGE.encode("koi8-r").decode("cp1251")  # the setting is above the declaration
    again = steps.refresh("notes")
    assert again.changed == 0
    assert again.files_read == 0

    report = refresh_and_embed(source(tmp_path, encoding="koi8-r"))
    assert dict(report.items["notes"]) == {"unchanged": 3, "embedded": 2}


@pytest.mark.slow
def test_a_setting_that_is_taken_back_leaves_what_the_texts_say(tmp_path, words) -> None:
    folder(tmp_path)
    refresh_and_embed(source(tmp_path, encoding="cp1251"))
    steps = source(tmp_path)
    report = refresh_and_embed(steps)
    assert report.items["notes"]["unchanged"] == 3
    assert report.reasons == {"notes": {"unknown encoding": 1}}
    assert texts(steps)["page.xml"] == PAGE


def test_tables_and_sidecars_are_read_in_the_encoding_of_their_source(tmp_path, words) -> None:
    made = folder(tmp_path)
    (made / "t.csv").write_bytes(f'id,body\n1,"{RUSSIAN}"\n2,слова\n'.encode("cp1251"))
    (made / "t.jsonl").write_bytes(
        json.dumps({"id": "a", "body": RUSSIAN}, ensure_ascii=False).encode("cp1251") + b"\n"
    )
    (made / "said.csv").write_bytes("file,caption\nascii.txt,Подпись\n".encode("cp1251"))
    said = {"encoding": "cp1251", "sidecar": "said.csv", "table": {"text": "body", "id": "id"}}
    steps = source(tmp_path, **said)
    refresh_and_embed(steps)
    assert texts(steps)["t.csv#1"] == texts(steps)["t.jsonl#a"] == RUSSIAN
    assert {row["key"]: row["caption"] for row in steps.manifest.rows("notes")}["ascii.txt"] == "Подпись"

    (made / "t.csv").write_bytes(f'id,body\n1,"{RUSSIAN}"\n2,слова\n'.encode())
    report = refresh_and_embed(steps)
    assert report.items["notes"]["embedded"] == 0  # another encoding of the file, the same texts


def test_what_was_replaced_is_reported_with_key_and_place_in_the_run_and_in_the_status(tmp_path, words) -> None:
    made = folder(tmp_path)
    (made / "cut.txt").write_bytes(FRENCH.encode() + b"\xe2\x82")
    (made / "nul.txt").write_bytes(FRENCH.encode() + b"\0 and more")
    steps = source(tmp_path, encoding="cp1252")
    (made / "cut.txt").write_bytes(FRENCH.encode("utf-8-sig") + b"\xe2\x82")
    report = refresh_and_embed(steps)
    assert report.warnings == {"notes": {"replaced what is not utf-8-sig": 1, "replaced NUL": 1}}
    assert sorted(report.warned["notes"]) == [
        f"cut.txt: replaced what is not utf-8-sig, once, at byte {len(FRENCH.encode())}",
        f"nul.txt: replaced NUL, once, the first at character {len(FRENCH)}",
    ]
    json.dumps(report.figures())
    shown = next(each for each in read_status(steps).sources if each.encoder == "words")
    assert dict(shown.warnings) == report.warnings["notes"]
    assert list(shown.warned) == report.warned["notes"]
