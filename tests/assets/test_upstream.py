"""A source made from a host's own asset: its value becomes items, and what changes in it is found by content."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from embed_assets.assets.automation.sensors import build_new_media_sensor
from embed_assets.assets.pipeline import build_definitions
from embed_assets.component import EmbeddingPipeline
from embed_assets.errors import SourceError
from embed_assets.load_settings import load_settings
from embed_assets.media.tables.asset_value import TableValue
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings
from embed_assets.store.upkeep.maintenance import maintain
from tests.assets.running import QUIET, Running
from tests.cli import conftest
from tests.cli.conftest import Command
from tests.store.made import upkeep
from tests.support import note, picture, rows_by_key, settings, table_versions, write_notes

command = conftest.command

KEY = dg.AssetKey(["warehouse", "articles"])
TABLE = {"text": "body", "id": "doc", "labels": ["topic"], "extra": ["year"]}


class Warehouse:
    """A host's project: the asset warehouse/articles, and the pipeline made from what it returns."""

    def __init__(self, chosen: PipelineSettings, instance: dg.DagsterInstance) -> None:
        self.value: Any = articles(6)
        self.instance = instance

        @dg.asset(key=KEY)
        def asset() -> Any:
            return self.value

        self.assets = asset
        self.running = Running(chosen, instance)
        own = build_definitions(chosen, jobs=self.running.jobs)
        self.running.definitions = dg.Definitions.merge(dg.Definitions(assets=[asset]), own)

    def publish(self, value: Any) -> None:
        """The asset is materialized with another value."""
        self.value = value
        assert dg.materialize([self.assets], instance=self.instance, run_config=QUIET).success

    def data_version(self) -> str:
        event = self.instance.get_latest_materialization_event(dg.AssetKey("articles_manifest"))
        assert event is not None and event.asset_materialization is not None
        return (event.asset_materialization.tags or {})["dagster/data_version"]


def articles(count: int, **changed: str) -> list[dict[str, Any]]:
    return [
        {"doc": f"d{n}", "body": changed.get(f"d{n}", note(n)), "topic": ["a", "b"], "year": 2000 + n, "unused": object}
        for n in range(count)
    ]


def plain(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "unused"} for row in rows]


def of_asset(tmp_path: Path, **source: Any) -> PipelineSettings:
    chosen = {"asset": "warehouse/articles", "table": TABLE} | source
    return settings(tmp_path, sources={"articles": chosen})


@pytest.fixture
def warehouse(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> Warehouse:
    return Warehouse(of_asset(tmp_path), instance)


@pytest.mark.slow
def test_the_value_of_an_asset_becomes_items_with_the_asset_upstream(warehouse: Warehouse) -> None:
    graph = warehouse.running.definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey("articles_manifest")).parent_keys == {KEY}
    warehouse.publish(plain(articles(6)))
    assert warehouse.running.embed().success
    assert warehouse.running.promote().success
    row = rows_by_key(warehouse.running.steps)["articles#d3"]
    assert row["text"] == note(3)
    assert row["labels"] == ["a", "b"]
    assert row["uri"] == "asset:warehouse/articles#d3"
    landed = warehouse.running.steps.store.open("landed_articles")
    assert set(landed.schema.names) == {"_landed_id", "_landed_hash", "doc", "body", "topic", "year"}


@pytest.mark.slow
def test_an_edited_row_is_one_item_to_encode_and_a_deleted_one_is_gone(warehouse: Warehouse, words: list) -> None:
    warehouse.publish(pa.Table.from_pylist(plain(articles(6))))
    warehouse.running.embed()
    words.clear()
    warehouse.publish(pa.Table.from_pylist(plain(articles(5, d2="other words"))))
    assert warehouse.running.embed().success
    assert words == ["other words"]
    texts = {key: row["text"] for key, row in rows_by_key(warehouse.running.steps).items()}
    assert texts == {f"articles#d{n}": note(n) for n in range(5)} | {"articles#d2": "other words"}


