"""What Dagster takes as the grid of versions and shards grows: ticks, pages, loading, by number of partitions.

    python benchmarks/partitions.py [--partitions N ...] [--json]

Each size gets an instance of its own (SQLite in a temporary folder) and a store of a few rows; four versions times a
quarter of the partitions as shards, each of them materialized by an event in Dagster's own storage. Then, medians of
three: definitions are loaded; schedule, sensors and the assets' conditions are evaluated; and a real webserver on
loopback answers what the UI asks for the page of the vectors asset, its partitions and the lineage.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "third_party_encoder"
VERSIONS = 4
_ROUNDS = 3
_SINGLE = 50  # events that are reported one by one, as runs do
_ENTRY_POINTS = "[embed_assets.encoders]\nngrams = embed_assets_ngrams:encoders\n"
_LOCATION = """
from pathlib import Path
from benchmarks.partitions import definitions_of
defs = definitions_of(Path(__file__).parent)
"""
_LATEST = "assetMaterializations(limit: 1) { timestamp partition metadataEntries { label } }"
_RANGES = (
    "primaryDimStartKey primaryDimEndKey secondaryDim { ... on DefaultPartitionStatuses { materializedPartitions } }"
)
_OF_ASSET = {
    "asset page": f"partitionStats {{ numMaterialized numPartitions numFailed }} staleStatus jobNames {_LATEST}",
    "partitions view": "partitionKeysByDimension { name partitionKeys } partitionStats { numMaterialized } "
    f"assetPartitionStatuses {{ ... on MultiPartitionStatuses {{ ranges {{ {_RANGES} }} }} }}",
}
QUERIES = {
    name: f'{{ assetNodeOrError(assetKey: {{path: ["ngrams_vectors"]}}) {{ ... on AssetNode {{ id {fields} }} }} }}'
    for name, fields in _OF_ASSET.items()
} | {
    "lineage": f"{{ assetNodes {{ id staleStatus partitionStats {{ numMaterialized numPartitions }} {_LATEST} }} }}",
}


def settings_of(folder: Path, *, automation: bool = False) -> Any:
    """A table of a few rows, an encoder without a model, as many shards as the folder's note says."""
    from embed_assets.load_settings import make_settings

    columns = {"text": "text", "id": "id"}
    return make_settings(
        {
            "store": str(folder / "store"),
            "sources": {"rows": {"uri": str(folder / "rows"), "table": columns}},
            "encoders": {"ngrams": {"model": "ngrams"}},
            "compute": {"device": "cpu", "offline": True},
            "shards": int((folder / "shards").read_text()),
            "automation": {"enabled": automation},
        }
    )


def definitions_of(folder: Path, *, automation: bool = False) -> Any:
    """Build the definitions over the folder."""
    from embed_assets.assets.pipeline import build_definitions

    return build_definitions(settings_of(folder, automation=automation))


def fill(folder: Path, instance: Any) -> float:
    """Embed the rows, register the versions, materialize every partition; return seconds of an event."""
    import dagster as dg

    from benchmarks.growth import write_table
    from embed_assets.assets.pipeline import build_names
    from embed_assets.cli.shared.dagster_home import databases_held
    from embed_assets.manifest.refresh import shard_names
    from embed_assets.pipeline.steps import Steps

    write_table(folder / "rows", 40)
    settings = settings_of(folder)
    names, steps = build_names(settings)[0], Steps(settings)
    steps.refresh("rows")
    record = steps.resolve("ngrams").record
    steps.embed(record)
    versions = [*(f"{number:012x}" for number in range(1, VERSIONS)), record.version]
    partitions = names.versions("ngrams").name
    instance.add_dynamic_partitions(partitions, versions)
    for key in (names.asset_key("rows", "manifest"), names.asset_key("ngrams", "encoder")):
        instance.report_runless_asset_event(dg.AssetMaterialization(key))
    key, shards = names.asset_key("ngrams", "vectors"), shard_names(settings.shards)
    grid = [dg.MultiPartitionKey({"version": version, "shard": shard}) for version in versions for shard in shards]
    events = [dg.AssetMaterialization(key, partition=at, metadata={"rows": 10}) for at in grid]
    with databases_held(Path(os.environ["DAGSTER_HOME"])):
        started = time.monotonic()
        for event in events[:_SINGLE]:
            instance.report_runless_asset_event(event)
        seconds = time.monotonic() - started
        store_together(instance, events[_SINGLE:])
        for version in versions:
            index = names.asset_key("ngrams", "index")
            instance.report_runless_asset_event(dg.AssetMaterialization(index, partition=version))
    return seconds / len(events[:_SINGLE])


def store_together(instance: Any, events: Sequence[Any]) -> None:
    """Store materializations as Dagster's SQLite storage does one by one, in one transaction: a minute for 20,000."""
    from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
    from dagster._core.events.log import EventLogEntry
    from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

    storage, stored, ids = instance.event_log_storage, [], []
    with storage.index_transaction() as connection:
        for event in events:
            entry = EventLogEntry(
                error_info=None,
                level="INFO",
                user_message="",
                run_id=RUNLESS_RUN_ID,
                timestamp=time.time(),
                job_name=RUNLESS_JOB_NAME,
                dagster_event=DagsterEvent(
                    event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
                    event_specific_data=StepMaterializationData(event),
                    job_name=RUNLESS_JOB_NAME,
                ),
            )
            stored.append(entry)
            ids.append(connection.execute(storage.prepare_insert_event(entry)).inserted_primary_key[0])
        if stored:
            storage._store_asset_event_tags(connection, stored, ids)
            storage._store_asset_event(connection, stored[-1], ids[-1])


