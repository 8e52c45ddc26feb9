"""Labelled queries: a fixed set of queries with their relevant items, one JSON object a line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embed_assets.errors import SettingsError
from embed_assets.media.files.unicode_names import on_disk

_FIELDS = {"query", "query_file", "relevant", "relevant_labels", "not_relevant"}


@dataclass(frozen=True, kw_only=True)
class LabelledQuery:
    """One query, in words or as a file, and its relevant items: their keys, or labels whose items all are.

    `file` is a local path; `query` is then its name. A key that begins with # is the id of a table's row, or the name
    of a file without its suffix, whatever source holds it.
    """

    query: str
    file: str | None = None
    relevant: tuple[str, ...] = ()
    relevant_labels: tuple[str, ...] = ()
    grades: tuple[float, ...] = ()  # of `relevant`, in its order; empty: 1 each
    not_relevant: tuple[str, ...] = ()

    def hashed_text(self) -> str:
        """Return the text that the hash of a release's check settings is made of, the same for all releases."""
        named = {name: getattr(self, name) for name in ("query", "file", "relevant", "relevant_labels")}
        if self.grades:
            named["grades"] = self.grades
        return f"Judged({', '.join(f'{name}={value!r}' for name, value in named.items())})"  # as in the first releases


def read_queries(path: Path, *, files_in: Path) -> list[LabelledQuery]:
    """Read a JSONL file of labelled queries. Raises SettingsError naming file, line and field.

    A query of which only `not_relevant` items are known is left out: nothing can be measured by it. A `query_file` is
    taken from the folder `files_in`.
    """
    queries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            query = _parse(line, f"{path}:{number}", files_in)
            queries += [query] if query is not None else []
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
    graded = _grades(row.get("relevant", []), f"{where}: relevant")
    labels, refused = (_texts(row.get(name, []), f"{where}: {name}") for name in ("relevant_labels", "not_relevant"))
    relevant = tuple(key for key, grade in graded.items() if grade > 0)
    if not relevant and not labels and (refused or graded):
        return None
    if not relevant and not labels:
        raise SettingsError(f"{where}: a query needs `relevant` (item keys) or `relevant_labels`.")
    file = on_disk(str(folder / row["query_file"])) if "query_file" in row else None
    if file is not None and not Path(file).is_file():
        raise SettingsError(f"{where}: query_file: there is no file {file!r}.")
    return LabelledQuery(
        query=row.get("query", file),
        file=file,
        relevant=relevant,
        relevant_labels=labels,
        grades=tuple(graded[key] for key in relevant) if isinstance(row.get("relevant"), Mapping) else (),
        not_relevant=(*refused, *(key for key, grade in graded.items() if grade <= 0)),
    )


def _grades(values: Any, where: str) -> dict[str, float]:
    """Return grades by key: 1 each of a list, those of an object."""
    if not isinstance(values, Mapping):
        return dict.fromkeys(_texts(values, where), 1.0)
    if not all(isinstance(grade, (int, float)) and not isinstance(grade, bool) for grade in values.values()):
        raise SettingsError(f"{where}: expected a list of texts, or an object of numbers by key.")
    return {str(key): float(grade) for key, grade in values.items()}


def _texts(values: Any, where: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise SettingsError(f"{where}: expected a list of texts.")
    return tuple(values)
