import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import SourceError
from embed_assets.media.media_types import Annotation
from embed_assets.media.tables.sidecar import folder_labels, load_sidecar
from tests.s3_server import S3Server


def write(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def parquet(folder: Path, columns: dict[str, Any]) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), folder / "s.parquet")
    return str(folder / "s.parquet")


def test_jsonl_gives_caption_labels_and_extra(tmp_path: Path) -> None:
    row = {"file": "a/b.jpg", "caption": "a cat", "labels": ["cat", 3, "cat"], "label": "pet", "year": 2020}
    found = load_sidecar(write(tmp_path, "s.jsonl", json.dumps(row) + "\n\n"))
    assert found == {"a/b.jpg": Annotation(caption="a cat", labels=("pet", "cat", "3"), extra={"year": 2020})}


def test_csv_gives_caption_labels_and_extra(tmp_path: Path) -> None:
    content = '\ufefffile,caption,labels,year\r\na.jpg,"a cat,\nasleep","[""x"", ""y""]",2020\r\nb.jpg,,one,\r\n'
    found = load_sidecar(write(tmp_path, "s.csv", content))
    assert found["a.jpg"] == Annotation(caption="a cat,\nasleep", labels=("x", "y"), extra={"year": "2020"})
    assert found["b.jpg"] == Annotation(caption=None, labels=("one",), extra={"year": ""})


def test_parquet_gives_caption_labels_and_extra_as_json_holds_it(tmp_path: Path) -> None:
    columns = {
        "file": ["a.jpg", "b.jpg"],
        "caption": ["a cat", None],
        "labels": [["x", "y"], []],
        "day": [date(2020, 1, 2), None],
        "score": [0.5, float("nan")],
    }
    found = load_sidecar(parquet(tmp_path, columns))
    extra = {"day": "2020-01-02", "score": 0.5}
    assert found["a.jpg"] == Annotation(caption="a cat", labels=("x", "y"), extra=extra)
    assert found["b.jpg"] == Annotation(extra={"day": None, "score": None})


def test_a_leading_dot_slash_is_no_part_of_the_key(tmp_path: Path) -> None:
    assert list(load_sidecar(write(tmp_path, "s.jsonl", '{"file": "./a.jpg"}'))) == ["a.jpg"]


def test_unicode_line_separators_do_not_end_a_json_line(tmp_path: Path) -> None:
    found = load_sidecar(write(tmp_path, "s.jsonl", '{"file": "a.jpg", "caption": "one\u2028two"}'))
    assert found["a.jpg"].caption == "one\u2028two"


def test_a_sidecar_is_read_from_s3(s3: S3Server, bucket: str) -> None:
    s3.client().put_object(Bucket=bucket, Key="m/s.jsonl", Body=b'{"file": "a.jpg", "label": "x"}')
    found = load_sidecar(f"s3://{bucket}/m/s.jsonl", storage_options=s3.storage_options)
    assert found["a.jpg"].labels == ("x",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.jsonl", '{"file": "a"}\n{"caption": "x"}', "line 2: field 'file' is missing"),
        ("s.jsonl", '{"file": "a"}\n{"file": 3}', "line 2: field 'file' is 3; expected text"),
        ("s.jsonl", '{"file": "a"}\nnot json', "line 2: not JSON; expected one JSON object per line"),
        ("s.jsonl", "[1]", "line 1: not a JSON object; expected an object"),
        ("s.jsonl", '{"file": "a", "caption": 5}', "line 1: field 'caption' is 5; expected text"),
        ("s.jsonl", '{"file": "a", "label": {"x": 1}}', "line 1: field 'label' is"),
        (
            "s.jsonl",
            '{"file": "a"}\n{"file": "b"}\n{"file": "a"}',
            "line 3: field 'file' names 'a' again.*line 1",
        ),
        ("s.jsonl", b'{"file": "a"}\n{"file": "\xe9"}', "line 2: not UTF-8; save the file as UTF-8"),
        ("s.csv", "name,caption\na,b", "can't be read: no column 'file'; it has name, caption"),
        ("s.csv", "", "can't be read: no column 'file'; it has none"),
        ("s.csv", "file,x,x\na,b,c", "can't be read: several columns 'x'"),
        ("s.csv", "file,caption\na,b\nc,d,e", "line 3: not as many fields as the header has; quote commas in text"),
        ("s.csv", "file,caption\na", "line 2: not as many fields as the header has"),
        ("s.csv", "file,labels\na,[x", "line 2: field 'labels' begins like a list"),
        ("s.parquet", "not parquet", "is not a Parquet file"),
        ("s.xlsx", "", "expected a name that ends in .jsonl, .csv or .parquet"),
    ],
)
def test_what_is_wrong_is_named_by_file_line_and_field(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    uri = write(tmp_path, name, content)
    with pytest.raises(SourceError, match=message) as caught:
        load_sidecar(uri)
    assert uri in str(caught.value)


def test_parquet_values_that_json_has_nothing_for_are_stored_as_text(tmp_path: Path) -> None:
    import pyarrow as pa

    columns = {
        "file": ["a"],
        "thumbnail": [b"\x00\xff"],
        "taken": pa.array([1_600_000_000_123_456_789], pa.timestamp("ns")),
        "lasted": pa.array([90_061_500], pa.duration("ms")),
        "far": pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
        "zone": pa.array([0], pa.timestamp("us", tz="Mars/Base")),
    }
    assert load_sidecar(parquet(tmp_path, columns))["a"].extra == {
        "thumbnail": "00ff",
        "taken": "2020-09-13T12:26:40.123456",
        "lasted": "P1DT1H1M1.5S",
        "far": "5881580-07-11",
        "zone": "1970-01-01T00:00:00+00:00",
    }


def test_an_unreadable_parquet_value_is_named(tmp_path: Path) -> None:
    import pyarrow as pa

    broken = pa.array([b"\xff"], pa.binary()).view(pa.string())
    uri = parquet(tmp_path, {"file": ["a"], "note": broken})
    with pytest.raises(SourceError, match="row 1: field 'note' is unreadable: not UTF-8; shorten, convert or drop it"):
        load_sidecar(uri)


def test_a_sidecar_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing\.csv' can't be read: .*does not exist"):
        load_sidecar(f"{tmp_path}/nothing.csv")


def test_the_first_folder_is_the_label() -> None:
    assert folder_labels("cat/young/a.jpg") == ("cat",)
    assert folder_labels("a.jpg") == ()


def test_a_password_in_a_sidecars_address_is_in_no_message() -> None:
    with pytest.raises(SourceError, match="expected a name") as caught:
        load_sidecar("https://joe:PASSWORD@host/captions.txt?token=TOKEN")
    assert "PASSWORD" not in str(caught.value) and "TOKEN" not in str(caught.value)
