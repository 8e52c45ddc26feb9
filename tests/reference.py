"""The reference pages of docs/ that are made from the code: run as a program, it writes them anew.

python -m tests.reference
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from embed_assets.cli.shared.json_documents import DOCUMENTS, schema_of
from embed_assets.settings import PipelineSettings
from tests.support import REPOSITORY

_HEAD = """# Settings: every key, what it may be and what it means

This page is made from the settings themselves (`embed_assets/settings.py`); a test keeps it true. A pipeline's YAML has
these keys, `embed_assets.component.EmbeddingPipeline` takes the same ones, and an environment variable overrides each:
`EMBED_ASSETS_COMPUTE__DEVICE=cpu` is `compute.device`, a list or a mapping is written as JSON. What files a setting may
name, sidecars and query sets, is in [queries.md](queries.md) and [sources.md](sources.md).
"""
_NAMED = {"sources": "NAME", "encoders": "NAME", "spaces": "SPACE", "api_keys": "NAME"}  # sections that the user names


def pages() -> dict[Path, str]:
    """Path → text of each page."""
    docs = REPOSITORY / "docs"
    made = {
        docs / "json" / f"{name.replace(' ', '-')}.json": json.dumps(schema_of(name), indent=2) + "\n"
        for name in DOCUMENTS
    }
    return made | {docs / "settings.md": "\n".join([_HEAD, *_section("", PipelineSettings)])}


def _section(path: str, section: type[BaseModel]) -> Iterator[str]:
    """A heading, the section's own words and a table of its keys; then the sections in it."""
    yield f"## {f'`{path}`' if path else 'The whole'}\n"
    yield f"{' '.join((section.__doc__ or '').split())}\n"
    yield "| key | what it may be | default | what it means |"
    yield "|---|---|---|---|"
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in section.model_fields.items():
        below = _below(field.annotation)
        if below is None:
            yield f"| `{name}` | {_kind(field.annotation)} | {_default(field)} | {_means(field)} |"
            continue
        place = f"{name}.{_NAMED[name]}" if name in _NAMED else name
        inner.append((f"{path}.{place}" if path else place, below))
        yield f"| `{name}` | the section `{inner[-1][0]}` | {_default(field)} | {_means(field) or 'below'} |"
    yield ""
    for place, below in inner:
        yield from _section(place, below)


def _below(kind: Any) -> type[BaseModel] | None:
    chosen = get_args(kind)[1] if get_origin(kind) is dict else kind
    return chosen if isinstance(chosen, type) and issubclass(chosen, BaseModel) else None


def _kind(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(kind))
    if get_origin(kind) in (list, tuple):
        inner = [_kind(each) for each in get_args(kind) if each is not ...]
        return f"list of {inner[0]}" if get_origin(kind) is list else f"list of {len(inner)} {inner[0]}s"
    if get_origin(kind) is dict:
        return "mapping"
    if hasattr(kind, "__metadata__"):
        return "name"
    if get_args(kind):
        return " or ".join(_kind(each) for each in get_args(kind) if each is not type(None))
    return {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}[kind]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", [], {}) or isinstance(value, BaseModel):
        return "unset"
    shown = json.dumps(value)
    return f"`{shown}`"


def _means(field: FieldInfo) -> str:
    parts = [field.description or ""]
    if bounds := _bounds(field):
        parts.append(f"({bounds})")
    if field.examples:
        parts.append("For example " + ", ".join(f"`{json.dumps(each)}`" for each in field.examples) + ".")
    return " ".join(part for part in parts if part).replace("|", "\\|")


def _bounds(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [(signs[name], value) for each in field.metadata for name, value in _limits(each) if name in signs]
    return ", ".join(f"{sign} {value:g}" for sign, value in found)


def _limits(constraint: Any) -> list[tuple[str, Any]]:
    return [
        (name, value) for name in ("ge", "gt", "le", "lt") if (value := getattr(constraint, name, None)) is not None
    ]


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
