"""The pipeline in Dagster: embed and promote on a real instance, on a real store."""

import json
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from embed_assets.assets.checks import check_result, is_live
from embed_assets.assets.names import Names, grid_range, shards_by_version
from embed_assets.assets.ui.serving_metadata import serving_metadata
from embed_assets.errors import PromotionError, StoreError
from embed_assets.search.searcher import Searcher
from embed_assets.store.serving.releases import CheckVerdict
from embed_assets.store.versions import VersionId
from tests.assets.kept_run import KeptRun
from tests.assets.running import QUIET, Running
from tests.kept import Kept
from tests.support import NOT_ENCODABLE, picture, rewrite, settings, write_notes


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def running(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> Running:
    write_notes(tmp_path / "notes", 12)
    return Running(settings(tmp_path), instance)


@pytest.fixture
def embedded(running: Running, kept_run: KeptRun) -> Running:
    kept_run.once("embedded", lambda: _succeeded(running.embed()))
    return running


@pytest.fixture
def served(running: Running, kept_run: KeptRun) -> Running:
    kept_run.once("served", lambda: _succeeded(running.embed()) and _succeeded(running.promote()))
    return running


def _succeeded(result: dg.ExecuteInProcessResult) -> bool:
    assert result.success
    return True


def test_embed_and_promote_make_a_folder_searchable(running: Running) -> None:
    assert running.embed().success
    assert running.promote().success
    hits = Searcher(running.steps.store).search("note 3", space="words", k=3)
    assert hits[0].key == "note-003.txt"


def vectors_events(result: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    events = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey("words_vectors")]
    return [event.step_materialization_data.materialization for event in events]


def observed(result: dg.ExecuteInProcessResult) -> list[dg.AssetObservation]:
    return [event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()]


def test_the_plan_of_an_encoder_is_shown_while_its_version_is_new(running: Running) -> None:
    running.steps.refresh("notes")
    first, again = (running.materialize("words_encoder") for _ in range(2))
    shown = [
        {key for key in result.asset_materializations_for_node("words_encoder")[0].metadata if key.startswith("plan: ")}
        for result in (first, again)
    ]
    assert "plan: items" in shown[0]
    assert not shown[1]


def test_embed_counts_by_shard_in_partitions_and_for_the_whole_run_once(running: Running) -> None:
    result = running.embed()
    told = [event.metadata for event in vectors_events(result)]
    assert len(told) == running.settings.shards
    assert sum(int(str(one["embedded"].value)) for one in told) == 12
    assert not [key for one in told for key in one if key.startswith("run ") or key.endswith("seconds")]
    (run,) = observed(result)
    assert run.partition is None
    assert run.metadata["run embedded"].value == 12
    assert float(str(run.metadata["embed_assets/tokens"].value)) > 0
    # Of a fast encoder's twelve notes the rounded seconds may be zero.
    assert {f"embed_assets/{name}" for name in ("seconds", "encode_seconds", "items_per_second")} <= set(run.metadata)


@pytest.mark.slow
def test_quarantined_items_are_named_on_the_asset_that_set_them_aside(running: Running, tmp_path: Path) -> None:
    (tmp_path / "notes" / "broken.txt").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "notes" / "bad.txt").write_text(NOT_ENCODABLE)
    result = running.embed()

    def keys(metadata: Mapping[str, dg.MetadataValue]) -> list[object]:
        table = metadata.get("quarantined items")
        return [record.data["key"] for record in table.records] if isinstance(table, dg.TableMetadataValue) else []

    assert keys(running.metadata("notes_manifest")) == ["broken.txt"]
    partitions = [event.metadata for event in vectors_events(result)]
    assert [key for metadata in partitions for key in keys(metadata)] == ["bad.txt"]
    assert keys(observed(result)[0].metadata) == ["bad.txt"]
    told = {str(metadata["all quarantined items"].value) for metadata in partitions}
    assert told == {f"1: embed-assets status --quarantined --store {running.steps.store.uri}"}


