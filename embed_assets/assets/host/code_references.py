"""Code references: links in the UI to where an asset is declared, to the host's logic around it, to what makes it.

Dagster adds the place of a component's YAML itself, and makes URLs of all by `link_code_references_to_git`.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from embed_assets.assets.host.step_hooks import Execute
from embed_assets.assets.host.translator import AssetKind
from embed_assets.assets.names import Names

CODE_REFERENCES = "dagster/code_references"

_ASSETS = Path(__file__).parents[1]  # with a module for each kind of asset
_MODULES: dict[AssetKind, str] = {
    "leaderboard": "reports/leaderboard",
    "drift": "reports/drift",
    "query_drift": "reports/drift",
    "balance": "reports/balance",
    "evaluation": "reports/evaluation",
    "noise": "reports/noise",
    "map": "reports/map",
    "matches": "reports/matches",
}
_PACKAGE = __name__.partition(".")[0]

Place = tuple[str, int | None]  # file and line


def code_references(
    names: Names, kind: AssetKind, name: str, *, caller: Place | None
) -> dg.CodeReferencesMetadataValue:
    """Build the references of an asset; `caller` is where the host has built it, for settings of no file."""
    declared, hook = _declared(names, kind, name) or caller, _code_of_host(names.execute)
    module = _MODULES.get(kind, kind)
    own: Place = (str(_ASSETS / f"{module}.py"), None)
    labels = {place: None for place in (declared, hook) if place} | {
        own: f"{_PACKAGE}.assets.{module.replace('/', '.')}"
    }
    with warnings.catch_warnings():  # these classes are in beta
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=file, line_number=line, label=label)
                for (file, line), label in labels.items()
            ]
        )


def calling_code() -> Place | None:
    """Return file and line of the host's code that is running; None where Dagster or an import has called this package.

    Looks at frames alone: reading source files would cost time at each load.
    """
    frame = sys._getframe()
    while frame is not None and _is_of(frame.f_globals.get("__name__"), _PACKAGE):
        frame = frame.f_back
    if frame is None or _is_of(frame.f_globals.get("__name__"), "dagster"):
        return None
    file = frame.f_code.co_filename
    return None if file.startswith("<") else (str(Path(file).absolute()), frame.f_lineno)


def _declared(names: Names, kind: AssetKind, name: str) -> Place | None:
    written = names.settings.written_in
    return None if written.file is None else (written.file, written.line_of(*_sections(names, kind, name)))


def _sections(names: Names, kind: AssetKind, name: str) -> Iterator[str]:
    """Yield the sections of the settings that an asset comes from, the nearest first."""
    if kind == "manifest":
        yield f"sources.{name}"
    elif kind == "matches":
        yield f"saved_queries.{name}"
    elif kind == "export":
        yield f"sinks.{name}"
    elif kind in ("serving", "leaderboard", "drift", "query_drift", "balance", "evaluation", "map"):
        yield f"spaces.{name}"
        yield from (f"encoders.{encoder}" for encoder in names.encoders_of(name))
    elif kind != "dashboard":
        yield f"encoders.{name}"


def _code_of_host(execute: Execute) -> Place | None:
    """Return file and line of a function around the steps; None for the pipeline's own, and for what is no function."""
    code = getattr(getattr(execute, "__func__", execute), "__code__", None)
    if code is None or _is_of(getattr(execute, "__module__", None), _PACKAGE):
        return None
    return str(Path(code.co_filename).absolute()), code.co_firstlineno


def _is_of(module: object, package: str) -> bool:
    return isinstance(module, str) and module.partition(".")[0] == package
