"""FAISS: an index file with ids of 64 bits, and a Parquet file that says which segment each id is."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.errors import MissingExtraError, SettingsError
from embed_assets.settings import SinkSettings
from embed_assets.sinks.export_folder import ExportFolder
from embed_assets.sinks.sink import Export, Sink
from embed_assets.store.serving.vector_scan import matrix

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_INDICES = ("flat", "hnsw")
_LINKS = 32  # of a node of HNSW, FAISS' own choice
_EF_CONSTRUCTION = 200


class FaissIndex(Sink):
    """An `IndexIDMap2` over a flat index or HNSW; of cosine distance over vectors of length 1, by inner product.

    An id stays with its segment. HNSW can't remove rows: it is rebuilt with each change.
    """

    KIND = "faiss"
    OPTIONS = frozenset({"index", "m"})

    def __init__(self, name: str, settings: SinkSettings) -> None:
        super().__init__(name, settings)
        self._kind, self._links = settings.options.get("index", "flat"), settings.options.get("m", _LINKS)
        if self._kind not in _INDICES:
            raise SettingsError(f"sinks.{name}.options.index: {self._kind!r} is none of {', '.join(_INDICES)}.")
        if not isinstance(self._links, int) or not 2 <= self._links <= 512:
            raise SettingsError(f"sinks.{name}.options.m: {self._links!r} is no number of links from 2 to 512.")
        self._folder = ExportFolder(name, settings)

    @property
    def rebuilt(self) -> bool:
        """See Sink."""
        return self._kind == "hnsw"

    def held(self) -> str | None:
        """See Sink."""
        return self._folder.held()

    def begin(self, export: Export, *, whole: bool) -> None:
        """See Sink."""
        self._faiss = _faiss()
        self._folder.begin()
        self._export, self._changed = export, whole
        self._map_schema = pa.schema([pa.field("id", pa.int64()), *(f for f in export.schema if f.name != "vector")])
        self._rows: list[pa.Table] = []
        self._gone: list[pa.ChunkedArray] = []
        manifest = {} if whole else self._folder.manifest()
        self._files: dict[str, dict[str, Any]] = manifest.get("files", {})
        self._next = int(manifest.get("next_id", 0))
        self._map = self._map_schema.empty_table() if whole else self._read_map()
        self._index = self._new_index() if whole else self._read_index()

    def delete(self, rows: pa.Table) -> None:
        """See Sink."""
        self._remove(rows["segment_id"])

    def write(self, rows: pa.Table) -> None:
        """See Sink."""
        ids = self._ids_of(rows["segment_id"])
        self._remove(rows["segment_id"])
        unknown = ids < 0
        ids[unknown] = np.arange(self._next, self._next + unknown.sum())
        self._next += int(unknown.sum())
        vectors = np.ascontiguousarray(matrix(rows["vector"].combine_chunks()), np.float32)
        if self._export.distance == "cosine":
            vectors = vectors.copy()
            self._faiss.normalize_L2(vectors)
        self._index.add_with_ids(vectors, ids)
        self._rows.append(rows.append_column("id", pa.array(ids)).select(self._map_schema.names))
        self._changed = True

    def finish(self) -> None:
        """See Sink."""
        import pyarrow.parquet as pq

        export = self._export
        if self._changed:
            index, ids = f"index-{export.id}.faiss", f"ids-{export.id}.parquet"
            with self._folder.create(index) as file:
                self._faiss.write_index(self._index, self._faiss.PyCallbackIOWriter(file.write))
            gone = pa.chunked_array([chunk for each in self._gone for chunk in each.chunks], pa.string())
            kept = self._map.filter(pc.invert(pc.is_in(self._map["segment_id"], value_set=gone.combine_chunks())))
            with self._folder.create(ids) as file:
                pq.write_table(pa.concat_tables([kept, *self._rows]).cast(self._map_schema), file, compression="zstd")
            self._files = {index: {"holds": "index"}, ids: {"holds": "ids"}}
        facts = export.facts | {"export": export.id, "dim": export.dim, "rows": export.rows, "next_id": self._next}
        self._folder.finish(facts, self._files)

    def _remove(self, segments: pa.ChunkedArray) -> None:
        ids = self._ids_of(segments)
        if (ids >= 0).any():
            self._index.remove_ids(ids[ids >= 0])
            self._gone.append(segments)
            self._changed = True

    def _ids_of(self, segments: pa.ChunkedArray) -> np.ndarray:
        """Return the ids that segments have in the older index, int64, (n,); -1 where they have none."""
        places = pc.index_in(segments.combine_chunks(), value_set=self._map["segment_id"].combine_chunks())
        found = pc.fill_null(self._map["id"].combine_chunks().take(places), -1)
        return found.to_numpy(zero_copy_only=False).astype(np.int64)

    def _new_index(self) -> Any:
        dim = self._export.dim
        metric = self._faiss.METRIC_L2 if self._export.distance == "l2" else self._faiss.METRIC_INNER_PRODUCT
        if self._kind == "flat":
            return self._faiss.IndexIDMap2(self._faiss.IndexFlat(dim, metric))
        graph = self._faiss.IndexHNSWFlat(dim, self._links, metric)
        graph.hnsw.efConstruction = _EF_CONSTRUCTION
        return self._faiss.IndexIDMap2(graph)

    def _read_index(self) -> Any:
        with self._folder.open(self._file("index")) as file:
            return self._faiss.read_index(self._faiss.PyCallbackIOReader(file.read))

    def _read_map(self) -> pa.Table:
        import pyarrow.parquet as pq

        with self._folder.open(self._file("ids")) as file:
            return pq.read_table(file).cast(self._map_schema)

    def _file(self, holds: str) -> str:
        return next(name for name, facts in self._files.items() if facts["holds"] == holds)


def _faiss() -> Any:
    try:
        import faiss  # 0.3 s
    except ImportError as error:
        raise MissingExtraError("A sink of kind faiss", "faiss") from error
    return faiss


SINK = FaissIndex
