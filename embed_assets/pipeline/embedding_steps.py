"""Steps of vectors: plan what an encoder version has pending, embed it, sample its cost."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from embed_assets import progress
from embed_assets.embedding.added_columns import add_columns
from embed_assets.embedding.batch_trial import FEWEST_ITEMS, begin_trials
from embed_assets.embedding.commit_writer import Writer, rewrite_metadata
from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.embedding.loop import CollectedItems, embed, encode_in_memory
from embed_assets.embedding.ray_engine.embed_on_ray import RayActors, embed_on_ray
from embed_assets.embedding.run_budget import RunBudget, current_budget, price_of
from embed_assets.embedding.vectors_of_equal_input import EqualInputVectors
from embed_assets.errors import MediaError
from embed_assets.manifest.pending_items import Plan, make_plan
from embed_assets.manifest.refresh import shard_names
from embed_assets.manifest.user_column_types import ColumnTypes, column_types
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.encoding.ray_recipe import PipelineRecipe
from embed_assets.pipeline.encoding.version_encoding import encoding_of, vector_schema_of
from embed_assets.run_cache import cached
from embed_assets.settings import PipelineSettings
from embed_assets.store.buckets.one_moment import one_moment
from embed_assets.store.manifest_row import ManifestRow
from embed_assets.store.user_columns import with_user_columns
from embed_assets.store.vectors import VectorTable
from embed_assets.store.versions import VersionRecord
from embed_assets.unused_memory import give_back


class EmbeddingSteps:
    """Plan, embedding and cost samples of one encoder version."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._settings = context.settings
        self._store = context.store

    @one_moment()
    def plan(
        self,
        record: VersionRecord,
        *,
        shards: Collection[str] | None = None,
        again: bool = False,
        at: int | None = None,
    ) -> Plan:
        """Return what is to be done for a version, in some shards or all.

        `again`: items that could not be read are tried again, as in a run. `at`: by the vector table as it was at
        that Lance version.
        """
        store, manifest = self._store, self._context.manifest
        versions = store.versions.of(record.encoder)
        others = [store.vectors(each.id) for each in reversed(versions) if each.id != record.id]
        # All shards of the settings are all there are: also those that another number of shards left.
        all_shards = shards is None or set(shard_names(self._settings.shards)).issubset(shards)
        chosen = None if shards is None or all_shards else frozenset(shards)
        table_versions = [at or store.version(record.table), *(store.version(table.name) for table in others)]
        quarantined = store.quarantine(record.table).hashes(again=again)

        def compute() -> Plan:
            plan = make_plan(
                manifest,
                store.vectors(record.id, at=at),
                sources=self._settings.sources_of(record.encoder),
                media=record.spec.media,
                quarantined=quarantined,
                shards=chosen,
                others=others,
            )
            give_back()
            return plan

        depends_on = (manifest.table_versions(), tuple(table_versions), frozenset(quarantined.items()))
        return cached(("plan", store.uri, record.id, chosen), compute, depends_on=depends_on)

    def embed(
        self, record: VersionRecord, *, shards: Collection[str] | None = None, budget: RunBudget | None = None
    ) -> EmbedReport:
        """Encode what is missing in some shards or all, delete rows of deleted items, leave what is equal.

        Rows are deleted last: equal bytes that are new elsewhere, in a source by another name say, reuse their
        vectors. Stops before `budget` is overdrawn, by default the one that bounds this run; the report says so.
        """
        budget = budget or current_budget()
        plan = self.plan(record, shards=shards, again=True)
        report = EmbedReport(encoder=record.encoder, version=record.version, price=price_of(record.spec))
        vectors = self._store.vectors(record.id)
        _count_without_encoder(plan, report)
        types = self.column_types(record)
        vectors.create(with_user_columns(vector_schema_of(record), types.kinds))
        add_columns(vectors, self._context.manifest, sources=self._sources(record), kinds=types.kinds)
        report.conflicts = types.conflicts
        if plan.fresh:
            return report
        rewrite_metadata(vectors, plan.rewrite)
        if plan.encode and budget is not None and budget.blocks(record.spec):
            report.stop(budget.stop(len(plan.encode)), plan.encode)  # not even the model is loaded
        elif plan.encode:
            self._encode(record, plan, vectors, report, budget)
        vectors.delete_items(list(plan.delete))
        give_back()
        if not plan.fresh:
            self._store.history.add("embed", report.figures())
        return report

    def column_types(self, record: VersionRecord) -> ColumnTypes:
        """Return the types of the user columns of a version's sources."""
        sources = {name: self._settings.sources[name] for name in self._sources(record)}
        return column_types(self._context.manifest, sources)

    def sample(
        self, record: VersionRecord, rows: Sequence[ManifestRow], *, keep: CollectedItems | None = None
    ) -> EmbedReport:
        """Read, cut and encode some manifest rows in memory, to measure their cost; vectors go into `keep`."""
        encoder, report = self._context.encoder(record), EmbedReport(encoder=record.encoder, version=record.version)
        with self._context.running_decoders() as decoders:
            return encode_in_memory(
                rows, encoding_of(self._context, record, encoder, decoders), report=report, keep=keep
            )

    def first_segments(self, record: VersionRecord, rows: Sequence[ManifestRow]) -> Iterator[tuple[str, Any]]:
        """Yield media id and payload of each item's first segment; of what can't be read nothing."""
        encoder = self._context.encoder(record)
        with self._context.running_decoders() as decoders:
            encoding = encoding_of(self._context, record, encoder, decoders)
            for row in rows:
                with suppress(MediaError):
                    segment = next(iter(encoding.segmenter(row)), None)
                    if segment is not None:
                        yield row["media_id"], segment.payload

    def _encode(
        self, record: VersionRecord, plan: Plan, vectors: VectorTable, report: EmbedReport, budget: RunBudget | None
    ) -> None:
        compute = self._settings.compute
        progress.report("encode", record.encoder, 0, len(plan.encode))
        writer = partial(
            Writer,
            vectors,
            vector_schema_of(record),
            version=record.version,
            replaced=frozenset(plan.replaced),
            flush_rows=compute.flush_rows,
            flush_seconds=compute.flush_seconds,
        )
        if compute.engine == "ray" and budget is None:  # what Ray has begun can't be taken back within a budget
            recipe, actors = PipelineRecipe(self._settings, record), _actors(self._settings, record)
            embed_on_ray(plan, recipe, actors, writer=writer(), report=report)
            return
        encoder = self._context.verified_encoder(record)
        with self._context.running_decoders() as decoders:
            encoding = encoding_of(self._context, record, encoder, decoders)
            if len(plan.encode) >= FEWEST_ITEMS:
                sizes = {"tokens": compute.batch_tokens, "pixels": compute.batch_pixels}
                encoding = replace(encoding, trials=begin_trials(encoder, sizes, asdict(encoding.limits)))
            known = EqualInputVectors(vectors)
            embed(plan, encoding, writer=writer(), known=known, report=report, budget=budget)

    def _sources(self, record: VersionRecord) -> list[str]:
        return list(self._settings.sources_of(record.encoder))


def _actors(settings: PipelineSettings, record: VersionRecord) -> RayActors:
    """Return how many actors a version takes. Texts are cut where they are encoded: nothing is decoded."""
    ray = settings.compute.ray
    cutters = 0 if set(record.spec.media) == {"text"} else ray.cutters
    return RayActors(address=ray.address, encoders=ray.encoders, cpus=ray.cpus, gpus=ray.gpus, cutters=cutters)


def _count_without_encoder(plan: Plan, report: EmbedReport) -> None:
    """Count the items that need no encoder: unchanged, rewritten, deleted, quarantined before."""
    for source, count in plan.unchanged.items():
        report.count("unchanged", source, None, count)
    for row in plan.rewrite:
        report.count("rewritten", row["source"], row["shard"])
    for obsolete in plan.delete.values():
        if obsolete.deleted:
            report.count("deleted", obsolete.source, obsolete.shard)
    for source, reasons in plan.quarantined.items():
        for reason, count in reasons.items():
            report.count("quarantined", source, None, count)
            report.reason(source, reason, count)
