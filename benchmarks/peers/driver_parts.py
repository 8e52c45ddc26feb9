"""What every driver does: read its arguments, count the texts that the model encodes, print one line of JSON.

Drivers run in their tool's environment, which has neither this repository nor its benchmarks installed, and import
their tool by name, so that types are checked without it.
"""

import argparse
import importlib.abc
import importlib.machinery
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Call:
    """The arguments of a driver."""

    texts: Path  # folder of .txt files
    model: Path  # the model folder that ought to serve
    store: Path  # the tool's own; kept from step to step
    served: Path | None  # where to write what serves, instead of a run


def parse_call() -> Call:
    """Read the arguments of this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("texts", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--served", type=Path)
    return Call(**vars(parser.parse_args()))


def read_texts(folder: Path) -> dict[str, str]:
    """Read all texts by name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))}


def count_encoded() -> list[int]:
    """Have every call of `SentenceTransformer.encode` in this process add how many texts it was given.

    The library is not imported for it: a tool that has nothing to encode may not need it.
    """
    counts: list[int] = []
    sys.meta_path.insert(0, _CountedWhenImported(counts))
    return counts


class _CountedWhenImported(importlib.abc.MetaPathFinder):
    """Wraps `encode` as soon as sentence-transformers is imported."""

    def __init__(self, counts: list[int]) -> None:
        self.counts = counts

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != "sentence_transformers":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None and spec.loader is not None
        load = spec.loader.exec_module

        def load_and_wrap(module: Any) -> None:
            load(module)
            module.SentenceTransformer.encode = _counted(module.SentenceTransformer.encode, self.counts)

        spec.loader.exec_module = load_and_wrap
        return spec


def _counted(encode: Callable[..., Any], counts: list[int]) -> Callable[..., Any]:
    def counted(self: Any, inputs: Any, *args: Any, **options: Any) -> Any:
        counts.append(1 if isinstance(inputs, str) else len(inputs))
        return encode(self, inputs, *args, **options)

    return counted


def report(counts: list[int]) -> None:
    """Print what the run encoded."""
    print(json.dumps({"encoded": sum(counts)}), flush=True)
