"""BEIR folder: queries.jsonl and graded judgements in qrels/*.tsv (Thakur et al., 2021, arXiv:2104.08663)."""

import csv
import json
from pathlib import Path
from typing import Any

from embed_assets.errors import SettingsError
from embed_assets.quality.queries.labelled_queries import LabelledQuery

_COLUMNS = ("query-id", "corpus-id", "score")
_SPLIT = "test"  # taken where there are several


def is_beir(path: Path) -> bool:
    """Return whether it is such a folder, or a file of judgements in one."""
    return (path / "queries.jsonl").is_file() or path.suffix == ".tsv"


def read_beir(path: Path) -> list[LabelledQuery]:
    """Read the queries that have a relevant item, with grades; of several splits `test`, or the file of qrels named.

    Items are named by `#ID`: a row of a table whose id that is, or a file of that name. Raises SettingsError naming
    file, line and field.
    """
    judgements = path if path.suffix == ".tsv" else _qrels(path)
    texts = _texts(judgements.parent.parent / "queries.jsonl")
    graded: dict[str, dict[str, float]] = {}
    with judgements.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if tuple(rows.fieldnames or ())[:3] != _COLUMNS:
            raise SettingsError(f"{judgements}:1: expected the columns {', '.join(_COLUMNS)}, with tabs between them.")
        for number, row in enumerate(rows, 2):
            graded.setdefault(row["query-id"], {})[f"#{row['corpus-id']}"] = _score(row["score"], judgements, number)
    if unknown := [query for query in graded if query not in texts]:
        raise SettingsError(f"{judgements}: query-id {unknown[0]!r} is not in queries.jsonl.")
    return [_query(texts[query], grades) for query, grades in graded.items() if max(grades.values()) > 0]


def _query(text: str, grades: dict[str, float]) -> LabelledQuery:
    relevant = tuple(key for key, grade in grades.items() if grade > 0)
    return LabelledQuery(
        query=text,
        relevant=relevant,
        grades=tuple(grades[key] for key in relevant) if any(grades[key] != 1 for key in relevant) else (),
        not_relevant=tuple(key for key, grade in grades.items() if grade <= 0),
    )


def _qrels(folder: Path) -> Path:
    found = sorted((folder / "qrels").glob("*.tsv"))
    named = [file for file in found if file.stem == _SPLIT]
    if not named and len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise SettingsError(
            f"{folder}: qrels/ has no {_SPLIT}.tsv (it has {names}). Name one as FOLDER/qrels/NAME.tsv."
        )
    return (named or found)[0]


def _texts(file: Path) -> dict[str, str]:
    if not file.is_file():
        raise SettingsError(f"{file} does not exist; the judgements beside it name its queries.")
    texts: dict[str, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
            texts[str(row["_id"])] = row["text"]
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{file}:{number}: expected an object with `_id` and `text`.") from error
    return texts


def _score(value: str | None, file: Path, number: int) -> float:
    try:
        return float(value or "")
    except ValueError as error:
        raise SettingsError(f"{file}:{number}: score: {value!r} is no number.") from error