def test_a_manifest_is_a_described_table_of_the_store(embedded: Running) -> None:
    metadata = embedded.metadata("notes_manifest")
    schema = metadata["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    assert not [column.name for column in schema.columns if not column.description]
    assert metadata["dagster/uri"].value == embedded.settings.store
    assert metadata["dagster/table_name"].value == "manifest"


def test_embed_of_some_shards_embeds_those_only(running: Running) -> None:
    version = running.steps.resolve("words").record.version
    tags = {
        "dagster/asset_partition_range_start": f"s00|{version}",
        "dagster/asset_partition_range_end": f"s01|{version}",
    }
    assert running.embed(tags=tags).success
    rows = running.steps.vectors(running.steps.resolve("words").record).read(["shard"])
    assert rows is not None and set(rows.column("shard").to_pylist()) <= {"s00", "s01"}


def test_a_second_run_encodes_nothing(embedded: Running, words: list) -> None:
    words.clear()
    result = embedded.embed()
    assert result.success
    assert words == []
    assert observed(result) == []  # no zeros after the figures of the run before


def test_the_encoder_asset_registers_its_version_as_a_partition(embedded: Running) -> None:
    version = embedded.steps.resolve("words").record.version
    assert embedded.instance.get_dynamic_partitions("words_versions") == [version]
    assert embedded.metadata("words_encoder")["embed_assets/encoder_version"].value == version


@pytest.mark.slow
def test_the_data_version_of_a_manifest_follows_its_media(running: Running, tmp_path: Path) -> None:
    def data_version() -> str:
        event = running.instance.get_latest_materialization_event(dg.AssetKey("notes_manifest"))
        assert event is not None and event.asset_materialization is not None
        return (event.asset_materialization.tags or {})["dagster/data_version"]

    running.embed()
    first = data_version()
    running.embed()
    assert data_version() == first
    rewrite(tmp_path / "notes" / "note-003.txt", "another text")
    running.embed()
    assert data_version() != first


def test_a_failing_blocking_check_holds_the_pointer_back(served: Running) -> None:
    before = served.steps.store.serving.live_release("words").key
    record = served.steps.resolve("words").record
    table = served.steps.vectors(record).open()
    assert table is not None
    table.delete("key = 'note-003.txt'")  # an item whose vectors are lost

    result = served.promote()

    assert result.success  # a candidate that waits fails nothing
    evaluations = {e.check_name: (e.passed, e.severity) for e in result.get_asset_check_evaluations()}
    assert evaluations["accounts"] == (False, dg.AssetCheckSeverity.WARN)
    assert evaluations["dimension"][0] is True
    assert served.steps.store.serving.live_release("words").key == before
    serving = served.metadata("words_serving")
    assert serving["live"].value == before
    assert serving["candidates held back"].value == 1
    assert "better rows or a person: accounts: 1 items without vectors" in str(serving["waiting"].value)


@pytest.mark.slow
def test_a_person_may_accept_what_a_check_found(embedded: Running) -> None:
    record = embedded.steps.resolve("words").record
    table = embedded.steps.vectors(record).open()
    assert table is not None
    table.delete("key = 'note-003.txt'")
    embedded.promote()
    assert embedded.steps.store.serving.pointer("words").live is None
    assert "despite: [accounts]" in str(embedded.metadata("words_serving")["how to move it"].value)

    assert embedded.promote(despite=["accounts"]).success

    pointer = embedded.steps.store.serving.pointer("words")
    assert pointer.serves(record.id)
    assert pointer.moved_by.endswith("despite accounts")


def test_nobody_accepts_vectors_that_cannot_be_searched(served: Running) -> None:
    with pytest.raises(PromotionError, match="despite check 'dimension' is not possible; it is despite: accounts"):
        served.steps.promote(served.steps.resolve("words").record, by="test", despite=["dimension"])


def test_the_checks_of_an_index_are_kept_by_version(embedded: Running) -> None:
    version = embedded.steps.resolve("words").record.version
    found = embedded.promote().get_asset_check_evaluations()
    assert {each.partition for each in found} == {version}


def test_a_check_that_fails_on_what_is_live_is_an_error(served: Running) -> None:
    release = served.steps.store.serving.live_release("words")
    failed = CheckVerdict(name="ann_recall", passed=False, blocking=True, summary="recall@10 0.5")
    result = check_result(dg.AssetKey("words_index"), failed, release, is_live=is_live(served.steps, release))
    assert result.severity == dg.AssetCheckSeverity.ERROR


def test_serving_alone_leaves_a_candidate_that_was_not_checked(embedded: Running) -> None:
    embedded.steps.index(embedded.steps.resolve("words").record)
    result = embedded.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=embedded.instance,
        asset_selection=[dg.AssetKey("words_serving")],
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    assert embedded.steps.store.serving.pointer("words").live is None
    assert "accounts: never ran" in str(embedded.metadata("words_serving")["waiting"].value)


def test_serving_a_new_store_says_that_nothing_is_there_yet(running: Running) -> None:
    result = running.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=running.instance, asset_selection=[dg.AssetKey("words_serving")], run_config=QUIET
    )
    assert result.success
    metadata = running.metadata("words_serving")
    assert metadata["live"].value == "none"
    assert "nothing is built yet" in str(metadata["waiting"].value)


def test_the_serving_asset_links_to_the_service(served: Running) -> None:
    pointer, names = served.steps.store.serving.pointer("words"), Names(served.steps.settings, {"words": "words"})
    assert "search" not in serving_metadata(names, pointer, [])
    linked = serving_metadata(names, pointer, [], service="https://search.example.org")
    assert linked["search"].value == "https://search.example.org"


