"""The sample package: built, installed, used by name, held to its contracts; and what the docs say of it."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from embed_assets.encoders.registry import encoder_specs, load_encoder, spec_for
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError
from embed_assets.media.kinds.decoder import Decoder
from embed_assets.media.kinds.decoder_plugins import decoder_plugins
from embed_assets.settings import EncoderSettings
from embed_assets.versions.load_version import spec_of
from tests.host import SAMPLE as EXAMPLE
from tests.host import build_sample
from tests.installing import install
from tests.support import REPOSITORY, pipeline, refresh_and_embed, rows_by_key, write_notes

pytestmark = pytest.mark.slow  # builds and installs a package

PAGE = (REPOSITORY / "docs" / "adding-an-encoder.md").read_text(encoding="utf-8")
SUBTITLES = "1\n00:00:01,000 --> 00:00:02,000\n<b>The harbour froze</b>\n\n2\n00:00:03,000 --> 00:00:04,000\nin June.\n"
ENCODERS = {"spelling": {"model": "ngrams"}}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built as pip does with --no-build-isolation: no network, the backend of this environment."""
    return zipfile.ZipFile(build_sample(tmp_path_factory.mktemp("sample")))


@pytest.fixture(scope="module")
def site(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel installed: what pip makes of one that is pure Python."""
    folder = tmp_path_factory.mktemp("site")
    wheel.extractall(folder)
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(site))
    for name in [name for name in sys.modules if name.partition(".")[0] == "embed_assets_ngrams"]:
        monkeypatch.delitem(sys.modules, name)
    return site


def environment(site: Path, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EMBED_ASSETS", "DAGSTER"))}
    home = {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONWARNINGS": "ignore"}
    return {**kept, **home, "PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY)]), "COLUMNS": "110"}


def media(folder: Path) -> Path:
    notes = write_notes(folder / "notes", 3)
    (notes / "film.srt").write_text(SUBTITLES)
    return notes


def test_the_wheel_owns_its_package_and_says_what_it_adds(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"embed_assets_ngrams", "embed_assets_ngrams-0.1.0.dist-info"}
    doors = wheel.read("embed_assets_ngrams-0.1.0.dist-info/entry_points.txt").decode()
    assert "[embed_assets.encoders]" in doors
    assert "[embed_assets.decoders]" in doors


def test_its_encoders_and_decoder_are_found_by_name(installed: Path) -> None:
    assert {"ngrams", "ngrams-large"} <= set(encoder_specs())
    assert load_encoder(spec_for("ngrams-large"), device="cpu").dim == 2048
    assert set(decoder_plugins().good) == {"subrip"}


def test_a_pipeline_uses_both_by_name(installed: Path, tmp_path: Path) -> None:
    media(tmp_path)
    steps = pipeline(tmp_path, encoders=ENCODERS)
    report = refresh_and_embed(steps, "spelling")
    assert report.segments_encoded == 4
    film = rows_by_key(steps, "spelling")["film.srt"]
    assert film["text"] == "The harbour froze\nin June."
    assert len(film["vector"]) == 512
    refresh_and_embed(steps, "spelling")
    assert steps.plan(steps.resolve("spelling").record).fresh


def test_it_keeps_its_contracts(site: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLE)]
    done = subprocess.run(
        [*command, str(EXAMPLE / "tests")],
        cwd=tmp_path,
        env=environment(site, tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d{2} passed", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.slow
def test_the_command_line_uses_both_by_name(site: Path, tmp_path: Path) -> None:
    media(tmp_path)
    values = {"store": "store", "sources": {"notes": {"uri": "notes"}}, "encoders": ENCODERS, "shards": 4}
    (tmp_path / "pipeline.yaml").write_text(json.dumps({**values, "compute": {"device": "cpu", "offline": True}}))
    environ = environment(site, tmp_path)

    def call(*words: str) -> str:
        command = [sys.executable, "-c", "from embed_assets.cli.main import main; main()", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "512" in call("encoders", "ngrams")
    assert "spelling" in call("run", "--settings", "pipeline.yaml")
    hits = json.loads(call("search", "the harbor frozen", "--store", "store", "-k", "1", "--json"))
    assert "film.srt" in json.dumps(hits)
    assert call("run", "--settings", "pipeline.yaml").startswith("Everything is fresh")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def lines_of(table_row: str) -> str:
    (found,) = re.findall(rf"^\| {table_row}.*\| ([^|]+) \|$", PAGE, re.MULTILINE)
    return found


def test_a_hub_id_is_one_line_of_settings(tiny_bert: Path) -> None:
    (block,) = blocks("yaml")
    (chosen,) = yaml.safe_load(block)["encoders"].values()
    assert list(chosen) == ["model"]
    assert lines_of("a model of a known family") == "1"
    settings = EncoderSettings.model_validate({**chosen, "model": str(tiny_bert)})
    assert spec_of("notes", settings).modalities == ("text",)


def test_a_declaration_is_what_the_page_shows(tiny_bert: Path) -> None:
    block = next(block for block in blocks("python") if "EncoderSpec(" in block)
    found: dict[str, Any] = {}
    exec(block, found)  # the page's own code
    spec = found["e5_base"]
    assert isinstance(spec, EncoderSpec)
    assert str(len([line for line in block.splitlines() if line])) == lines_of("facts that its config")
    encoder = load_encoder(spec_for(str(tiny_bert), family=spec.family, query_prompt=spec.query_prompt), device="cpu")
    assert encoder.dim == 32


def test_the_page_counts_the_lines_of_the_sample() -> None:
    package = EXAMPLE / "embed_assets_ngrams"
    counted = {name: len((package / name).read_text().splitlines()) for name in ("encoder.py", "subtitles.py")}
    for name, count in counted.items():
        assert f"embed_assets_ngrams/{name}) ({count} lines)" in PAGE
    assert lines_of("the way in which vectors") == str(counted["encoder.py"])
    declared = re.search(r"subrip = Decoder\(.*?\n\)", (package / "__init__.py").read_text(), re.DOTALL)
    assert declared is not None
    assert declared[0] in PAGE
    assert f"/__init__.py) ({len(declared[0].splitlines())} lines)" in PAGE
    assert lines_of("the type of a file") == f"{len(declared[0].splitlines())} + {counted['subtitles.py']}"


def test_the_pages_python_runs(installed: Path) -> None:
    for block in blocks("python"):
        exec(block, {"__name__": "page"})
    found: dict[str, Any] = {}
    exec(blocks("python")[-1], found)
    assert isinstance(found["subrip"], Decoder)
    assert found["subrip"].id == decoder_plugins().good["subrip"].id


_SHOUT = "from dataclasses import replace\nfrom embed_assets.encoders.registry import builtin_specs\n"
_SHOUT += 'spec = replace(builtin_specs()["pixels"], name="{name}")\n'


@pytest.mark.parametrize(
    ("row", "packages", "encoder"),
    [
        ("raises on import", {"shouting": "import loud\n"}, "shout"),
        ("is no declaration", {"shouting": "spec = 'loud'\n"}, "shout"),
        ("two of one name", dict.fromkeys(("loud", "shouting"), _SHOUT.format(name="shout")), "shout"),
        ("a name of ours", {"shouting": _SHOUT.format(name="minilm")}, None),
    ],
)
def test_a_broken_plugin_is_reported_in_the_pages_words(
    row: str,
    packages: dict[str, str],
    encoder: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("embed_assets.plugins._logged_warnings", set())
    for package, code in packages.items():
        entries = {"embed_assets.encoders": {"shout": f"{package}:spec"}}
        install(tmp_path, package, code, entries, monkeypatch)
    assert spec_for("minilm").dim == 384
    assert [record.getMessage() for record in caplog.records] == [lines_of(row)]
    if encoder is not None:
        with pytest.raises(SettingsError) as caught:
            spec_for(encoder)
        assert str(caught.value) == lines_of(row)