@pytest.mark.slow
def test_the_same_value_again_writes_nothing(warehouse: Warehouse, words: list) -> None:
    warehouse.publish(plain(articles(6)))
    warehouse.running.embed()
    before, version = table_versions(warehouse.running.steps.store), warehouse.data_version()
    words.clear()
    warehouse.publish(pa.Table.from_pylist(plain(articles(6))[::-1]))  # and in another order
    assert warehouse.running.embed().success
    assert words == []
    assert warehouse.data_version() == version
    assert table_versions(warehouse.running.steps.store) == before
    assert not warehouse.running.steps.listing_differs("articles")


class Stream:
    """As pandas, polars and DuckDB give their tables: by Arrow's stream alone."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


def test_a_value_may_be_any_table() -> None:
    rows = articles(3)  # with a column that is none of Arrow's types
    table = pa.Table.from_pylist(plain(rows))
    coded = table.set_column(1, "body", table["body"].dictionary_encode())
    views = table.set_column(1, "body", table["body"].cast(pa.string_view()))
    parts = {"p0": rows[:1], "p1": Stream(table.slice(1))}
    for value in (rows, table, coded, views, Stream(table), table.to_reader(), table.to_batches()[0], parts):
        found = TableValue(value, columns=["doc", "body"], origin="asset 'x'")
        schema = found.schema()
        assert schema is not None
        assert schema == pa.schema([("doc", pa.string()), ("body", pa.string())])
        read = [row for batch in found.batches(schema) for row in batch.to_pylist()]
        assert read == [{"doc": row["doc"], "body": row["body"]} for row in rows]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "Asset 'warehouse/articles' gave nothing, where a table was expected: anything with an Arrow stream"),
        ("a text", "gave a str, where a table was expected"),
        ([1, 2], "gave a list, where a table was expected"),
        ([{"doc": "a"}], "value of asset 'warehouse/articles' has no column 'body'; it has doc"),
        ([{"doc": 1, "body": "x"}, {"doc": "a", "body": "y"}], "can't be taken as a table"),
        ({"p0": [{"doc": 1, "body": "x"}], "p1": [{"doc": ["a"], "body": "y"}]}, "are no one table"),
    ],
)
def test_a_value_that_is_no_table_is_reported(tmp_path: Path, value: Any, said: str) -> None:
    steps = Steps(of_asset(tmp_path, table={"text": "body", "id": "doc"}))
    with pytest.raises(SourceError, match=said):
        steps.land("articles", value)
    assert not steps.store.table_names()


def test_what_was_never_landed_names_the_assets_to_materialize(tmp_path: Path) -> None:
    steps = Steps(of_asset(tmp_path))
    with pytest.raises(SourceError, match=r"Materialize warehouse/articles and articles_manifest in Dagster"):
        steps.refresh("articles")


def test_maintenance_keeps_landed_tables_small_and_readable(tmp_path: Path) -> None:
    steps = Steps(of_asset(tmp_path))
    for number in range(5):
        steps.land("articles", plain(articles(4, d1=f"edit {number}")))
    table = steps.store.open("landed_articles")
    assert len(table.list_versions()) > 4
    later = datetime.now(UTC) + timedelta(hours=1)
    settings = upkeep(max_small_fragments=2)
    report = maintain(steps.store, settings, seconds=60, keep=timedelta(milliseconds=1), now=later)
    assert "landed_articles" in report.compacted and "landed_articles" in report.cleaned
    assert not report.dropped
    steps.refresh("articles")
    assert len(steps.manifest.rows("articles")) == 4


def test_other_columns_land_the_value_again(tmp_path: Path) -> None:
    steps = Steps(of_asset(tmp_path, table={"text": "body", "id": "doc"}))
    assert steps.land("articles", plain(articles(3))).written == 3
    again = Steps(of_asset(tmp_path))
    assert again.land("articles", plain(articles(3))).written == 3
    again.refresh("articles")
    assert {tuple(row["labels"] or ()) for row in again.manifest.rows("articles")} == {("a", "b")}


def test_a_value_without_rows_is_a_table_without_rows(tmp_path: Path) -> None:
    steps = Steps(of_asset(tmp_path))
    steps.land("articles", plain(articles(12)))
    steps.refresh("articles")
    assert steps.land("articles", []).deleted == 12
    with pytest.raises(SourceError, match="would be deleted"):
        steps.refresh("articles")


def test_rows_that_share_an_id_or_have_none_stay_what_they_are(tmp_path: Path) -> None:
    steps = Steps(of_asset(tmp_path, table={"text": "body", "id": "doc"}))
    given = [{"doc": "twin", "body": "one"}, {"doc": "twin", "body": "two"}, {"doc": None, "body": "three"}]
    steps.land("articles", given)
    steps.refresh("articles")
    before = {row["key"]: row["content_hash"] for row in steps.manifest.rows("articles")}
    assert len(before) == 3
    assert steps.land("articles", given).written == 0
    steps.land("articles", [*given, {"doc": "new", "body": "four"}])
    assert steps.refresh("articles").changed == 1


def test_an_asset_without_a_value_is_reported_in_the_run(warehouse: Warehouse) -> None:
    result = warehouse.running.embed()
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    said = str(failure.step_failure_data.error)
    assert "The value of asset 'warehouse/articles' can't be loaded" in said
    assert "Materialize it first" in said


def test_partitions_of_an_asset_are_one_table(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    rows = plain(articles(6))

    @dg.asset(key=KEY, partitions_def=dg.StaticPartitionsDefinition(["p0", "p1", "never"]))
    def asset(context: dg.AssetExecutionContext) -> Any:
        return rows[int(context.partition_key[1]) :: 2]

    warehouse = Warehouse(of_asset(tmp_path), instance)
    own = build_definitions(warehouse.running.settings, jobs=warehouse.running.jobs)
    warehouse.running.definitions = dg.Definitions.merge(dg.Definitions(assets=[asset]), own)
    for partition in ("p0", "p1"):
        assert dg.materialize([asset], instance=instance, partition_key=partition, run_config=QUIET).success
    assert warehouse.running.embed().success
    assert set(rows_by_key(warehouse.running.steps)) == {f"articles#d{n}" for n in range(6)}


def test_asset_and_manifest_in_one_run_of_a_host(warehouse: Warehouse, tmp_path: Path) -> None:
    keys = [KEY, dg.AssetKey("articles_manifest")]
    warehouse.value = plain(articles(3))
    job = warehouse.running.definitions.resolve_implicit_global_asset_job_def()
    ran = job.execute_in_process(instance=warehouse.instance, asset_selection=keys, run_config=QUIET)
    assert ran.success and warehouse.running.metadata("articles_manifest")["new"].value == 3


def test_a_prefix_goes_before_the_pipelines_keys_alone(words: list, tmp_path: Path) -> None:
    sources = {"articles": {"asset": "warehouse/articles", "table": TABLE}}
    chosen = settings(tmp_path, sources=sources, key_prefix=["search"])
    graph = build_definitions(chosen).resolve_asset_graph()
    assert graph.get(dg.AssetKey(["search", "articles_manifest"])).parent_keys == {KEY}


def _location(chosen: PipelineSettings, *keys: str) -> dg.RepositoryDefinition:
    """A code location of a pipeline and of a host's own assets."""
    own = dg.Definitions(assets=[dg.AssetSpec(dg.AssetKey.from_user_string(key)) for key in keys])
    location = dg.Definitions.merge(own, build_definitions(chosen)).get_repository_def()
    location.load_all_definitions()
    return location


