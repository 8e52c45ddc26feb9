"""MediaFiles: ranges of objects in a bucket, and rows of tables."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.s3_server import S3Server
from tests.service.conftest import Connect, media_ids
from tests.support import note, pipeline, run_all


@pytest.mark.slow
def test_a_range_of_an_object_is_read_from_the_bucket(
    connect: Connect, words: list[Any], s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    body = (note(1) + "\n").encode() * 400
    for key in ("one.txt", "two.txt"):
        s3.client().put_object(Bucket=bucket, Key=f"notes/{key}", Body=body + key.encode())
    source = {"uri": f"s3://{bucket}/notes", "storage_options": s3.storage_options}
    steps = pipeline(tmp_path, sources={"notes": source})
    run_all(steps)
    client, item = connect(steps=steps), media_ids(steps)["two.txt"]
    part = client.get(f"/media/{item}", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, body[100:200])
    whole = client.get(f"/media/{item}")
    assert whole.content == body + b"two.txt"
    assert client.get(f"/media/{item}", headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    s3.client().delete_object(Bucket=bucket, Key="notes/two.txt")
    gone = client.get(f"/media/{item}")
    assert gone.status_code == 404
    assert bucket not in gone.text


def test_a_row_of_a_table_is_its_text(connect: Connect, words: list[Any], tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    rows = [{"id": number, "body": f"{note(number)} ü <script>"} for number in range(3)]
    (tmp_path / "notes" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"uri": str(tmp_path / "notes"), "table": {"text": "body", "id": "id"}}
    steps = pipeline(tmp_path, sources={"notes": source})
    run_all(steps)
    sent = connect(steps=steps).get(f"/media/{media_ids(steps)['rows.jsonl#1']}")
    assert (sent.text, sent.headers["content-type"]) == (rows[1]["body"], "text/plain; charset=utf-8")
    part = connect(steps=steps).get(f"/media/{media_ids(steps)['rows.jsonl#1']}", headers={"Range": "bytes=0-5"})
    assert part.text == "note 1"
