"""Milvus sinks on Milvus Lite, Milvus' own engine for one process: aliases, collections of others, fields."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from embed_assets.errors import SinkError
from tests.sinks.export_contract import SinkContract, changed
from tests.support import run_all

pytest.importorskip("milvus_lite", reason="the extra milvus is not installed")
pymilvus = pytest.importorskip("pymilvus", reason="the extra milvus is not installed")


class TestMilvus(SinkContract):
    sink: ClassVar[dict[str, Any]] = {"kind": "milvus", "collection": "notes"}
    place = "sink.db"

    @pytest.fixture(autouse=True)
    def closed(self) -> Iterator[None]:
        yield
        _servers().release_all()

    def client(self, folder: Path) -> Any:
        return pymilvus.MilvusClient(str(folder / self.place))

    def read(self, folder: Path) -> dict[str, dict[str, Any]]:
        rows = self.client(folder).query("notes", filter="segment_id != ''", output_fields=["*"])
        return {row["segment_id"]: row for row in rows}

    def remove_by_hand(self, folder: Path) -> None:
        self.client(folder).delete("notes", filter="key == 'note-001.txt'")

    def collections(self, folder: Path) -> list[str]:
        return self.client(folder).list_collections()

    def test_changes_go_into_the_same_collection_and_a_version_into_another(self, folder: Path) -> None:
        self.export(folder)
        (first,) = self.collections(folder)
        (folder / "notes" / "new.txt").write_text("canal ferry delta")
        run_all(self.steps(folder))
        self.export(folder)
        assert self.collections(folder) == [first]
        self.export(folder, whole=True)
        (second,) = self.collections(folder)
        assert second != first

    def test_a_collection_of_others_is_left_alone(self, folder: Path) -> None:
        self.client(folder).create_collection("notes", dimension=4)
        with pytest.raises(SinkError, match="notes is a collection of its own"):
            self.steps(folder).export("out")

    def test_a_server_that_is_down_is_named(self, folder: Path) -> None:
        sink = {"space": "words", "kind": "milvus", "uri": "http://127.0.0.1:1", "storage_options": {"timeout": 1}}
        with pytest.raises(SinkError, match="Sink 'out': Milvus says"):
            changed(folder, sinks={"out": sink}).export("out")

    def test_search_finds_an_item_by_its_vector(self, folder: Path) -> None:
        self.export(folder)
        row = next(iter(self.read(folder).values()))
        (found,) = self.client(folder).search("notes", data=[row["vector"]], limit=1, output_fields=["key"])
        assert found[0]["entity"]["key"] == row["key"]


def _servers() -> Any:
    from milvus_lite.server_manager import server_manager_instance

    return server_manager_instance
