"""What a tool's index serves, and whether that is right."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.store import Store

SAME = 0.9999  # cosine; stored as float16 a vector is within 1e-6 of itself, of another model's at most 0.998
Vectors = dict[str, np.ndarray]  # by the text's name


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How the sample of an index is beside what it ought to be."""

    right: int  # texts of the sample with the vector of their words and of the model that ought to serve
    wrong: int
    models: tuple[str, ...]  # whose vectors there are, with how many of the sample
    deleted: int  # texts that are gone and are found still
    rows: int

    def __str__(self) -> str:
        """Return one cell of the table."""
        problems = [f"{self.wrong} of {self.right + self.wrong} wrong"] if self.wrong else []
        problems += [f"{self.deleted} deleted ones found"] if self.deleted else []
        problems += ["of " + " and ".join(self.models)] if len(self.models) > 1 else []
        return ", ".join(problems) or "right"


def judge(served: Vectors, *, ought: str, expected: Mapping[str, Vectors], gone: set[str]) -> Verdict:
    """Compare what serves with the vectors of each model (by its name), of which one ought to serve."""
    names = expected[ought]
    right = sum(_same(served.get(name), vector) for name, vector in names.items())
    models = Counter(whose(served, expected).values())
    return Verdict(
        right=right,
        wrong=len(names) - right,
        models=tuple(f"{model} ({count})" for model, count in models.items()),
        deleted=len(gone & served.keys()),
        rows=len(served),
    )


def whose(served: Vectors, expected: Mapping[str, Vectors]) -> dict[str, str]:
    """Return the model by text, of those texts of the sample that have the vector of one."""
    return {
        name: model for model, vectors in expected.items() for name in vectors if _same(served.get(name), vectors[name])
    }


def read_served(tool: str, store: Path) -> Vectors | None:
    """Read what serves, where that is a Lance table; None where it is not, or where there is none yet."""
    if tool.startswith("embed-assets"):
        return _of_pointer(Store(str(store)))
    tables = {"cocoindex": store / "lance" / "texts.lance", "daft": store / "texts.lance"}
    return _of_table(tables[tool]) if tool in tables and tables[tool].exists() else None


def read_file(file: Path) -> Vectors:
    """Read what a driver wrote."""
    with np.load(file) as arrays:
        return dict(zip(arrays["names"].tolist(), arrays["vectors"], strict=True))


def _of_pointer(store: Store) -> Vectors | None:
    """Vectors of the release that the pointer names: what every search of this store reads."""
    live = store.serving.pointer("text").live
    if live is None:
        return None
    rows = open_release(store, live).search().select(["key", "vector"]).limit(None).to_arrow()
    return _by_name(rows, "key")


def _of_table(folder: Path) -> Vectors:
    import lance

    return _by_name(lance.dataset(str(folder)).to_table(columns=["name", "vector"]), "name")


def _by_name(rows: Any, column: str) -> Vectors:
    vectors = np.stack(rows["vector"].to_numpy(zero_copy_only=False)).astype(np.float32)
    return {name.removesuffix(".txt"): vector for name, vector in zip(rows[column].to_pylist(), vectors, strict=True)}


def _same(vector: np.ndarray | None, expected: np.ndarray) -> bool:
    if vector is None:
        return False
    return bool(vector @ expected >= SAME * np.linalg.norm(vector) * np.linalg.norm(expected))
