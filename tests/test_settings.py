"""Settings: every mistake gets one line that names the key, and relative paths mean the file's folder."""

from pathlib import Path

import pytest

from embed_assets.errors import SettingsError
from embed_assets.load_settings import load_settings, make_settings
from embed_assets.settings import JOB_KINDS
from embed_assets.store.saved_settings import save_settings, saved_settings
from embed_assets.store.store import Store

GOOD = """
store: lake
sources:
  notes: {uri: media/notes}
encoders:
  text: {model: minilm}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "pipeline.yaml"
    file.write_text(text)
    return file


def set_variables(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def message(tmp_path: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    return str(caught.value)


def test_a_minimal_file_gets_the_defaults(tmp_path):
    settings = load_settings(written(tmp_path, GOOD))
    assert settings.shards == 16
    assert settings.compute.device == "auto"
    assert settings.index.vector_dtype == "float16"
    assert settings.sources_of("text") == ["notes"]


def test_relative_prefixes_that_rows_may_name_are_taken_from_the_files_folder(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    allow = "[scans, 's3://b/x', 10.0.0.0/8, /abs, 'simplecache::https://h/']"
    table = f"table: {{format: parquet, uri: path, allow: {allow}}}"
    settings = load_settings(written(tmp_path, GOOD.replace("uri: media/notes", f"uri: media, {table}")))
    named = settings.sources["notes"].table.allow
    assert named == [str(tmp_path / "scans"), "s3://b/x", "10.0.0.0/8", "/abs", "simplecache::https://h/"]


def test_relative_paths_are_taken_from_the_files_folder(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    text = GOOD.replace("model: minilm", "model: ./models/own")
    text += "spaces: {text: {queries: judged.jsonl, query_log: log.jsonl}}\n"
    text += "saved_queries: {boats: {space: text, file: boat.jpg}}\n"
    text += "sinks: {out: {space: text, kind: parquet, uri: exports}, db: {space: text, kind: milvus, uri: http://h}}\n"
    settings = load_settings(written(tmp_path, text))
    assert [sink.uri for sink in settings.sinks.values()] == [str(tmp_path / "exports"), "http://h"]
    assert settings.store == str(tmp_path / "lake")
    assert settings.sources["notes"].uri == str(tmp_path / "media" / "notes")
    assert settings.encoders["text"].model == str(tmp_path / "models" / "own")
    assert settings.spaces["text"].queries == str(tmp_path / "judged.jsonl")
    assert settings.spaces["text"].query_log == str(tmp_path / "log.jsonl")
    assert settings.saved_queries["boats"].file == str(tmp_path / "boat.jpg")


def test_addresses_names_and_embedded_query_sets_are_left_alone(tmp_path):
    text = GOOD.replace("store: lake", "store: s3://bucket/lake") + "spaces: {text: {queries: 'embedded:docs'}}\n"
    settings = load_settings(written(tmp_path, text.replace("media/notes", "file:///media")))
    assert settings.store == "s3://bucket/lake"
    assert settings.sources["notes"].uri == "file:///media"
    assert settings.encoders["text"].model == "minilm"
    assert settings.spaces["text"].queries == "embedded:docs"


def test_an_environment_variable_overrides_one_key_and_leaves_its_neighbours(tmp_path, monkeypatch):
    text = GOOD + "compute: {device: cuda, readers: 7}\n"
    set_variables(monkeypatch, EMBED_ASSETS_COMPUTE__DEVICE="cpu", EMBED_ASSETS_SHARDS="4", COMPUTE__READERS="1")
    settings = load_settings(written(tmp_path, text))
    assert settings.compute.device == "cpu"
    assert settings.compute.readers == 7
    assert settings.shards == 4


def test_an_environment_variable_reaches_into_a_named_source(tmp_path, monkeypatch):
    set_variables(monkeypatch, EMBED_ASSETS_SOURCES__NOTES__MAX_DELETED_SHARE="1.0")
    settings = load_settings(written(tmp_path, GOOD))
    assert settings.sources["notes"].max_deleted_share == 1.0
    assert settings.sources["notes"].uri == str(tmp_path / "media" / "notes")


def test_a_wrong_key_suggests_the_nearest(tmp_path):
    found = message(tmp_path, GOOD + "compute: {devise: cpu}\n")
    assert found.endswith("pipeline.yaml: compute.devise: unknown key. Did you mean 'device'?")


def test_a_wrong_key_of_a_named_section_suggests_the_nearest(tmp_path):
    found = message(tmp_path, GOOD.replace("uri: media/notes", "uri: media/notes, patern: '*.txt'"))
    assert found.endswith("sources.notes.patern: unknown key. Did you mean 'pattern'?")


def test_a_key_near_to_none_lists_the_known_ones(tmp_path):
    found = message(tmp_path, GOOD + "spaces: {text: {zzz: 1}}\n")
    known = "keep_previous, leaderboard, min_ndcg, min_recall, promotion, queries, query_files, query_log, reports, "
    known += "similarity"
    assert found.endswith(f"spaces.text.zzz: unknown key. Known keys: {known}.")


def test_a_missing_key_is_named(tmp_path):
    assert message(tmp_path, GOOD.replace("store: lake", "")).endswith("pipeline.yaml: store: missing. Add it.")
    assert message(tmp_path, GOOD.replace("{model: minilm}", "{}")).endswith("encoders.text.model: missing. Add it.")


def test_every_mistake_gets_its_own_line(tmp_path):
    found = message(tmp_path, GOOD + "shards: 0\ncompute: {devise: cpu}\n")
    assert len(found.splitlines()) == 2
    assert "shards: Input should be greater than or equal to 1" in found


def test_an_unknown_source_of_an_encoder_is_named_with_the_known_ones(tmp_path):
    found = message(tmp_path, GOOD.replace("{model: minilm}", "{model: minilm, sources: [books]}"))
    assert found.endswith("pipeline.yaml: encoders.text.sources names 'books'; the sources are: notes")


def test_yaml_that_is_not_yaml_names_file_and_line(tmp_path):
    found = message(tmp_path, "store: lake\nsources: {notes: [\n")
    assert "pipeline.yaml: not valid YAML" in found
    assert "line 3" in found


def test_a_list_at_the_top_is_refused(tmp_path):
    assert "expected keys and values at the top, found list" in message(tmp_path, "- store\n- sources\n")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.yaml' does not exist"):
        load_settings(tmp_path / "nowhere.yaml")


def test_a_wrong_type_is_named_with_its_key(tmp_path):
    assert "compute.readers: Input should be a valid integer" in message(tmp_path, GOOD + "compute: {readers: many}\n")
    assert "sources.Notes" in message(tmp_path, GOOD.replace("notes: {", "Notes: {"))


def test_a_section_that_is_not_keys_and_values_is_named(tmp_path):
    assert "pipeline.yaml: sources" in message(tmp_path, "store: lake\nsources: media\nencoders: {text: {model: a}}\n")


def test_every_key_can_be_set_by_the_environment(tmp_path, monkeypatch):
    variables = {
        "EMBED_ASSETS_POOL": "cuda_1",
        "EMBED_ASSETS_KEY_PREFIX": '["catalog"]',
        "EMBED_ASSETS_OWNERS": '["team:search"]',
        "EMBED_ASSETS_SHARDS": "3",
        "EMBED_ASSETS_MAINTENANCE__KEEP_HOURS": "5",
        "EMBED_ASSETS_COMPUTE__BUDGET": "10m",
        "EMBED_ASSETS_SOURCES__NOTES__TABLE__TEXT": "body",
        "EMBED_ASSETS_SOURCES__NOTES__TABLE__LABELS": '["kind"]',
    }
    set_variables(monkeypatch, **variables)
    found = load_settings(written(tmp_path, GOOD))
    assert found.pool == "cuda_1"
    assert found.key_prefix == ["catalog"]
    assert found.owners == ["team:search"]
    assert found.shards == 3
    assert found.maintenance.keep_hours == 5
    assert found.compute.budget == "10m"
    assert found.sources["notes"].table.text == "body"
    assert found.sources["notes"].table.labels == ["kind"]


def test_the_environment_counts_for_the_settings_that_a_store_was_built_with(tmp_path, monkeypatch):
    settings = load_settings(written(tmp_path, GOOD))
    store = Store(settings.store)
    save_settings(store, settings)
    monkeypatch.setenv("EMBED_ASSETS_COMPUTE__DEVICE", "cuda:1")
    monkeypatch.setenv("EMBED_ASSETS_STORE", "elsewhere")
    found = saved_settings(store)
    assert found is not None
    assert found.compute.device == "cuda:1"
    assert found.store == settings.store


@pytest.mark.parametrize(
    ("jobs", "finding"),
    [
        ("[embed, embedd]", f"'embedd' is none of {', '.join(JOB_KINDS)}. Did you mean 'embed'?"),
        ("[zzz]", f"'zzz' is none of {', '.join(JOB_KINDS)}"),
        ("embed", f"'embed' is neither true nor false nor a list of {', '.join(JOB_KINDS)}"),
    ],
)
def test_jobs_that_there_are_not_are_refused_by_name(tmp_path, jobs, finding):
    found = message(tmp_path, f"{GOOD}automation: {{jobs: {jobs}}}")
    assert found.splitlines() == [f"{tmp_path / 'pipeline.yaml'}: automation.jobs: {finding}"]


def test_jobs_are_left_out_by_a_variable_too(tmp_path, monkeypatch):
    set_variables(monkeypatch, EMBED_ASSETS_AUTOMATION__JOBS="false", EMBED_ASSETS_AUTOMATION__SENSORS='["new_media"]')
    automation = load_settings(written(tmp_path, GOOD)).automation
    assert (automation.jobs, automation.schedules, automation.sensors) == (False, True, ["new_media"])


def test_settings_know_the_lines_of_their_file_and_are_equal_without_it(tmp_path):
    file = written(tmp_path, GOOD)
    loaded = load_settings(file)
    assert loaded.written_in.file == str(file)
    assert loaded.written_in.lines == {"sources.notes": 4, "encoders.text": 6}
    assert loaded == make_settings(loaded.model_dump())
    assert loaded.model_copy(update={"shards": 1}).written_in.file == str(file)
