"""Query drift: what people search for now against the judged queries, or against an older part of the log."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embed_assets.errors import SettingsError
from embed_assets.quality.drift.drift_report import (
    FEWEST,
    DriftReport,
    Typical,
    drift_between,
    most_typical,
)
from embed_assets.store.serving.releases import Release

MOST_QUERIES = 500  # of a log that are encoded


def read_query_log(path: str | Path) -> list[str]:
    """Read the queries of a JSONL file, oldest first; fields beside `query` are ignored.

    Raises SettingsError naming file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise SettingsError(f"Query log {str(path)!r} does not exist: name a JSONL file with a text in `query`.")
    queries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            queries.append(_query(line, f"{path}:{number}"))
    return queries


def _query(line: str, where: str) -> str:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{where}: not JSON: {error}") from error
    query = row.get("query") if isinstance(row, dict) else None
    if not isinstance(query, str) or not query.strip():
        raise SettingsError(f"{where}: expected an object with a text in `query`.")
    return query


def split_log(logged: Sequence[str], judged: Sequence[str]) -> tuple[list[str], list[str], str]:
    """Return the queries of the reference, the new ones, and in words what the reference is.

    The judged queries, where there are enough; else the older half of the log. Of each the newest MOST_QUERIES. A text
    counts once a side: a query that many people type is one.
    """
    distinct = list(dict.fromkeys(logged))
    if len(set(judged)) >= FEWEST:
        return list(dict.fromkeys(judged))[:MOST_QUERIES], distinct[-MOST_QUERIES:], "judged queries"
    half = len(distinct) // 2
    older, newer = distinct[:half][-MOST_QUERIES:], distinct[half:][-MOST_QUERIES:]
    return older, newer, "the older half of the log"


def query_drift(
    release: Release, reference: np.ndarray, new: np.ndarray, queries: Sequence[str], *, reference_is: str
) -> DriftReport:
    """Compare vectors of queries, float32 (m, dim) and (n, dim); `queries` are the new ones' texts."""
    found = drift_between(reference, new)
    best = most_typical(found.scores)
    return DriftReport(
        space=release.space,
        encoder=release.encoder,
        version=release.encoder_version,
        about="queries",
        reference_is=reference_is,
        since=None,
        reference=len(reference),
        new=len(new),
        compared=(len(reference), len(new)),
        mmd2=found.mmd2,
        p=found.p,
        auc=found.auc,
        verdict=found.verdict,
        typical=tuple(
            Typical(name=queries[place], labels=(), text="", score=round(float(found.scores[place]), 3))
            for place in best
        ),
    )
