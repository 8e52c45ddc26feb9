"""Look: what a listing's files hold, read on threads that share what memory there is for them."""

import time
from collections.abc import Callable

import pyarrow as pa
import pytest

from embed_assets.manifest.inspect_files import ListedSource, inspected
from embed_assets.manifest.stored_rows import StoredRows
from embed_assets.media.media_types import ListedFile
from embed_assets.media.tables.sidecar import Annotations
from embed_assets.store.manifest_row import SCHEMA


def listed(sizes: list[int], read: Callable[[str], bytes]) -> ListedSource:
    files = [
        ListedFile(key=f"{number}.txt", uri=f"/{number}.txt", size=size, mtime=0.0, etag="")
        for number, size in enumerate(sizes)
    ]
    return ListedSource(
        name="notes",
        listed_at=0,
        files=files,
        annotations=Annotations({}, by_folder=False),
        read=read,
        max_deleted_share=1.0,
        readers=4,
    )


@pytest.mark.parametrize(("megabytes", "together"), [(0.5, 4), (100, 2), (200, 1), (400, 1)])
def test_large_files_are_read_one_after_another_and_small_ones_side_by_side(megabytes: float, together: int) -> None:
    inside, most = [], []

    def read(key: str) -> bytes:
        inside.append(key)
        time.sleep(0.05)
        most.append(len(inside))
        inside.remove(key)
        return b"words"

    source = listed([int(megabytes * 2**20)] * 8, read)
    nothing = pa.array([], pa.bool_())
    stored = StoredRows(SCHEMA.empty_table(), chosen=nothing, may_be_missing=nothing)
    found = inspected(source, source.files, to_read={file.key for file in source.files}, stored=stored)
    entries = [entry for some in found.taken() for entry in some]
    assert [entry.probe.mime for entry in entries if entry.probe] == ["text/plain"] * 8
    assert max(most) <= together
    assert megabytes > 1 or max(most) > 1
