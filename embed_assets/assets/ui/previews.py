"""Tables for the UI: previews, column schemas and counts in Dagster's metadata types."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

from embed_assets.quality.balance.group_quality import GroupQuality
from embed_assets.quality.measured_report import Measured

INLINE = 1000  # characters of markdown: Dagster hides what is longer behind a button
_LONGEST_NAME = 20  # characters
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+\-.!|~>&$]")


def preview(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> dg.TableMetadataValue:
    """Show rows as a table; lists are joined, everything that is not a number becomes text."""
    names = list(columns)
    records = [dg.TableRecord({name: _cell(row.get(name)) for name in names}) for row in rows]
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in names])
    return dg.MetadataValue.table(records=records, schema=schema)


def group_preview(quality: Iterable[GroupQuality], *, metric: str) -> dg.TableMetadataValue:
    """Show the quality of groups of queries against all others; narrow, so that the verdict is in sight."""
    rows = [
        {
            "group": f"{each.by}: {shortened(each.group)}",
            "queries": each.queries,
            metric: each.ndcg.shown(),
            "difference": each.difference.shown(sign="+"),
            "verdict": each.verdict,
        }
        for each in quality
    ]
    return preview(rows, ("group", "queries", metric, "difference", "verdict"))


def shortened(name: str) -> str:
    """Return the end of a long name: a word that a table can't break pushes its other columns out of sight."""
    return name if len(name) <= _LONGEST_NAME else f"...{name[3 - _LONGEST_NAME :]}"


def column_schema(schema: pa.Schema, descriptions: Mapping[str, str] | None = None) -> dg.TableSchema:
    """Convert an Arrow schema to Dagster's."""
    described = descriptions or {}
    return dg.TableSchema(
        columns=[dg.TableColumn(field.name, str(field.type), description=described.get(field.name)) for field in schema]
    )


def counts(values: Mapping[str, int]) -> dict[str, dg.MetadataValue]:
    """Convert counts to integer metadata, zeros included, so that Dagster can plot a line."""
    return {name: dg.MetadataValue.int(int(count)) for name, count in values.items()}


def measured(found: Measured) -> dict[str, Any]:
    """Return what a report was measured on, and its seconds, which Dagster draws over time."""
    return {"sample": found.sample(), "seconds": found.seconds}


def in_markdown(text: str) -> str:
    """Escape a line of text for markdown: no markup, no HTML, no end of a table cell."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split())).replace("<", "&lt;")


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value if not isinstance(value, str) or len(value) <= 160 else value[:157] + "…"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
