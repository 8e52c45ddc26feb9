"""Embed on Ray: a plan's items through Ray Data, and back to the one writer, which commits them as it always does.

    plan ─► blocks of rows ─► cutting actors (CPUs) ─► encoding actors (GPUs) ─► blocks of vectors ─► writer ─► Lance

Ray's defaults are kept: an actor that dies is started again and its block repeated, for ever; nothing is left out in
silence (`max_errored_blocks` is never set). Blocks are results, not effects, so that a repeated one doubles nothing.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from embed_assets import progress
from embed_assets.embedding.commit_writer import Writer
from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.embedding.ray_engine.blocks import items_of, raised_in, reports_of, rows_block
from embed_assets.embedding.ray_engine.cluster import connected_ray
from embed_assets.embedding.ray_engine.workers import CuttingWorker, EncodingWorker, WorkerRecipe
from embed_assets.errors import EngineError
from embed_assets.manifest.pending_items import Plan
from embed_assets.store.manifest_row import ManifestRow

_ROUND = 50_000  # items of one Ray job, whose rows this process holds
_FEWEST, _MOST = 16, 256  # rows of a block


@dataclass(frozen=True, kw_only=True)
class RayActors:
    """How many actors of each kind, and what each takes of the cluster."""

    address: str | None
    encoders: int
    cpus: float  # of an encoding actor
    gpus: float
    cutters: int  # 0: encoding actors cut, too


def embed_on_ray(plan: Plan, recipe: WorkerRecipe, actors: RayActors, *, writer: Writer, report: EmbedReport) -> None:
    """Encode the missing items of a plan on a Ray cluster; counts and seconds go into `report`.

    The counterpart of `embedding.loop.embed`, with the same rows as its result. On any error what came back is written
    before it is raised. Raises EngineError where no cluster answers, or other items come back than it was given.
    """
    started, done, total = time.monotonic(), 0, len(plan.encode)
    ray = connected_ray(actors.address)
    rows = iter(plan.encode)
    try:
        while part := list(islice(rows, _ROUND)):
            for finished in _encoded(ray, part, recipe, actors, writer, report):
                done += finished
                progress.report("encode", recipe.encoder, done, total, quarantined=report.total("quarantined"))
    finally:
        writer.close()
        report.write_seconds += writer.seconds
        report.commits += writer.commits
        report.add_seconds(time.monotonic() - started)


def _encoded(
    ray: Any, rows: Sequence[ManifestRow], recipe: WorkerRecipe, actors: RayActors, writer: Writer, report: EmbedReport
) -> Iterator[int]:
    """Give the writer the items of one Ray job; yield how many, block by block."""
    by_id = {row["media_id"]: row for row in rows}
    missing = set(by_id)
    for block in _blocks(ray, rows, recipe, actors):
        if (error := raised_in(block)) is not None:
            raise error
        for item in items_of(block, by_id):
            media_id = item.row["media_id"]
            if media_id not in missing:
                raise EngineError(f"Ray returned item {media_id} twice. Nothing of the second is written; run again.")
            missing.remove(media_id)
            writer.put(item)
        for part in reports_of(block):
            report.add(part)
        yield block.num_rows
    if missing:
        raise EngineError(
            f"Ray returned {len(rows) - len(missing):,} of {len(rows):,} items. What came is written; run again."
        )


def _blocks(ray: Any, rows: Sequence[ManifestRow], recipe: WorkerRecipe, actors: RayActors) -> Iterator[Any]:
    """Yield finished blocks, as they come."""
    _quiet(ray)
    size = max(_FEWEST, min(_MOST, -(-len(rows) // (4 * actors.encoders))))
    blocks = [rows_block(rows[start : start + size]) for start in range(0, len(rows), size)]
    data = ray.data.from_arrow(blocks)
    if actors.cutters:
        cutters = min(actors.cutters, len(blocks))  # Ray warns of more
        data = _mapped(ray, data, CuttingWorker, recipe, count=cutters, size=size, num_cpus=1)
    encoders, takes = min(actors.encoders, len(blocks)), {"num_cpus": actors.cpus, "num_gpus": actors.gpus}
    data = _mapped(ray, data, EncodingWorker, recipe, count=encoders, size=size, **takes)
    try:
        yield from data.iter_batches(batch_format="pyarrow", batch_size=None)
    except ray.exceptions.RayError as error:
        what = str(error).strip().rpartition("\n")[2]
        raise EngineError(
            f"Ray ended with {type(error).__name__}: {what}. What came back is written; run again."
        ) from error


def _mapped(ray: Any, data: Any, worker: type, recipe: WorkerRecipe, *, count: int, size: int, **takes: Any) -> Any:
    return data.map_batches(
        worker,
        fn_constructor_args=(recipe,),
        batch_size=size,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=count),
        **takes,
    )


def _quiet(ray: Any) -> None:
    """Leave the terminal to this package's own progress."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
