"""Search at a million vectors: the service beside LanceDB called directly, filters, other libraries at equal recall.

    python benchmarks/search.py [--rows N] [--work FOLDER] [--seconds S] [--others] [--json]

N vectors (1,000,000 unless set) of 384 numbers in clusters of very different sizes, each cluster flat in most
directions, are written and indexed as the pipeline does it, and promoted. Queries are vectors held out of them.

Latency: each client sends one request after another, to /search with a vector in JSON or to LanceDB's own search with
the same probes, filter and number of rows; with one client the two alternate request by request, since a busy machine
changes faster than a minute. Filters keep 0.1, 1 and 10 % of the rows, all of the same clusters, which is the hard
case. `--others`: faiss HNSW and IVF-PQ and hnswlib, one thread, at the least effort that reaches the recall of ours.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.recall.ann_recall import tune
from embed_assets.store.saved_settings import save_settings
from embed_assets.store.serving.nearest_rows import nearest, open_release, searched_exactly
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_index import build_indices
from embed_assets.store.serving.vector_scan import kth_distances
from embed_assets.store.vectors import vector_schema

COLUMNS = ("media_id", "source", "key", "uri", "text", "labels")
DIM, K, CLUSTERS, QUERIES, CHUNK = 384, 10, 4096, 512, 50_000
SHARES = {"per mille": 0.001, "per cent": 0.01, "tenth": 0.1}
CLIENTS = (1, 8, 32)
FETCHED = K * 5  # rows, as a search fetches them


@dataclass(frozen=True, kw_only=True)
class Load:
    """One way of asking under one load. Milliseconds."""

    how: str
    clients: int
    p50: float
    p99: float
    per_second: float


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """Searches under a filter. Milliseconds."""

    share: float
    rows: int
    exact: bool
    recall_at_10: float
    p50: float
    unfiltered_p50: float


@dataclass(frozen=True, kw_only=True)
class Library:
    """Another library's index. Milliseconds of one thread."""

    name: str
    effort: str
    recall_at_10: float
    p50: float
    build_seconds: float