@pytest.mark.slow
def test_a_warning_does_not_hold_the_pointer_back(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    write_notes(tmp_path / "notes", 12)
    (tmp_path / "notes" / "broken.txt").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "notes" / "bad.txt").write_text(NOT_ENCODABLE)
    running = Running(settings(tmp_path, checks={"max_quarantined_share": 0.01}), instance)
    of_source = {e.check_name: (e.passed, e.severity) for e in running.embed().get_asset_check_evaluations()}
    assert of_source == {"readable_share": (False, dg.AssetCheckSeverity.WARN)}  # broken.txt, which is no encoder's
    result = running.promote()
    assert result.success
    found = {e.check_name: (e.passed, e.severity) for e in result.get_asset_check_evaluations()}
    assert found["quarantined_share"] == (False, dg.AssetCheckSeverity.WARN)
    assert running.steps.store.serving.live_release("words").rows == 12


def test_one_check_can_be_run_alone_and_leaves_the_other_verdicts(served: Running) -> None:
    release, verdicts = served.steps.check(served.steps.resolve("words").record, only={"dimension"})
    assert [verdict.name for verdict in verdicts] == ["dimension"]
    assert len(release.checks) == 8


@pytest.mark.slow
def test_pictures_show_as_a_contact_sheet_and_a_projection(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.png").write_bytes(picture(number))
    running = Running(settings(tmp_path, encoders={"words": {"model": "words", "media": ["image"]}}), instance)
    running.embed()
    running.promote()
    sheet = running.metadata("notes_manifest")["contact_sheet"]
    projection = running.metadata("words_index")["projection"]
    strip = running.metadata("words_vectors")["pictures"]
    assert isinstance(strip, dg.MarkdownMetadataValue) and len(str(strip.value)) < 1000  # shown inline
    assert isinstance(sheet, dg.MarkdownMetadataValue) and "image/jpeg" in str(sheet.value)
    assert isinstance(projection, dg.MarkdownMetadataValue) and len(str(projection.value)) < 1000  # shown inline


def test_a_version_that_is_not_registered_is_named(running: Running) -> None:
    with pytest.raises(StoreError, match="no version 'feedfeedfeed'"):
        running.steps.version(VersionId("words", "feedfeedfeed"))


def test_partitions_of_a_run_sort_out_into_versions_and_shards() -> None:
    keys = [dg.MultiPartitionKey({"version": "v1", "shard": shard}) for shard in ("s00", "s01")]
    assert shards_by_version([*keys, "s00|v2"]) == {"v1": {"s00", "s01"}, "v2": {"s00"}}
    assert grid_range("v1", 3)["dagster/asset_partition_range_end"] == "s02|v1"


def test_the_columns_of_vectors_lead_to_those_of_the_manifest(running: Running) -> None:
    running.embed()
    lineage = running.metadata("words_vectors")["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    sources = {column: {dep.column_name for dep in deps} for column, deps in lineage.deps_by_column.items()}
    assert sources["vector"] == {"content_hash", "caption"}
    assert sources["labels"] == {"labels"}
    assert "encoder_version" not in sources
    assert {dep.asset_key for deps in lineage.deps_by_column.values() for dep in deps} == {
        dg.AssetKey("notes_manifest")
    }


def test_user_columns_are_described_lead_to_the_manifest_and_name_their_conflicts(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    write_notes(tmp_path / "notes", 2)
    rows = [{"file": "note-000.txt", "price": 1}, {"file": "note-001.txt", "price": "free"}]
    (tmp_path / "notes" / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = {"notes": {"uri": str(tmp_path / "notes"), "sidecar": "facts.jsonl", "pattern": "*.txt"}}
    running = Running(settings(tmp_path, sources=sources), instance)
    (first, *_) = [event.metadata for event in vectors_events(running.embed())]
    schema, lineage = (first[f"dagster/column_{name}"].value for name in ("schema", "lineage"))
    assert isinstance(schema, dg.TableSchema)
    assert not [column.name for column in schema.columns if not column.description]
    assert isinstance(lineage, dg.TableColumnLineage)
    deps = {name: {dep.column_name for dep in lineage.deps_by_column[name]} for name in ("extra_price", "modified")}
    assert deps == {"extra_price": {"extra"}, "modified": {"mtime"}}
    conflicts = first["column conflicts"]
    assert isinstance(conflicts, dg.TableMetadataValue)
    assert conflicts.records[0].data["conflict"] == "price: numbers and text in notes: kept as text"


def test_every_asset_has_tags_of_what_it_is_and_of_what(running: Running) -> None:
    tags = {spec.key.path[-1]: spec.tags for spec in running.definitions.resolve_all_asset_specs()}
    assert tags["words_vectors"]["embed_assets/kind"] == "vectors"
    assert tags["words_vectors"]["embed_assets/of"] == "words"
    assert tags["notes_manifest"]["embed_assets/of"] == "notes"


def test_the_state_of_a_version_is_observed_on_its_partition(running: Running) -> None:
    running.embed()
    observation = next(each for each in observed(running.promote()) if each.asset_key == dg.AssetKey("words_index"))
    assert observation.partition == running.steps.resolve("words").record.version
    assert observation.metadata["state"].value == "live"
