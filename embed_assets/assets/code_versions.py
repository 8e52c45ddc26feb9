"""Code versions of assets: of the settings that each depends on, so that Dagster's UI shows what is stale and why."""

import hashlib
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from embed_assets.encoders.catalog import builtin_families
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.settings import PipelineSettings


def code_version(settings: PipelineSettings, kind: str, name: str, spec: EncoderSpec | None = None) -> str:
    """Hash what an asset depends on besides its upstream assets: eight hex digits.

    Vectors of an earlier encoder version stay right when settings change: theirs is the code of the encoder's family.
    """
    depends_on: dict[str, Mapping[str, Any]] = {
        "manifest": {"source": _of(settings.sources, name), "limits": settings.limits.model_dump(mode="json")},
        "encoder": {
            "encoder": _of(settings.encoders, name),
            "dtype": settings.compute.dtype,
            "limits": settings.limits.model_dump(mode="json"),
            "code": _family_code(spec),
        },
        "vectors": {"code": _family_code(spec)},
        "index": {"index": settings.index.model_dump(mode="json")},
        "serving": {
            "space": settings.space(name).model_dump(
                mode="json", exclude={"leaderboard", "reports", "query_log", "similarity"}
            )
        },
        "leaderboard": {"space": settings.space(name).model_dump(mode="json", include={"leaderboard", "queries"})},
        "drift": {},
        "query_drift": {"space": settings.space(name).model_dump(mode="json", include={"queries", "query_log"})},
        "matches": {"query": _of(settings.saved_queries, name)},
        "export": {
            "sink": settings.sinks[name].model_dump(mode="json", exclude={"storage_options"})
            if name in settings.sinks
            else None
        },
        "map": {},
        "balance": {"space": settings.space(name).model_dump(mode="json", include={"queries"})},
        "evaluation": {
            "space": settings.space(name).model_dump(mode="json", include={"queries", "query_files", "similarity"}),
            "reranker": settings.serve.reranker,
        },
        "noise": {},
    }
    text = json.dumps(depends_on[kind], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _of(section: Mapping[str, Any], name: str) -> Any:
    return section[name].model_dump(mode="json") if name in section else None


def _family_code(spec: EncoderSpec | None) -> str:
    """Hash the source of an encoder family's module; "" where there is none to read."""
    if spec is None:
        return ""
    builtin = builtin_families().get(spec.family)
    found = find_spec(builtin.encoder.__module__) if builtin else None
    if found is None or not found.origin or not Path(found.origin).exists():  # a plugin's changes with its package
        return ""
    return hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()