def test_a_misspelt_asset_is_refused_as_the_location_loads(words: list, tmp_path: Path) -> None:
    chosen = of_asset(tmp_path, asset="warehouse/articels")
    with pytest.raises(dg.DagsterInvalidDefinitionError) as caught:
        _location(chosen, "warehouse/articles", "orders")
    assert str(caught.value.__cause__) == (
        "sources.articles.asset: no asset 'warehouse/articels' is defined here. Did you mean 'warehouse/articles'? If "
        "another code location defines 'warehouse/articels', declare it in this one: "
        "dg.AssetSpec(['warehouse', 'articels'])."
    )


def test_an_asset_of_another_location_is_none_of_this_ones_business(words: list, tmp_path: Path) -> None:
    chosen = of_asset(tmp_path, asset="warehouse/articels")
    assert _location(chosen, "orders", "articels_of_old").job_names
    assert _location(chosen, "warehouse/articles", "warehouse/articels").job_names


def test_where_the_asset_is_not_defined_what_was_landed_is_used(warehouse: Warehouse, words: list) -> None:
    running = warehouse.running
    running.definitions = build_definitions(running.settings, jobs=running.jobs)
    failed = running.embed()
    assert not failed.success
    failure = next(event for event in failed.all_events if event.is_step_failure).step_failure_data.error
    assert "Materialize warehouse/articles and articles_manifest in Dagster" in str(failure)
    running.steps.land("articles", plain(articles(4)))
    assert running.embed().success
    assert len(rows_by_key(running.steps)) == 4


