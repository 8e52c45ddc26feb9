"""Milvus: a collection behind an alias, on a server or in a file of Milvus Lite; changed in place, replaced as a whole.

A collection says in its properties which export it holds. While rows are changed it says none, so that a killed export
is followed by a whole one: into a collection beside it, to which the alias then moves.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

import pyarrow as pa

from embed_assets.errors import MissingExtraError, SinkError, in_one_line
from embed_assets.settings import SinkSettings
from embed_assets.sinks.sink import Export, Sink
from embed_assets.store.serving.vector_scan import matrix

_EXPORT, _ROWS = "embed_assets.export", "embed_assets.rows"  # properties of a collection
_METRICS = {"cosine": "COSINE", "dot": "IP", "l2": "L2"}
_ID_BYTES = 512
_TEXT_BYTES = 65_535  # Milvus' bound on a VARCHAR
_LABELS = 4096  # Milvus' bound on an array
_REQUEST_BYTES = 8 * 2**20  # a server takes 64 MiB
_DELETED = 1000  # ids of a request


class MilvusCollection(Sink):
    """A collection keyed by segment_id. Texts beyond 65,535 bytes are cut: Milvus takes no more."""

    KIND = "milvus"

    def __init__(self, name: str, settings: SinkSettings) -> None:
        super().__init__(name, settings)
        self._alias = settings.collection or name
        self._opened: Any = None

    def held(self) -> str | None:
        """See Sink. A collection with another number of rows than it was left with was changed by another hand."""
        with self._errors():
            current = self._current()
            if current is None:
                return None
            marks = self._client.describe_collection(current).get("properties", {})
            return marks.get(_EXPORT) or None if marks.get(_ROWS) == str(self._count(current)) else None

    def begin(self, export: Export, *, whole: bool) -> None:
        """See Sink."""
        with self._errors():
            self._export, self._whole = export, whole
            self._names = _field_names(export.schema)
            if whole:
                self._target = f"{self._alias}_{export.id}"
                self._create()
            else:
                self._target = self._current()
                self._mark("")

    def delete(self, rows: pa.Table) -> None:
        """See Sink."""
        ids = rows["segment_id"].to_pylist()
        with self._errors():
            for start in range(0, len(ids), _DELETED):
                self._client.delete(self._target, ids=ids[start : start + _DELETED])

    def write(self, rows: pa.Table) -> None:
        """See Sink."""
        size = max(1, len(rows) * _REQUEST_BYTES // max(rows.nbytes, 1))
        with self._errors():
            for start in range(0, len(rows), size):
                self._client.upsert(self._target, self._entities(rows.slice(start, size)))

    def finish(self) -> None:
        """See Sink."""
        with self._errors():
            self._client.flush(self._target)
            if (found := self._count(self._target)) != self._export.rows:
                raise SinkError(
                    f"Sink {self.name!r}: collection {self._target} has {found:,} rows, and {self._export.rows:,} were "
                    "exported. Another program writes to it; export again."
                )
            self._mark(self._export.id)
            if self._whole:
                self._switch()

    @property
    def _client(self) -> Any:
        if self._opened is None:
            self._opened = _client_class()(uri=self.settings.uri, **self.settings.storage_options)
        return self._opened

    def _current(self) -> str | None:
        """Return the collection behind the alias. Raises SinkError where the name is a collection itself."""
        if self._alias in self._client.list_collections():
            raise SinkError(
                f"Sink {self.name!r}: {self._alias} is a collection of its own, not an alias of an export. Name "
                "another with collection, or drop it."
            )
        return next((name for name in self._own() if self._alias in self._client.list_aliases(name)["aliases"]), None)

    def _own(self) -> list[str]:
        """Return the collections of exports to this alias: NAME_<12 hex digits>."""
        form = re.compile(rf"{re.escape(self._alias)}_[0-9a-f]{{12}}")
        return [name for name in self._client.list_collections() if form.fullmatch(name)]

    def _create(self) -> None:
        from pymilvus import DataType

        self._current()  # a collection of that name is not ours to hide
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        for field in self._export.schema:
            name = self._names[field.name]
            if field.name == "segment_id":
                schema.add_field(name, DataType.VARCHAR, max_length=_ID_BYTES, is_primary=True)
            elif field.name == "vector":
                schema.add_field(name, DataType.FLOAT_VECTOR, dim=self._export.dim)
            else:
                schema.add_field(name, **_column(field.type, DataType), nullable=True)
        index = self._client.prepare_index_params()
        index.add_index("vector", index_type="AUTOINDEX", metric_type=_METRICS[self._export.distance])
        self._client.create_collection(self._target, schema=schema, index_params=index, consistency_level="Strong")

    def _switch(self) -> None:
        if self._current() is None:
            self._client.create_alias(self._target, self._alias)
        else:
            self._client.alter_alias(self._target, self._alias)
        for older in self._own():
            if older != self._target:
                self._client.drop_collection(older)

    def _mark(self, export: str) -> None:
        marks = self._export.facts | {"export": export, "rows": str(self._export.rows)}
        properties = {f"embed_assets.{name}": value for name, value in marks.items()}
        self._client.alter_collection_properties(self._target, properties)

    def _count(self, collection: str | None) -> int:
        return int(self._client.query(collection, output_fields=["count(*)"])[0]["count(*)"])

    def _entities(self, rows: pa.Table) -> list[dict[str, Any]]:
        columns: dict[str, list[Any]] = {
            self._names[name]: list(map(_value, rows[name].to_pylist())) for name in self._names if name != "vector"
        }
        columns["vector"] = list(matrix(rows["vector"].combine_chunks()))
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise SinkError in place of the client's own."""
        _client_class()
        from pymilvus import MilvusException

        try:
            yield
        except MilvusException as error:
            message = f"Sink {self.name!r}: Milvus says: {in_one_line(error)}. Check its uri and storage_options."
            raise SinkError(message) from error


def _client_class() -> Callable[..., Any]:
    try:
        from pymilvus import MilvusClient  # 3 s
    except ImportError as error:
        raise MissingExtraError("A sink of kind milvus", "milvus") from error
    return MilvusClient


def _field_names(schema: pa.Schema) -> dict[str, str]:
    """Map columns to fields of Milvus, whose names are letters, digits and `_`."""
    names: dict[str, str] = {}
    for name in schema.names:
        base = plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        if base[:1].isdigit():
            base = plain = f"_{base}"
        number = 1
        while plain in names.values():
            number += 1
            plain = f"{base}_{number}"
        names[name] = plain
    return names


def _column(kind: pa.DataType, types: Any) -> Mapping[str, Any]:
    if pa.types.is_boolean(kind):
        return {"datatype": types.BOOL}
    if pa.types.is_integer(kind):
        return {"datatype": types.INT64}
    if pa.types.is_floating(kind):
        return {"datatype": types.DOUBLE}
    if pa.types.is_list(kind):
        text = {"element_type": types.VARCHAR, "max_length": _TEXT_BYTES}
        return {"datatype": types.ARRAY, "max_capacity": _LABELS, **text}
    return {"datatype": types.VARCHAR, "max_length": _TEXT_BYTES}


def _value(value: Any) -> Any:
    """Return a value as its field takes it: times as ISO text, texts within the bound."""
    if isinstance(value, str):
        return value if len(value) * 4 <= _TEXT_BYTES else value.encode()[:_TEXT_BYTES].decode(errors="ignore")
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    return list(map(_value, value[:_LABELS])) if isinstance(value, list) else value


SINK = MilvusCollection
