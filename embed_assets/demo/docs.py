"""The standard library's docstrings, one text file per module, class, function or method."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from embed_assets.demo.sidecar import write_sidecar

# On every platform, and importing them does nothing but define names. Not all of the library: a first look takes
# a minute, most of it encoding these.
MODULES = """
builtins os.path pathlib glob fnmatch shutil tempfile re string difflib textwrap struct
datetime calendar time zoneinfo collections heapq bisect copy pprint enum graphlib
math statistics random itertools functools contextlib dataclasses
json csv hashlib secrets uuid base64 gzip getpass argparse shlex timeit cProfile
queue subprocess concurrent.futures weakref urllib.parse html webbrowser importlib.metadata
warnings atexit keyword
""".split()  # noqa: SIM905 - as a list it fills a page
SHORTEST_DOCSTRING = 20
LONGEST_OPENING = 300  # characters of what a member's passage holds; of a module its whole docstring
_OBJECT_DOCSTRING = object.__doc__
_PLAIN_DEFAULTS = (bool, int, float, str, bytes, type(None))


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One documented name; `text`, which opens with the name and its signature, is what is written."""

    name: str
    label: str
    module: str
    heading: str
    docstring: str

    @property
    def text(self) -> str:
        """Hold the docstring of a module, the opening of a member's: most of a demo's time is encoding texts."""
        body = self.docstring if self.label == "module" else _opening(self.docstring)
        return f"{self.heading}\n\n{body}\n"


def passages() -> list[Passage]:
    """List every passage in a fixed order; of names that share a docstring, the first."""
    by_docstring: dict[str, Passage] = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for passage in _passage(module, name, "module", name):
            by_docstring.setdefault(passage.docstring, passage)
        members = dict(_members(module))
        for member, value in members.items():
            for passage in _documented(value, _dotted(name, member), name, members=members):
                by_docstring.setdefault(passage.docstring, passage)
    return list(by_docstring.values())


def write_docs(folder: Path) -> None:
    """Write one UTF-8 file per passage with their sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    stems: set[str] = set()
    for passage in passages():
        name = _file_name(passage, stems)
        (folder / name).write_text(passage.text, encoding="utf-8", newline="\n")
        rows.append({"file": name, "label": passage.label, "module": passage.module})
    write_sidecar(folder, rows)


def _file_name(passage: Passage, stems: set[str]) -> str:
    """Return the dotted name, followed by the label if another file differs by case alone."""
    stem = passage.name
    if stem.lower() in stems:
        stem = f"{stem}-{passage.label}"
    if stem.lower() in stems:
        stem += f"-{hashlib.sha256(passage.name.encode()).hexdigest()[:6]}"
    stems.add(stem.lower())
    return f"{stem}.txt"


def _members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Iterate over the module's public classes and functions: those in `__all__`, else those it defines itself."""
    public = getattr(module, "__all__", None)
    homes = {module.__name__, f"_{module.__name__}"}
    for name in sorted(public if public is not None else vars(module)):
        value = getattr(module, name, None)
        own = public is not None or getattr(value, "__module__", None) in homes
        if own and not name.startswith("_") and (inspect.isclass(value) or inspect.isroutine(value)):
            yield name, value


def _documented(value: object, name: str, module: str, *, members: dict[str, object]) -> Iterator[Passage]:
    if not inspect.isclass(value):
        yield from _passage(value, name, "function", module)
        return
    yield from _passage(value, name, "class", module)
    for member, method in sorted(_methods(value, module, members).items()):
        if not member.startswith("_") and _is_method(method) and _of_the_library(method):
            yield from _passage(method, f"{name}.{member}", "method", module)


def _methods(value: type, module: str, members: dict[str, object]) -> dict[str, object]:
    """Return the class's own members and those of its private bases, which have no passages of their own.

    Python moves methods between a class and such bases (`pathlib.Path` in 3.13); the names stay.
    """
    package = module.partition(".")[0]
    methods: dict[str, object] = {}
    for base in reversed(value.__mro__):
        public = any(base is member for member in members.values())
        if base is value or (not public and base.__module__.partition(".")[0] == package):
            methods.update(vars(base))
    return methods


def _is_method(value: object) -> bool:
    """Whether it is a method of any kind; a property that has a docstring counts as one."""
    return inspect.isroutine(value) or isinstance(value, property | staticmethod | classmethod)


def _of_the_library(method: object) -> bool:
    """Whether the standard library defines it; transformers, for one, adds methods to `logging.Logger`."""
    home = getattr(method, "__module__", None)  # None for methods written in C
    return not isinstance(home, str) or home.partition(".")[0] in sys.stdlib_module_names


def _passage(value: object, name: str, label: str, module: str) -> Iterator[Passage]:
    """Iterate over the passage, or nothing if there is no docstring worth the name."""
    documentation = vars(value).get("__doc__") if inspect.isclass(value) else getattr(value, "__doc__", None)
    # A C method without a docstring shows that of its type, or of `object`.
    if not isinstance(documentation, str) or documentation in (type(value).__doc__, _OBJECT_DOCSTRING):
        return
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", inspect.cleandoc(documentation).strip())
    if len(text) < SHORTEST_DOCSTRING:
        return
    heading = name if label == "module" else name + _signature(value)
    yield Passage(name=name, label=label, module=module, heading=heading, docstring=text)


def _opening(text: str) -> str:
    """Return the first paragraph, and those behind it that fit into LONGEST_OPENING characters."""
    first, *others = re.split(r"\n{2,}", text)
    opening = first
    for paragraph in others:
        if len(opening) + len(paragraph) + 2 > LONGEST_OPENING:
            break
        opening += f"\n\n{paragraph}"
    return opening


def _signature(value: object) -> str:
    """Return the signature with every default that may differ between runs or machines shown as `...`."""
    target: Any = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return ""
    parameters = [_shown(parameter) for parameter in signature.parameters.values()]
    return str(inspect.Signature(parameters))


def _shown(parameter: inspect.Parameter) -> inspect.Parameter:
    plain = isinstance(parameter.default, _PLAIN_DEFAULTS)
    if parameter.default is parameter.empty or plain:
        return parameter.replace(annotation=parameter.empty)
    return parameter.replace(annotation=parameter.empty, default=_Ellipsis())


class _Ellipsis:
    def __repr__(self) -> str:
        return "..."


def _dotted(module: str, member: str) -> str:
    return member if module == "builtins" else f"{module}.{member}"