@pytest.mark.slow
def test_bytes_of_an_asset_show_as_a_contact_sheet(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    source = {"asset": "warehouse/articles", "table": {"bytes": "png", "id": "doc"}}
    chosen = settings(
        tmp_path, sources={"articles": source}, encoders={"words": {"model": "words", "media": ["image"]}}
    )
    warehouse = Warehouse(chosen, instance)
    warehouse.publish([{"doc": f"d{n}", "png": picture(n)} for n in range(4)])
    assert warehouse.running.embed().success
    assert warehouse.running.promote().success
    assert "image/jpeg" in str(warehouse.running.metadata("articles_manifest")["contact_sheet"].value)


def test_files_that_an_asset_names_need_no_uri(warehouse: Warehouse, tmp_path: Path, words: list) -> None:
    (tmp_path / "a.txt").write_text("amber anchor")
    steps = Steps(of_asset(tmp_path, table={"uri": "path", "id": "doc", "allow": [str(tmp_path)]}))
    steps.land("articles", [{"doc": "a", "path": f"{tmp_path}/a.txt"}, {"doc": "b", "path": "b.txt"}])
    assert steps.refresh("articles").quarantined == {"relative path": 1}
    (row,) = (row for row in steps.manifest.rows("articles") if row["status"] == "ok")
    assert row["key"] == "articles#a"
    assert row["uri"] == f"{tmp_path}/a.txt"


class _Held(dg.IOManager):
    """Gives a value that is in memory."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None: ...

    def load_input(self, context: dg.InputContext) -> Any:
        return self._value


def tick(running: Running, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    sensor = build_new_media_sensor(running.names, "articles", running.jobs)
    result = sensor(dg.build_sensor_context(instance=running.instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result.skip_reason or result


def test_the_sensor_requests_one_run_for_each_materialization_that_the_manifest_has_not_seen(
    warehouse: Warehouse,
) -> None:
    running = warehouse.running
    assert isinstance(tick(running), dg.SkipReason)  # nothing was materialized, and nothing landed
    warehouse.publish(plain(articles(3)))
    first = tick(running)
    assert isinstance(first, dg.SensorResult) and first.run_requests
    assert isinstance(tick(running, first.cursor), dg.SkipReason)
    running.embed()
    assert isinstance(tick(running), dg.SkipReason)
    warehouse.publish(plain(articles(4)))
    again = tick(running, first.cursor)
    assert isinstance(again, dg.SensorResult)
    assert [request.job_name for request in again.run_requests or ()] == ["words_embed"]


def test_a_materialization_while_the_manifest_is_made_is_news(warehouse: Warehouse) -> None:
    """The asset is materialized again after its value was loaded: while its rows are being read."""
    running = warehouse.running
    warehouse.publish(plain(articles(3)))
    rows = plain(articles(3))

    class Slow(list):
        def __iter__(self) -> Any:
            if not done:
                done.append(True)
                warehouse.publish(rows)
            return super().__iter__()

    done: list[bool] = []
    key = dg.AssetKey("articles_manifest")

    @dg.asset(key=KEY, io_manager_def=_Held(Slow(rows)))
    def asset() -> None: ...

    own = build_definitions(running.settings, jobs=running.jobs)
    running.definitions = dg.Definitions.merge(dg.Definitions(assets=[asset]), own)
    assert running.embed().success
    made = running.instance.get_latest_materialization_event(key)
    upstream = running.instance.get_latest_materialization_event(KEY)
    assert made is not None and upstream is not None and made.timestamp > upstream.timestamp
    assert isinstance(tick(running), dg.SensorResult)


def test_the_sensor_of_a_folder_looks_at_listing_and_asset(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    folder = write_notes(tmp_path / "media", 2)
    warehouse = Warehouse(of_asset(tmp_path, uri=str(folder), table={}), instance)
    running = warehouse.running
    first = tick(running)
    assert isinstance(first, dg.SensorResult)
    assert isinstance(tick(running, first.cursor), dg.SkipReason)
    warehouse.publish(None)
    second = tick(running, first.cursor)
    assert isinstance(second, dg.SensorResult)
    running.embed()
    assert isinstance(tick(running, second.cursor), dg.SkipReason)
    write_notes(folder, 3)
    assert isinstance(tick(running, second.cursor), dg.SensorResult)


def asked(warehouse: Warehouse, cursor: Any = None, *, minutes: int) -> Any:
    return dg.evaluate_automation_conditions(
        defs=warehouse.running.definitions,
        instance=warehouse.instance,
        cursor=cursor,
        evaluation_time=datetime(2030, 1, 1, 0, minutes),
    )


@pytest.mark.slow
def test_the_manifest_is_requested_when_its_asset_is_newer(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    sources = {"articles": {"asset": "warehouse/articles", "table": TABLE}}
    warehouse = Warehouse(settings(tmp_path, sources=sources, automation={"enabled": True}), instance)
    manifest = dg.AssetKey("articles_manifest")
    look = asked(warehouse, minutes=1)
    assert not look.get_requested_partitions(manifest)  # there is no value yet
    warehouse.publish(plain(articles(3)))
    look = asked(warehouse, look.cursor, minutes=2)
    assert look.get_requested_partitions(manifest)
    warehouse.running.embed()
    look = asked(warehouse, look.cursor, minutes=3)
    assert not look.get_requested_partitions(manifest)
    warehouse.publish(plain(articles(4)))
    look = asked(warehouse, look.cursor, minutes=4)
    assert look.get_requested_partitions(manifest)


@pytest.mark.slow
def test_the_command_line_uses_what_was_landed(command: Command, tmp_path: Path, words: list) -> None:
    file = tmp_path / "pipeline.yaml"
    values = {"store": "store", "shards": 4, "compute": {"device": "cpu", "offline": True}}
    values |= {"encoders": {"words": {"model": "words"}}}
    values |= {"sources": {"articles": {"asset": "warehouse/articles", "table": TABLE}}}
    file.write_text(json.dumps(values))
    for name in ("run", "plan"):
        failed = command(name, "--settings", str(file))
        assert failed.exit_code != 0
        assert "Materialize warehouse/articles and articles_manifest in Dagster" in failed.output
    Steps(load_settings(file)).land("articles", plain(articles(4)))
    done = command("run", "--settings", str(file))
    assert done.exit_code == 0, done.output
    assert len(words) == 4
    again = command("run", "--settings", str(file))
    assert "Everything is fresh: 4 vectors" in again.output
    assert command("status", "--store", str(tmp_path / "store")).exit_code == 0


def test_a_component_names_the_asset_in_its_yaml(words: list) -> None:
    source = {"asset": "warehouse/articles", "uri": "articles.lance", "table": {"text": "body"}}
    values = {"store": "store", "encoders": {"words": {"model": "words"}}, "sources": {"articles": source}}
    contents = {"type": "embed_assets.component.EmbeddingPipeline", "attributes": values}
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(component_cls=EmbeddingPipeline, defs_yaml_contents=contents)
        with sandbox.load_component_and_build_defs(path) as (_, made):
            node = made.resolve_asset_graph().get(dg.AssetKey("articles_manifest"))
            assert node.parent_keys == {KEY}
            assert str(node.metadata["media"]).endswith(f"{path.name}/articles.lance")
