"""Labelled queries: a fixed set of queries with their relevant items, one JSON object a line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from embed_assets.errors import SettingsError
from embed_assets.media.files.unicode_names import on_disk

EMBEDDED = "embedded:"  # the demo's own query sets
_FIELDS = {"query", "query_file", "relevant", "relevant_labels", "not_relevant"}


@dataclass(frozen=True, kw_only=True)
class LabelledQuery:
    """One query, in words or as a file, and its relevant items: their keys, or labels whose items all are.

    `file` is a local path; `query` is then its name.
    """

    query: str
    file: str | None = None
    relevant: tuple[str, ...] = ()
    relevant_labels: tuple[str, ...] = ()

    def hashed_text(self) -> str:
        """Return the text that the hash of a release's check settings is made of, the same for all releases."""
        return repr(self).replace("LabelledQuery", "Judged", 1)  # the class's name in the first releases


def load_queries(path: str | Path, *, files_in: str | Path | None = None) -> list[LabelledQuery]:
    """Read the query set of a JSONL file, or of embedded:NAME. Raises SettingsError naming file, line and field.

    A query of which only `not_relevant` items are known is left out: nothing can be measured by it. A `query_file` is
    taken from the folder `files_in`, or from the query set's own.
    """
    if str(path).startswith(EMBEDDED):
        path = str(files("embed_assets.demo") / "queries" / f"{str(path).removeprefix(EMBEDDED)}.jsonl")
    path = Path(path)
    if not path.is_file():
        raise SettingsError(f"Query set {str(path)!r} does not exist. Name a JSONL file, or leave `queries` out.")
    queries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            query = _parse(line, f"{path}:{number}", Path(files_in or path.parent))
            queries += [query] if query is not None else []
    if not queries:
        raise SettingsError(f"Query set {str(path)!r} holds no query.")
    return queries


def _parse(line: str, where: str, folder: Path) -> LabelledQuery | None:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{where}: not JSON: {error}") from error
    contents = [row.get(name) for name in ("query", "query_file")] if isinstance(row, Mapping) else [None]
    if [isinstance(content, str) for content in contents].count(True) != 1:
        raise SettingsError(f"{where}: expected an object with a text in `query`, or a path in `query_file`.")
    if unknown := set(row) - _FIELDS:
        raise SettingsError(
            f"{where}: unknown field {sorted(unknown)[0]!r}; the fields are {', '.join(sorted(_FIELDS))}."
        )
    relevant, labels = (_texts(row.get(name, []), f"{where}: {name}") for name in ("relevant", "relevant_labels"))
    if not relevant and not labels and _texts(row.get("not_relevant", []), f"{where}: not_relevant"):
        return None
    if not relevant and not labels:
        raise SettingsError(f"{where}: a query needs `relevant` (item keys) or `relevant_labels`.")
    file = on_disk(str(folder / row["query_file"])) if "query_file" in row else None
    if file is not None and not Path(file).is_file():
        raise SettingsError(f"{where}: query_file: there is no file {file!r}.")
    return LabelledQuery(query=row.get("query", file), file=file, relevant=relevant, relevant_labels=labels)


def _texts(values: Any, where: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise SettingsError(f"{where}: expected a list of texts.")
    return tuple(values)
