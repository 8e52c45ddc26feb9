"""Tables for the UI: previews, column schemas and counts in Dagster's metadata types."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

INLINE = 1000  # characters of markdown: Dagster hides what is longer behind a button
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+\-.!|~>&$]")


def preview(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> dg.TableMetadataValue:
    """Show rows as a table; lists are joined, everything that is not a number becomes text."""
    names = list(columns)
    records = [dg.TableRecord({name: _cell(row.get(name)) for name in names}) for row in rows]
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in names])
    return dg.MetadataValue.table(records=records, schema=schema)


def column_schema(schema: pa.Schema, descriptions: Mapping[str, str] | None = None) -> dg.TableSchema:
    """Convert an Arrow schema to Dagster's."""
    described = descriptions or {}
    return dg.TableSchema(
        columns=[dg.TableColumn(field.name, str(field.type), description=described.get(field.name)) for field in schema]
    )


def counts(values: Mapping[str, int]) -> dict[str, dg.MetadataValue]:
    """Convert counts to integer metadata, zeros included, so that Dagster can plot a line."""
    return {name: dg.MetadataValue.int(int(count)) for name, count in values.items()}


def in_markdown(text: str) -> str:
    """Escape a line of text for markdown: no markup, no HTML, no end of a table cell."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split())).replace("<", "&lt;")


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value if not isinstance(value, str) or len(value) <= 160 else value[:157] + "…"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
