"""A query's file is as foreign as media: it is decoded in a process of its own, within the same limits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from embed_assets.cli.main import main
from embed_assets.encoders.registry import encoder_specs
from embed_assets.errors import MediaError
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.limits import Limits
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from embed_assets.settings import LimitSettings
from embed_assets.store.saved_settings import save_settings
from embed_assets.versions.query_input import query_payload
from tests import hostile
from tests.installing import install
from tests.kept import Kept
from tests.media.made import sound_file, tone
from tests.search.test_searcher import CPU
from tests.support import pipeline, run_all

EIGHT = {"rate": 48000, "layout": "7.1"}

PLUGIN = """
import os, signal, time
from embed_assets.media.kinds.decoder import Decoder

def decode(data, limits):
    if b"hang" in data:
        time.sleep(600)
    os.kill(os.getpid(), signal.SIGSEGV)

facts = dict(name="deadly", version="1", mime="text/x-deadly", modality="text")
deadly = Decoder(**facts, detect=lambda head: head.startswith(b"deadly"), decode=decode)
"""


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def tones(tmp_path: Path, kept: Kept) -> Steps:
    """Two sounds in the space of mel."""
    steps = pipeline(tmp_path, encoders={"mel": {"model": "mel"}}, checks={"recall_queries": 1})

    def run() -> None:
        (tmp_path / "notes").mkdir()
        for hertz in (300, 3000):
            data = sound_file(tone(1.0, rate=48000, hertz=hertz), **EIGHT)
            (tmp_path / "notes" / f"{hertz}.wav").write_bytes(data)
        run_all(steps)
        save_settings(steps.store, steps.settings)

    kept.once("tones", run)
    return steps


def test_a_sound_of_eight_channels_is_embedded_and_asked_with(tones: Steps) -> None:
    query = sound_file(tone(1.0, rate=48000, hertz=2900), **EIGHT)
    (space,) = Searcher(tones.store).spaces()
    assert Searcher(tones.store).search(query, space=space, k=1)[0].key == "3000.wav"


def test_the_command_asks_with_a_file(tones: Steps, tmp_path: Path) -> None:
    query = tmp_path / "query.wav"
    query.write_bytes(sound_file(tone(1.0, rate=48000, hertz=310), **EIGHT))
    done = CliRunner().invoke(main, ["search", "--file", str(query), "--store", tones.store.uri, "-k", "1", "--json"])
    assert done.exit_code == 0, done.output
    assert '"300.wav"' in done.output


def test_the_command_reads_no_file_that_is_larger_than_media_may_be(tones: Steps, tmp_path: Path) -> None:
    small = tones.settings.model_copy(update={"limits": tones.settings.limits.model_copy(update={"max_bytes": 1000})})
    save_settings(tones.store, small)
    query = tmp_path / "query.wav"
    query.write_bytes(sound_file(tone(1.0)))
    done = CliRunner().invoke(main, ["search", "--file", str(query), "--store", tones.store.uri])
    assert done.exit_code == 1
    assert "is larger than limits.max_bytes, 1,000" in done.output.replace("\n", " ")


@pytest.mark.parametrize(("data", "reason"), [(b"deadly", "decoder crashed"), (b"deadly hang", "decoder timed out")])
@pytest.mark.slow
def test_a_decoder_that_dies_of_a_query_is_an_error_of_the_query(
    data: bytes, reason: str, tmp_path: Path, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {"embed_assets.decoders": {"deadly": "deadly_plugin:deadly"}}
    install(tmp_path / "site", "deadly-plugin", PLUGIN, entries, monkeypatch)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("copper ferry")
    steps = pipeline(tmp_path)
    run_all(steps)
    asking = Searcher(steps.store, compute=CPU, limits=LimitSettings(decode_seconds=1))
    with pytest.raises(MediaError) as caught:
        asking.search(data, space="words")
    assert caught.value.reason == reason
    assert asking.search("copper ferry", space="words")[0].key == "a.txt"


def test_a_query_is_decoded_within_the_limits_of_media() -> None:
    spec = encoder_specs()["mel"]
    with Decoders() as decoders:
        for limits, reason in ((Limits(max_bytes=1000), "too large"), (Limits(max_seconds=5), "too long")):
            with pytest.raises(MediaError) as caught:
                query_payload(sound_file(tone(20.0)), spec, limits=limits, decoders=decoders)
            assert caught.value.reason == reason


def test_of_a_long_query_the_beginning_alone_is_decoded() -> None:
    with Decoders(seconds=20) as decoders:
        spec = encoder_specs()["mel"]
        modality, sound = query_payload(hostile.slow_sound(), spec, limits=Limits(), decoders=decoders)
        assert modality == "audio"
        assert sound.seconds == 10.0
        assert decoders.restarts == 0
        _, here = query_payload(hostile.slow_sound(), spec, limits=Limits(), decoders=None)
        assert np.array_equal(sound.samples, here.samples)


def test_of_a_long_text_file_the_first_characters_are_the_query() -> None:
    spec = encoder_specs()["minilm"]
    modality, payload = query_payload(b"boat " * 60_000, spec, limits=Limits(), decoders=None)
    assert (modality, len(payload)) == ("text", 100_000)
