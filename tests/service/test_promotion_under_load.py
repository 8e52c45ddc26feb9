"""Promotions and roll-backs while many search: no failed answer, and none that is half of one version."""

from pathlib import Path

import pytest

from benchmarks.serve_load import MOVES, expected_answers, load, mover
from tests.service.conftest import Serve
from tests.support import note, pipeline, run_all, write_notes


@pytest.mark.slow
def test_no_answer_fails_or_is_mixed(tmp_path: Path, tiny_bert: Path, plugin_folder: Path, monkeypatch) -> None:
    """The versions differ in their dimensions: one's query on the other's table would be an error."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_notes(tmp_path / "notes", 40)
    versions, settings = [], {}
    steps = pipeline(tmp_path, encoders={"words": {"model": str(tiny_bert)}})
    for dim in (None, 16):
        settings = {
            "sources": {"notes": {"uri": str(tmp_path / "notes")}},
            "encoders": {"words": {"model": str(tiny_bert), "truncate_dim": dim}},
        }
        steps = pipeline(tmp_path, **settings)
        run_all(steps)
        versions.append(steps.resolve("words").record.version)
    serve = Serve(tmp_path, tmp_path / "store", plugin_folder, **settings)
    try:
        url = serve.start()
        expected = expected_answers(url, "text", versions, [note(number) for number in range(20)])
        outcome = load(url, "text", expected, clients=8, seconds=10, move=mover(steps, "text", versions))
    finally:
        serve.stop()
    assert not outcome.failed
    assert not outcome.mixed
    assert outcome.versions == set(versions)
    assert len(outcome.seconds) > MOVES