def clustered(count: int, *, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield unit vectors, float32 (n, DIM), with the cluster of each, in chunks; the clusters are the same for all."""
    shape = np.random.default_rng(0)
    centres = shape.normal(size=(CLUSTERS, DIM)).astype(np.float32)
    spread = (shape.gamma(2.0, 0.5, size=(CLUSTERS, 1)) * np.geomspace(1.0, 0.05, DIM)).astype(np.float32)
    sizes = shape.pareto(1.2, size=CLUSTERS) + 0.1
    draw = np.random.default_rng(seed)
    for start in range(0, count, CHUNK):
        chosen = draw.choice(CLUSTERS, size=min(CHUNK, count - start), p=sizes / sizes.sum())
        noise = draw.normal(size=(len(chosen), DIM)).astype(np.float32) * spread[chosen]
        vectors = centres[chosen] * 0.6 + noise
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True), chosen


def labels_by_cluster(rows: int) -> dict[str, np.ndarray]:
    """Return the clusters that bear each label: together about its share of the rows."""
    counts = np.zeros(CLUSTERS)
    for _, chosen in clustered(min(rows, 200_000), seed=1):
        counts += np.bincount(chosen, minlength=CLUSTERS)
    order = np.random.default_rng(2).permutation(CLUSTERS)
    order = order[counts[order] < counts.sum() * 0.0005]  # no label is one huge cluster
    share = np.cumsum(counts[order]) / counts.sum()
    return {name: order[: max(1, int(np.searchsorted(share, wanted)))] for name, wanted in SHARES.items()}


def build(work: Path, rows: int) -> tuple[Steps, Release, dict[str, float]]:
    """Write, index and promote; what is there already is kept."""
    (work / "media").mkdir(parents=True, exist_ok=True)
    settings = make_settings(
        {
            "store": str(work / "store"),
            "sources": {"vectors": {"uri": str(work / "media")}},
            "encoders": {"minilm": {"model": "embedded:minilm", "space": "text"}},
            "compute": {"device": "cpu"},
        }
    )
    steps, seconds = Steps(settings), {}
    record = steps.resolve("minilm").record
    live = steps.store.serving.pointer("text").live
    if live is not None and live.rows == rows:
        return steps, live, seconds
    schema = vector_schema(record.id, dim=DIM, dtype=record.vector_dtype, distance="cosine")
    table, labels = steps.store.open_or_create(record.table, schema), labels_by_cluster(rows)
    started, first = time.perf_counter(), 0
    for vectors, clusters in clustered(rows, seed=1):
        table.add(_rows(vectors, clusters, first, schema, labels, record.version))
        first += len(vectors)
    seconds["write"] = round(time.perf_counter() - started, 1)
    started = time.perf_counter()
    report = build_indices(steps.store, record.table, distance="cosine", settings=settings.index)
    seconds["index"] = round(time.perf_counter() - started, 1)
    table = steps.store.open(record.table)
    recall = tune(table, queries()[:200], k=K, distance="cosine", target=settings.checks.min_ann_recall, rows=FETCHED)
    release = Release(
        space="text", encoder="minilm", encoder_version=record.version, table=record.table, dim=DIM, distance="cosine",
        table_version=report.table_version, rows=report.rows, ann=report.ann, nprobes=recall.nprobes,
        refine_factor=recall.refine_factor, recall_at_10=round(recall.mean, 4),
    )  # fmt: skip
    steps.store.releases.put(release)
    steps.store.serving.set_up("text")
    steps.store.serving.promote(release, required=frozenset(), by="benchmark")
    save_settings(steps.store, settings)
    return steps, release, seconds


def _rows(
    vectors: np.ndarray,
    clusters: np.ndarray,
    first: int,
    schema: pa.Schema,
    labels: dict[str, np.ndarray],
    version: str,
) -> pa.Table:
    count = len(vectors)
    names = [f"{first + place:08d}" for place in range(count)]
    borne = [[name for name, own in labels.items() if cluster in own] for cluster in clusters.tolist()]
    flat = pa.array(vectors.astype(np.float16).ravel(), schema.field("vector").type.value_type)
    values: dict[str, Any] = {
        "segment_id": names, "media_id": names, "key": names, "uri": names, "media_hash": names, "meta_hash": names,
        "content_hash": names, "source": ["vectors"] * count, "shard": ["0"] * count, "modality": ["text"] * count,
        "kind": ["chunk"] * count, "segment_count": [1] * count, "labels": borne, "encoder_version": [version] * count,
        "embedded_at": [datetime.now(UTC)] * count,
        "vector": pa.FixedSizeListArray.from_arrays(flat, DIM),
    }  # fmt: skip
    arrays = [
        values["vector"] if field.name == "vector" else pa.array(values.get(field.name, [None] * count), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def queries() -> np.ndarray:
    """Vectors that are no rows."""
    return next(iter(clustered(QUERIES, seed=99)))[0]


def direct(table: Any, release: Release, vector: np.ndarray, where: str | None = None) -> None:
    """Ask LanceDB itself for the ten rows, with the same effort and columns; of ten items there is a row each."""
    search = table.search(vector, vector_column_name="vector").distance_type("cosine")
    search = search.minimum_nprobes(release.nprobes).maximum_nprobes(0).refine_factor(release.refine_factor * 5)
    search = search.select([*COLUMNS, "_distance"]).limit(K)
    (search.where(where) if where else search).to_arrow()


async def loads(address: str, table: Any, release: Release, seconds: float) -> list[Load]:
    """The service and LanceDB under each number of clients."""
    import aiohttp

    vectors = queries()
    bodies = [
        json.dumps(
            {"parts": [{"vector": vector.tolist(), "encoder_version": release.encoder_version}], "spaces": ["text"],
             "k": K, "spans": 1}
        ).encode()
        for vector in vectors
    ]  # fmt: skip
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:

        async def of_service(place: int) -> None:
            async with session.post(f"{address}/search", data=bodies[place % QUERIES]) as response:
                assert response.status == 200, await response.text()
                await response.read()

        async def of_lancedb(place: int) -> None:
            await asyncio.to_thread(direct, table, release, vectors[place % QUERIES])

        for place in range(50):  # warm
            await of_service(place)
            await of_lancedb(place)
        found = []
        for clients in CLIENTS:
            if clients == 1:
                found += await _alternating({"service": of_service, "lancedb": of_lancedb}, seconds)
            else:
                for how, ask in (("service", of_service), ("lancedb", of_lancedb)):
                    found.append(await _load(how, ask, clients, seconds))
        return found


async def _alternating(ways: dict[str, Callable[[int], Awaitable[None]]], seconds: float) -> list[Load]:
    times: dict[str, list[float]] = {how: [] for how in ways}
    end, place = time.perf_counter() + 2 * seconds, 0
    while time.perf_counter() < end:
        for how, ask in ways.items():
            started = time.perf_counter()
            await ask(place)
            times[how].append(time.perf_counter() - started)
        place += 1
    return [_as_load(how, 1, each, sum(each)) for how, each in times.items()]


async def _load(how: str, ask: Callable[[int], Awaitable[None]], clients: int, seconds: float) -> Load:
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        place = number * 17
        while time.perf_counter() < end:
            started = time.perf_counter()
            await ask(place)
            times.append(time.perf_counter() - started)
            place += 1

    started = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return _as_load(how, clients, times, time.perf_counter() - started)


def _as_load(how: str, clients: int, times: list[float], seconds: float) -> Load:
    p50, p99 = (round(float(each) * 1000, 2) for each in np.percentile(times, (50, 99)))
    return Load(how=how, clients=clients, p50=p50, p99=p99, per_second=round(len(times) / seconds, 1))


def recall_of(steps: Steps, release: Release, where: str | None, count: int = 100) -> float:
    """Recall@10 of what serves against an exact scan, ties counted as right."""
    table = open_release(steps.store, release)
    hits = []
    for vector in queries()[:count]:
        search = table.search(vector, vector_column_name="vector").distance_type("cosine").bypass_vector_index()  # pyright: ignore[reportAttributeAccessIssue]
        search = search.select(["media_id", "_distance"]).limit(K)
        truth = np.asarray((search.where(where) if where else search).to_arrow()["_distance"])
        found = nearest(table, vector, release, k=FETCHED, columns=["media_id"], where=where)
        distances = np.asarray(found["_distance"])[:K]
        hits.append(np.count_nonzero(distances <= truth[-1] * (1 + 1e-3) + 1e-6) / len(truth))
    return round(float(np.mean(hits)), 4)


def filtered(steps: Steps, release: Release) -> list[Filtered]:
    """Recall and latency under each filter, alternating with the same searches without one."""
    table, found = open_release(steps.store, release), []
    for name, share in SHARES.items():
        where = f"array_has(labels, '{name}')"
        times: list[tuple[float, float]] = []
        for vector in queries()[:100]:
            pair = []
            for each in (where, None):
                started = time.perf_counter()
                nearest(table, vector, release, k=FETCHED, columns=["media_id", "key"], where=each)
                pair.append((time.perf_counter() - started) * 1000)
            times.append((pair[0], pair[1]))
        p50 = np.median(np.asarray(times), axis=0)
        found.append(
            Filtered(
                share=share,
                rows=table.count_rows(where),
                exact=searched_exactly(table, release, where),
                recall_at_10=recall_of(steps, release, where),
                p50=round(float(p50[0]), 2),
                unfiltered_p50=round(float(p50[1]), 2),
            )
        )
    return found


def others(rows: int, wanted: float) -> list[Library]:
    """HNSW and IVF-PQ of faiss and HNSW of hnswlib, each at the least effort that reaches the recall wanted."""
    faiss = import_module("faiss")
    vectors = np.concatenate([each for each, _ in clustered(rows, seed=1)])
    flat = faiss.IndexFlatIP(DIM)
    flat.add(vectors)
    bounds = flat.search(queries()[:100], K)[0][:, -1]
    del flat
    return [_library(build, vectors, bounds, wanted) for build in (_hnswlib, _faiss_pq, _faiss_hnsw)]


Search = Callable[[np.ndarray, int], np.ndarray]  # a vector (1, DIM) and an effort → ids


def _library(
    build: Callable[[np.ndarray], tuple[str, Search]], vectors: np.ndarray, bounds: np.ndarray, wanted: float
) -> Library:
    started = time.perf_counter()
    name, search = build(vectors)
    built = round(time.perf_counter() - started, 1)
    recall = p50 = 0.0
    effort = 0
    for effort in (16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
        times, hits = [], []
        for vector, bound in zip(queries()[: len(bounds)], bounds, strict=True):
            started = time.perf_counter()
            ids = search(vector[None, :], effort)
            times.append((time.perf_counter() - started) * 1000)
            hits.append(np.count_nonzero(vectors[ids[ids >= 0]] @ vector >= bound - 1e-5) / K)
        recall, p50 = float(np.mean(hits)), float(np.median(times))
        if recall >= wanted:
            break
    return Library(name=name, effort=str(effort), recall_at_10=round(recall, 4), p50=round(p50, 2), build_seconds=built)


def _hnswlib(vectors: np.ndarray) -> tuple[str, Search]:
    hnswlib = import_module("hnswlib")
    index = hnswlib.Index(space="ip", dim=DIM)
    index.init_index(max_elements=len(vectors), M=16, ef_construction=100)
    index.add_items(vectors)
    index.set_num_threads(1)

    def search(vector: np.ndarray, effort: int) -> np.ndarray:
        index.set_ef(effort)
        return index.knn_query(vector, k=K)[0][0]

    return "hnswlib M=16, ef", search


def _faiss_pq(vectors: np.ndarray) -> tuple[str, Search]:
    faiss = import_module("faiss")
    faiss.omp_set_num_threads(2)
    index: Any = faiss.IndexIVFPQ(faiss.IndexFlatIP(DIM), DIM, 1024, 48, 8, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[:: max(1, len(vectors) // 100_000)])
    index.add(vectors)
    faiss.omp_set_num_threads(1)

    def search(vector: np.ndarray, effort: int) -> np.ndarray:
        index.nprobe = effort
        ids = index.search(vector, K * 100)[1][0]
        ids = ids[ids >= 0]
        return ids[np.argsort(-(vectors[ids] @ vector[0]))[:K]]

    return "faiss IVF1024,PQ48, 1000 refined, nprobe", search


def _faiss_hnsw(vectors: np.ndarray) -> tuple[str, Search]:
    faiss = import_module("faiss")
    faiss.omp_set_num_threads(2)
    index: Any = faiss.IndexHNSWFlat(DIM, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 100
    index.add(vectors)
    faiss.omp_set_num_threads(1)

    def search(vector: np.ndarray, effort: int) -> np.ndarray:
        index.hnsw.efSearch = effort
        return index.search(vector, K)[1][0]

    return "faiss HNSW16, ef", search


def serve(store: Path) -> tuple[subprocess.Popen[str], str]:
    """Start the service in a process of its own; its address once it is ready."""
    command = [sys.executable, "-m", "embed_assets.cli.main", "serve", "--store", str(store), "--port", "0"]
    script = "import sys; from embed_assets.cli.main import main; sys.argv[0] = 'embed-assets'; main()"
    service = subprocess.Popen([command[0], "-c", script, *command[3:]], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    for line in service.stdout:
        if "http://" in line:
            return service, "http://" + line.split("http://")[1].split()[0].rstrip("/)")
    raise SystemExit("the service did not start")


def ready(address: str) -> None:
    """Wait until the service says that it is ready."""
    import urllib.error
    import urllib.request

    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{address}/health"):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("the service is not ready after two minutes")


def measure(work: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    """Everything."""
    steps, release, seconds = build(work, wanted.rows)
    table = open_release(steps.store, release)
    exact = []
    for vector in queries()[:20]:
        started = time.perf_counter()
        kth_distances(table, vector[None, :], k=K, distance="cosine")
        exact.append((time.perf_counter() - started) * 1000)
    recall = recall_of(steps, release, None)
    service, address = serve(work / "store")
    try:
        ready(address)
        under_load = asyncio.run(loads(address, table, release, wanted.seconds))
    finally:
        service.terminate()
        service.wait()
    return {
        "rows": wanted.rows,
        "nprobes": release.nprobes,
        "refine_factor": release.refine_factor,
        "recall_at_10": recall,
        "seconds": seconds,
        "exact_p50": round(float(np.median(exact)), 1),
        "loads": [asdict(each) for each in under_load],
        "filters": [asdict(each) for each in filtered(steps, release)],
        "libraries": [asdict(each) for each in others(wanted.rows, recall)] if wanted.others else [],
    }


def show(found: dict[str, Any]) -> None:
    """For people."""
    print(
        f"{found['rows']:,} x {DIM}: recall@10 {found['recall_at_10']} with nprobes {found['nprobes']}, refine_factor "
        f"{found['refine_factor']}; exact search {found['exact_p50']} ms; seconds: {found['seconds']}\n"
    )
    print(f"{'':10} {'clients':>8} {'p50 ms':>9} {'p99 ms':>9} {'queries/s':>10}")
    for each in found["loads"]:
        numbers = f"{each['clients']:8} {each['p50']:9.2f} {each['p99']:9.2f} {each['per_second']:10.1f}"
        print(f"{each['how']:10} {numbers}")
    first = {each["how"]: each["p50"] for each in found["loads"] if each["clients"] == 1}
    print(f"service over LanceDB at p50, one client: {first['service'] / first['lancedb']:.2f}\n")
    print(f"{'filter':>8} {'rows':>9} {'search':>8} {'recall@10':>10} {'p50 ms':>8} {'unfiltered':>11}")
    for each in found["filters"]:
        how = "exact" if each["exact"] else "ANN"
        numbers = f"{each['recall_at_10']:10.4f} {each['p50']:8.2f} {each['unfiltered_p50']:11.2f}"
        print(f"{each['share']:8.1%} {each['rows']:9,} {how:>8} {numbers}")
    for each in found["libraries"]:
        print(
            f"{each['name']:36} {each['effort']:>4} recall@10 {each['recall_at_10']:.4f}  p50 {each['p50']} ms, "
            f"built in {each['build_seconds']} s"
        )


def main() -> int:
    """Print what was found."""
    parser = argparse.ArgumentParser(description="Search at a million vectors, over HTTP and directly.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, help="keep the store here")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--others", action="store_true", help="also faiss and hnswlib, which have to be installed")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(wanted.work or Path(folder), wanted)
    if wanted.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
