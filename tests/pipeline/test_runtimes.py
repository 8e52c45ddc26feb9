"""Runtimes of a pipeline: a version is one, whichever runtime makes, continues and serves it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from embed_assets.demo.encoders import clip_folder
from embed_assets.encoders.runtimes.converted_models import cache_folder
from embed_assets.media.limits import Limits
from embed_assets.media.segments import Segmenting
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from embed_assets.settings import ComputeSettings, EncoderSettings
from embed_assets.store.saved_settings import save_settings
from embed_assets.versions import canary_check
from embed_assets.versions import load_version as loading
from tests.support import REPOSITORY, picture, pipeline, refresh_and_embed, run_all, write_notes

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    loading.forget_models()


def running(folder: Path, model: Path, runtime: str) -> Steps:
    loading.forget_models()
    compute = {"device": "cpu", "offline": True, "runtime": runtime}
    return pipeline(folder, encoders={"words": {"model": str(model)}}, compute=compute)


def scores(steps: Steps) -> dict[str, float]:
    searcher = Searcher(steps.settings.store, compute=steps.settings.compute)
    return {hit.key: hit.score or 0.0 for hit in searcher.search("granite and velvet", k=8).hits}


@pytest.mark.parametrize(("first", "second"), [("torch", "openvino"), ("openvino", "torch")])
def test_a_version_of_one_runtime_is_continued_and_queried_by_the_other(tmp_path, tiny_bert, first, second):
    notes = write_notes(tmp_path / "notes", 20)
    steps = running(tmp_path, tiny_bert, first)
    run_all(steps)
    made = steps.resolve("words").record.version
    before = scores(steps)

    steps = running(tmp_path, tiny_bert, second)
    assert steps.resolve("words").record.version == made
    assert refresh_and_embed(steps).segments_encoded == 0
    after = scores(steps)
    assert list(after) == list(before)
    assert max(abs(after[key] - before[key]) for key in after) < 1e-4

    (notes / "added.txt").write_text("an added note about willow and winter.")
    report = refresh_and_embed(steps)
    assert (report.segments_encoded, report.runtime) == (1, second)
    assert report.figures()["runtime_reason"]


def test_where_only_openvinos_canaries_moved_torch_goes_on_and_says_so(tmp_path, tiny_bert, monkeypatch):
    notes = write_notes(tmp_path / "notes", 4)
    refresh_and_embed(running(tmp_path, tiny_bert, "torch"))
    (notes / "added.txt").write_text("an added note about willow and winter.")
    monkeypatch.setattr(canary_check, "bound_of", lambda spec, dtype: 0.0)  # as if it moved by more than is allowed
    report = refresh_and_embed(running(tmp_path, tiny_bert, "openvino"))
    assert (report.segments_encoded, report.runtime) == (1, "torch")
    assert "canary vectors by OpenVINO moved" in report.runtime_reason
    kept = [json.loads((entry / "record.json").read_text()) for entry in cache_folder().iterdir()]
    assert [record["refused"] for record in kept] == [report.runtime_reason]


MODULES = """
import sys
from embed_assets.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
heavy = ("torch", "transformers", "sentence_transformers", "dagster", "torchvision", "scipy", "sklearn")
print([name for name in heavy if name in sys.modules])
"""


def heavy_modules(*arguments: str) -> Any:
    command = [sys.executable, "-W", "ignore", "-c", MODULES, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1].replace("'", '"'))


def test_commands_on_a_warm_cache_import_no_heavy_library(tmp_path, tiny_bert):
    write_notes(tmp_path / "notes", 4)
    steps = running(tmp_path, tiny_bert, "auto")
    run_all(steps)
    save_settings(steps.store, steps.settings)
    store = ("--store", steps.settings.store)
    for command in (("search", "granite and velvet"), ("status",), ("plan",), ("run",)):
        assert heavy_modules(*command, *store) == [], command


def test_words_on_pictures_need_no_heavy_library_and_nothing_changed_needs_none(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.png").write_bytes(picture(number))
    loading.forget_models()
    steps = pipeline(
        tmp_path,
        sources={"pictures": {"uri": str(folder)}},
        encoders={"seen": {"model": str(clip_folder())}},
        compute={"device": "cpu", "offline": True, "runtime": "auto"},
    )
    run_all(steps)
    save_settings(steps.store, steps.settings)
    store = ("--store", steps.settings.store)
    for command in (("search", "a red circle"), ("status",), ("plan",), ("run",)):
        assert heavy_modules(*command, *store) == [], command
    found = Searcher(steps.settings.store, compute=steps.settings.compute).search(picture(2), k=1).hits
    assert found[0].key == "2.png"


def test_a_process_that_searched_with_words_takes_pictures_next(tmp_path):
    compute = ComputeSettings(device="cpu", offline=True)
    spec = EncoderSettings(model=str(clip_folder()))
    record = loading.make_version(
        "seen", spec, compute=compute, segmenting=Segmenting(), limits=Limits(), vector_dtype="float32"
    )
    loading.load_version(record, compute=compute)
    loading.forget_models()
    words = loading.load_version(record, compute=compute, needed={"text"})
    assert words.unchecked == {"image"}
    assert loading.load_version(record, compute=compute) is words
    assert words.unchecked == frozenset()
