"""Tables of hits: names that can be copied, and the columns that a filter names."""

import io

from embed_assets.cli.shared.console import PlainConsole
from embed_assets.cli.shared.tables.hit_tables import print_answer, print_hits
from embed_assets.search.answers import Answer, Hit


def printed(hits: list[Hit], *, width: int, columns: tuple[str, ...] = ()) -> str:
    console = PlainConsole(file=io.StringIO(), width=width, color_system=None)
    print_hits("milk", hits, console, columns=columns)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def hit(key: str, **columns: object) -> Hit:
    facts: dict = {"rank": 1, "score": 0.5, "source": "shop", "uri": "", "modality": "text", "start": 0, "end": 1}
    return Hit(key=key, text="fresh oat milk " * 20, labels=(), columns=columns, **facts)


def test_a_long_name_is_folded_and_never_cut() -> None:
    key = "-".join(f"part{n}" for n in range(12))
    said = printed([hit(key)], width=60)
    assert f"shop/{key}" in "".join(line[9:].strip().split("  ")[0] for line in said.splitlines()[2:])


def test_the_columns_of_a_filter_are_shown_where_a_hit_has_them() -> None:
    said = printed([hit("a.csv#1", price=5.71), hit("a.csv#2", price=None)], width=120, columns=("price", "label"))
    head, first = said.splitlines()[1:3]
    assert head.split()[-1] == "price"
    assert first.rstrip().endswith("5.71")
    assert "None" not in said


def test_where_a_filter_leaves_nothing_it_is_named() -> None:
    console = PlainConsole(file=io.StringIO(), width=120, color_system=None)
    print_answer("milk", Answer(hits=()), console, columns=("price",))
    said = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "the filter on price leaves nothing" in said
    print_answer("milk", Answer(hits=()), console)
    assert console.file.getvalue().count("the filter") == 1  # pyright: ignore[reportAttributeAccessIssue]
