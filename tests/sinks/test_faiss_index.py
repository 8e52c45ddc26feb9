"""FAISS sinks: answers are those of exact search, ids stay with their segments."""

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from embed_assets.errors import MissingExtraError, SettingsError
from embed_assets.store.serving.nearest_rows import exact, open_release
from tests.sinks.export_contract import SinkContract, changed
from tests.support import rewrite, run_all

faiss = pytest.importorskip("faiss", reason="the extra faiss is not installed")


def opened(folder: Path) -> tuple[Any, list[dict[str, Any]]]:
    """The index and the rows of its ids."""
    named = {facts["holds"]: name for name, facts in manifest(folder)["files"].items()}
    return faiss.read_index(str(folder / "sink" / named["index"])), pq.read_table(
        folder / "sink" / named["ids"]
    ).to_pylist()


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "sink" / "_manifest.json").read_text())


class FaissContract(SinkContract):
    unit = True

    def read(self, folder: Path) -> dict[str, dict[str, Any]]:
        index, rows = opened(folder)
        assert index.ntotal == len(rows) == len({row["segment_id"] for row in rows})
        return {row["segment_id"]: row | {"vector": self.vector(index, row["id"])} for row in rows}

    def vector(self, index: Any, number: int) -> np.ndarray:
        return index.reconstruct(number)

    def remove_by_hand(self, folder: Path) -> None:
        next((folder / "sink").glob("index-*")).unlink()

    def test_its_answers_are_those_of_exact_search(self, folder: Path) -> None:
        self.export(folder)
        rewrite(folder / "notes" / "note-001.txt", "boat harbour tide")
        (folder / "notes" / "note-002.txt").unlink()
        steps = self.steps(folder)
        run_all(steps)
        self.export(folder)
        index, rows = opened(folder)
        segments = {row["id"]: row["segment_id"] for row in rows}
        queries = np.random.default_rng(0).standard_normal((5, 32)).astype(np.float32)
        faiss.normalize_L2(queries)
        similar, ids = index.search(queries, 5)
        live = steps.store.serving.live_release("words")
        columns = ["segment_id"]
        found = exact(open_release(steps.store, live), queries, k=5, distance="cosine", columns=columns)
        for row, (names, similarities) in enumerate(zip(ids, similar, strict=True)):
            assert [segments[each] for each in names.tolist()] == found[row]["segment_id"].to_pylist()
            assert np.allclose(1 - similarities, found[row]["_distance"].to_numpy(), atol=1e-3)


class TestFlat(FaissContract):
    sink: ClassVar[dict[str, Any]] = {"kind": "faiss"}

    def test_an_id_stays_with_its_segment(self, folder: Path) -> None:
        self.export(folder)
        before = {row["segment_id"]: row["id"] for row in opened(folder)[1]}
        rewrite(folder / "notes" / "note-001.txt", "boat harbour tide")
        (folder / "notes" / "new.txt").write_text("canal ferry delta")
        run_all(self.steps(folder))
        self.export(folder)
        after = {row["segment_id"]: row["id"] for row in opened(folder)[1]}
        assert {name: after[name] for name in before} == before
        assert set(after.values()) - set(before.values()) == {len(before)}


class TestHnsw(FaissContract):
    sink: ClassVar[dict[str, Any]] = {"kind": "faiss", "options": {"index": "hnsw", "m": 8}}
    incremental = False

    def vector(self, index: Any, number: int) -> np.ndarray:
        return faiss.downcast_index(index.index).reconstruct(int(np.flatnonzero(_ids(index) == number)[0]))


def _ids(index: Any) -> np.ndarray:
    return faiss.vector_to_array(index.id_map)


@pytest.mark.parametrize(
    ("sink", "message"),
    [
        ({"kind": "fais"}, "sinks.out.kind: 'fais' is none of faiss, milvus, parquet."),
        ({"kind": "faiss", "options": {"index": "ivf"}}, "sinks.out.options.index: 'ivf' is none of flat, hnsw."),
        ({"kind": "faiss", "options": {"m": 1}}, "sinks.out.options.m: 1 is no number of links from 2 to 512."),
        ({"kind": "parquet", "options": {"m": 4}}, "sinks.out.options: 'm' is no option of parquet; it has: none."),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, words: list[Any], sink: dict[str, Any], message: str) -> None:
    steps = changed(tmp_path, sinks={"out": {"space": "words", "uri": str(tmp_path / "sink"), **sink}})
    with pytest.raises(SettingsError) as raised:
        steps.export("out")
    assert str(raised.value) == message


def test_without_its_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from embed_assets.sinks.kinds import faiss_index

    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'embed-assets\[faiss\]'"):
        faiss_index._faiss()