def median(action: Callable[[], object]) -> float:
    """Return the median seconds of the action."""
    taken = []
    for _ in range(_ROUNDS):
        started = time.monotonic()
        action()
        taken.append(time.monotonic() - started)
    return round(statistics.median(taken), 3)


def ticks(folder: Path, instance: Any) -> dict[str, float]:
    """Measure loading, schedule, sensors and conditions in this process."""
    import dagster as dg
    from dagster._core.definitions.partitions.context import partition_loading_context

    defs = definitions_of(folder)
    repository = defs.get_repository_def()
    found = {"definitions load": median(lambda: definitions_of(folder).get_repository_def())}
    schedule = repository.get_schedule_def("ngrams_nightly")
    night = datetime(2026, 11, 30, 3, tzinfo=UTC)

    def tick() -> None:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=night, repository_def=repository
        )
        schedule.evaluate_tick(context)

    found["nightly schedule"] = median(tick)
    for name in ("first_build", "reconcile", "rows_new_media"):
        sensor = repository.get_sensor_def(name)

        def look(sensor: Any = sensor) -> None:
            context = dg.build_sensor_context(instance=instance, repository_def=repository)
            with partition_loading_context(dynamic_partitions_store=instance):  # as the daemon does
                sensor.evaluate_tick(context)

        found[f"sensor {name}"] = median(look)
    automatic, cursor = definitions_of(folder, automation=True), None

    def conditions() -> None:
        nonlocal cursor
        cursor = dg.evaluate_automation_conditions(defs=automatic, instance=instance, cursor=cursor).cursor

    started = time.monotonic()
    conditions()
    found["conditions, first"] = round(time.monotonic() - started, 3)
    found["conditions"] = median(conditions)
    return found


@contextmanager
def webserver(folder: Path) -> Iterator[str]:
    """Run Dagster's webserver over the folder, on loopback; its address."""
    import httpx

    (folder / "location.py").write_text(_LOCATION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-f", str(folder / "location.py")]
    with (folder / "webserver.log").open("w") as log:
        process = subprocess.Popen([*command, "-h", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
        try:
            for _ in range(600):
                if process.poll() is not None:
                    raise SystemExit((folder / "webserver.log").read_text()[-2000:])
                try:
                    httpx.get(f"http://127.0.0.1:{port}/server_info", timeout=5)
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=60)


def pages(address: str, partitions: int) -> dict[str, float]:
    """Measure the webserver's answers to the UI's questions; the first answer of each is not counted."""
    import httpx

    found = {}
    with httpx.Client(timeout=300) as client:
        for name, query in QUERIES.items():

            def ask(query: str = query) -> None:
                answer = client.post(f"{address}/graphql", json={"query": query}).json()
                if "errors" in answer or f'"numMaterialized": {partitions}' not in json.dumps(answer):
                    raise SystemExit(f"the webserver answers {json.dumps(answer)[:500]}")

            ask()
            found[name] = median(ask)
    return found


def act(folder: Path, partitions: int) -> None:
    """Measure one size, in a process of its own."""
    import dagster as dg

    warnings.simplefilter("ignore")
    (folder / "shards").write_text(str(partitions // VERSIONS))
    with dg.DagsterInstance.get() as instance:
        found: dict[str, Any] = {"partitions": partitions, "event": round(fill(folder, instance), 4)}
        found |= ticks(folder, instance)
    with webserver(folder) as address:
        found |= pages(address, partitions)
    print(json.dumps(found))


def measured(partitions: int) -> dict[str, Any]:
    """Measure one size in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        info = folder / "site" / "embed_assets_ngrams-0.1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: embed-assets-ngrams\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(_ENTRY_POINTS)
        home = folder / "dagster"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        environ = {**os.environ, "DAGSTER_HOME": str(home), "XDG_CACHE_HOME": str(folder / "cache")}
        environ["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, EXAMPLE, folder / "site")))
        command = [sys.executable, __file__, "--act", name, str(partitions)]
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])


def shown(found: Sequence[dict[str, Any]]) -> str:
    """Return the table: a row a measure, a column a size."""
    sizes = [f"{each['partitions']:,}" for each in found]
    lines = [f"| seconds, of partitions: | {' | '.join(sizes)} |", "|---" * (len(found) + 1) + "|"]
    for name in found[0]:
        if name != "partitions":
            label = "one materialization event" if name == "event" else name
            lines.append(f"| {label} | {' | '.join(f'{each[name]:.3f}' for each in found)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, nargs="+", default=[1000, 5000, 20_000])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--act", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.act:
        act(Path(chosen.act[0]), int(chosen.act[1]))
        return 0
    found = [measured(partitions) for partitions in chosen.partitions]
    print(json.dumps(found, indent=2) if chosen.json else shown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
