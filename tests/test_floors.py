"""Layers: imports go down only, there are no import cycles, Dagster is imported in its own layers."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support import REPOSITORY

# From the lowest up; packages of one layer do not import each other.
FLOORS = (
    ("errors", "lance_rows", "math_threads", "progress", "run_cache", "unused_memory"),
    ("plugins",),
    ("media.media_types", "media.limits", "media.hashing", "media.payload", "media.sampling"),
    ("media.cells", "media.isolation", "media.files", "media.text"),
    ("media.kinds",),
    ("media.recordings",),
    ("media.pictures",),
    ("media.decode_with_plugins", "media.detect"),
    ("media.tables",),
    ("media.uris",),
    ("media.segments", "media.thumbnail_file", "settings"),
    ("load_settings",),
    ("demo.encoders", "encoders"),
    ("store",),
    ("manifest",),
    ("versions", "embedding"),
    ("quality", "search"),
    ("sinks",),
    ("pipeline",),
    ("demo", "testing", "service"),
    ("assets",),
    ("component", "location"),
    ("cli.shared",),
    ("cli",),
)
WITH_DAGSTER = ("assets", "component", "location", "cli.shared", "cli.ui")


def modules() -> dict[str, Path]:
    package = REPOSITORY / "embed_assets"
    found = {".".join(file.relative_to(package).with_suffix("").parts): file for file in package.rglob("*.py")}
    return {name.removesuffix(".__init__").removesuffix("__init__"): file for name, file in found.items()}


class Imports(ast.NodeVisitor):
    """Modules that a file imports as it runs, at its top or inside a function; what is for checkers alone is not."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" in ast.unparse(node.test):
            for each in node.orelse:
                self.visit(each)
            return
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.names.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.names.update(f"{node.module}.{alias.name}" for alias in node.names)


def imports(file: Path) -> set[str]:
    visitor = Imports()
    visitor.visit(ast.parse(file.read_text(encoding="utf-8")))
    return visitor.names


def edges() -> Iterator[tuple[str, str]]:
    known = modules()
    for name, file in known.items():
        for each in imports(file):
            below = each.removeprefix("embed_assets.")
            target = below if below in known else below.rpartition(".")[0]
            if each.startswith("embed_assets.") and target in known and target not in ("", name):
                yield name, target


def place(name: str) -> tuple[int, str]:
    """The layer of a module, and the package there that it is in."""
    for floor, rooms in enumerate(FLOORS):
        for room in rooms:
            if name == room or name.startswith(f"{room}."):
                return floor, room
    raise AssertionError(f"{name} is in no layer: add it to FLOORS")


def test_every_import_goes_down() -> None:
    wrong = []
    for above, below in edges():
        (upper, room), (lower, other) = place(above), place(below)
        if room != other and lower >= upper:
            wrong.append(f"{above} imports {below}, which is not below it")
    assert not wrong


def test_no_file_imports_itself_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for above, below in edges():
        graph.setdefault(above, set()).add(below)
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join([*path[path.index(name) :], name])
        if name not in done:
            for below in sorted(graph.get(name, ())):
                visit(below, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_dagster_is_imported_where_definitions_are_made_and_run() -> None:
    found = {name for name, file in modules().items() for each in imports(file) if each.split(".")[0] == "dagster"}
    assert not {name for name in found if not name.startswith(WITH_DAGSTER)}


def test_no_folder_holds_more_than_a_reader_can_look_over() -> None:
    folders = [folder for folder in (REPOSITORY / "embed_assets").rglob("*") if folder.is_dir()]
    full = {folder.name: count for folder in folders if (count := len(list(folder.glob("*.py")))) > 18}
    assert not full
