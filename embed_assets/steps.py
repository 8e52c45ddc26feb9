"""Steps: what each asset does, as a plain library: refresh, resolve, plan, embed, index, check, promote."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from embed_assets.embedding import progress
from embed_assets.embedding.batching import Budget
from embed_assets.embedding.known import KnownVectors
from embed_assets.embedding.loading import load_version, make_version
from embed_assets.embedding.loop import embed
from embed_assets.embedding.plan import Plan, make_plan
from embed_assets.embedding.refresh import RefreshReport, differs, refresh
from embed_assets.embedding.report import EmbedReport
from embed_assets.embedding.sources import limits_of, listed, sampling_of, segmenter, segmenting_of
from embed_assets.embedding.writer import Writer, rewrite_metadata
from embed_assets.encoders.base import Encoder
from embed_assets.errors import StoreError
from embed_assets.media.isolation import Decoders
from embed_assets.media.sampling import Sampling
from embed_assets.quality.asked import Asked
from embed_assets.quality.checks import REQUIRED
from embed_assets.quality.gate import Gate
from embed_assets.quality.recall import Recall
from embed_assets.settings import PipelineSettings
from embed_assets.store.connection import Store
from embed_assets.store.history import History
from embed_assets.store.index import IndexReport, IndexSettings, build_indices
from embed_assets.store.manifest import Manifest
from embed_assets.store.releases import CheckVerdict, Release, Releases
from embed_assets.store.serving import Pointer, Serving
from embed_assets.store.vectors import VectorTable, vector_schema
from embed_assets.store.versions import EncoderVersions, VersionRecord


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """An encoder version as it was found, and how it differs from the one before."""

    record: VersionRecord
    is_new: bool
    changes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """A candidate, with what its table looks like and the recall that its search effort was chosen by."""

    release: Release
    report: IndexReport
    recall: dict[str, Recall] | None  # by query modality; None where search is exact or nothing changed


class Steps:
    """One pipeline's steps on its store. Every step may be repeated: it does what is left to do."""

    def __init__(self, settings: PipelineSettings) -> None:
        self.settings = settings
        self.limits = limits_of(settings.limits)

    @cached_property
    def store(self) -> Store:
        """The store, opened on first use."""
        return Store(self.settings.store, self.settings.storage_options)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of all sources."""
        return Manifest(self.store)

    @cached_property
    def asked(self) -> Asked:
        """The queries that versions are measured with."""
        return Asked(self.settings, self.store, limits=self.limits, load=self.encoder, budget=self._budget)

    @cached_property
    def gate(self) -> Gate:
        """What candidates are measured by."""
        return Gate(self.settings, self.store, self.asked)

    def refresh(self, source: str) -> RefreshReport:
        """Bring a source's manifest up to date with its listing."""
        settings = self.settings.sources[source]
        progress.report("list", source, 0)
        found = listed(source, settings, limits=self.limits, readers=self.settings.compute.readers)
        report = refresh(found, self.manifest, shards=self.settings.shards)
        if report.changed:
            History(self.store).add("refresh", report.figures())
        return report

    def listing_differs(self, source: str) -> bool:
        """Whether a refresh of the source would find something to do; lists it, reads and writes nothing."""
        settings = self.settings.sources[source]
        progress.report("list", source, 0)
        found = listed(source, settings, limits=self.limits, readers=self.settings.compute.readers)
        return differs(found, self.manifest)

    def resolve(self, encoder: str) -> Resolved:
        """Find the encoder's version, and register it where it is new."""
        settings = self.settings.encoders[encoder]
        progress.report("load", encoder, 0)
        record = make_version(
            encoder,
            settings,
            compute=self.settings.compute,
            segmenting=segmenting_of(settings.segment),
            limits=self.limits,
            vector_dtype=self.settings.index.vector_dtype,
        )
        known = EncoderVersions(self.store)
        before = [version for version in known.of(encoder) if version.version != record.version]
        is_new = known.add(record)
        changes = _changes(before[-1], record) if before else []
        return Resolved(record=record, is_new=is_new, changes=changes)

    def version(self, encoder: str, version: str) -> VersionRecord:
        """A registered version. Raises StoreError where there is none of that name."""
        record = EncoderVersions(self.store).get(encoder, version)
        if record is None:
            raise StoreError(
                f"Encoder {encoder!r} has no version {version!r} in store {self.store.uri!r}. "
                "Materialize its encoder asset first."
            )
        return record

    def vectors(self, record: VersionRecord) -> VectorTable:
        """The vector table of a version."""
        return VectorTable(self.store, record.encoder, record.version)

    def plan(self, record: VersionRecord, *, shards: Collection[str] | None = None) -> Plan:
        """What is to be done for a version, in some shards or all."""
        return make_plan(
            self.manifest,
            self.vectors(record),
            sources=self.settings.sources_of(record.encoder),
            media=record.spec.media,
            shards=shards,
        )

    def embed(self, record: VersionRecord, *, shards: Collection[str] | None = None) -> EmbedReport:
        """Encode what is missing in some shards or all, remove what is gone, leave what is equal."""
        plan = self.plan(record, shards=shards)
        report = EmbedReport(encoder=record.encoder, version=record.version)
        vectors = self.vectors(record)
        _count_settled(plan, report)
        if plan.fresh and vectors.open() is not None:
            return report
        schema = vector_schema(
            dim=record.dim,
            dtype=record.vector_dtype,
            encoder=record.encoder,
            version=record.version,
            distance=record.spec.distance,
        )
        vectors.create(schema)
        vectors.delete_items(list(plan.delete))
        rewrite_metadata(vectors, plan.rewrite)
        if plan.encode:
            self._encode(record, plan, vectors, schema, report)
        if not plan.fresh:
            History(self.store).add("embed", report.figures())
        return report

    def index(self, record: VersionRecord) -> Indexed:
        """Build or refresh the indices and name the table version the candidate of its space.

        The search effort is the cheapest that reaches the recall target on held-out queries. Where none
        does, the ANN index is trained anew once, since the data may have moved away from it.
        """
        progress.report("index", record.encoder, 0)
        vectors = self.vectors(record)
        if vectors.open() is None:
            raise StoreError(f"Encoder {record.encoder!r} has no vectors of version {record.version}: embed first.")
        report = self._build(record, retrain=False)
        known = Releases(self.store).get(f"{vectors.name}@{report.table_version}")
        if known is not None:
            return Indexed(release=known, report=report, recall=None)
        recall = self.gate.tuned(record, report)
        if recall and _worst(recall).mean < self.settings.checks.min_ann_recall:
            report = self._build(record, retrain=True)
            recall = self.gate.tuned(record, report)
        known = Releases(self.store).get(f"{vectors.name}@{report.table_version}")
        release = known or _release(record, report, vectors.name, recall)
        if known is None:
            Releases(self.store).put(release)
            History(self.store).add("index", {"encoder": record.encoder, "version": record.version, **asdict(report)})
        return Indexed(release=release, report=report, recall=recall)

    def check(
        self, record: VersionRecord, *, only: Collection[str] | None = None
    ) -> tuple[Release, list[CheckVerdict]]:
        """Run checks on the candidate of a version, at its very table version, and record the verdicts.

        `only` names some of them; verdicts of the others stay as they were.
        """
        release = self._candidate(record)
        progress.report("check", record.encoder, 0)
        ready = self.gate.checks(record, release, self.plan(record))
        verdicts = [run() for name, run in ready.items() if only is None or name in only]
        names = {verdict.name for verdict in verdicts}
        kept = [verdict for verdict in release.checks if verdict.name not in names]
        release = replace(release, checks=(*kept, *verdicts))
        Releases(self.store).put(release)
        figures = {verdict.name: {"passed": verdict.passed, **verdict.figures} for verdict in verdicts}
        History(self.store).add("check", {"encoder": record.encoder, "release": release.key, "checks": figures})
        return release, verdicts

    def _candidate(self, record: VersionRecord) -> Release:
        release = Releases(self.store).candidate(record.encoder, record.version)
        if release is None:
            raise StoreError(f"Encoder {record.encoder!r} version {record.version} has no candidate: index it first.")
        return release

    def promote(self, record: VersionRecord, *, by: str) -> Pointer:
        """Make the version's candidate live. Raises PromotionError where a blocking check did not pass."""
        release = self._candidate(record)
        before = Serving(self.store).pointer(release.space)
        pointer = Serving(self.store).promote(release, required=REQUIRED, by=by)
        if pointer.generation != before.generation:
            event = {
                "space": release.space,
                "release": release.key,
                "by": by,
                "generation": pointer.generation,
            }
            History(self.store).add("promote", event)
        return pointer

    def encoder(self, record: VersionRecord) -> Encoder:
        """The loaded encoder of a version, warm in this process."""
        return load_version(record, compute=self.settings.compute)

    def _encode(
        self, record: VersionRecord, plan: Plan, vectors: VectorTable, schema: Any, report: EmbedReport
    ) -> None:
        compute = self.settings.compute
        encoder = self.encoder(record)
        sources = {name: self.settings.sources[name] for name in self.settings.sources_of(record.encoder)}
        segmenting = segmenting_of(self.settings.encoders[record.encoder].segment)
        progress.report("encode", record.encoder, 0, len(plan.encode))
        writer = Writer(
            vectors,
            schema,
            version=record.version,
            replaced=frozenset(plan.replaced),
            flush_rows=compute.flush_rows,
            flush_seconds=compute.flush_seconds,
        )
        with self._decoders() as decoders:
            embed(
                plan,
                encoder=encoder,
                segmenter=segmenter(
                    sources,
                    encoder,
                    segmenting=segmenting,
                    sampling=self._sampling(record),
                    limits=self.limits,
                    decoders=decoders,
                ),
                writer=writer,
                known=KnownVectors(vectors),
                budget=self._budget(encoder),
                readers=compute.readers,
                buffer_bytes=compute.buffer_mb * 1024 * 1024,
                report=report,
            )

    def _sampling(self, record: VersionRecord) -> Sampling | None:
        by_scene = self.settings.encoders[record.encoder].by_scene
        return sampling_of(record.spec, by_scene=by_scene)

    def _decoders(self) -> AbstractContextManager[Decoders | None]:
        """Worker processes that start with the first item; None where the settings trust the media."""
        if not self.settings.compute.isolate_decoders:
            return nullcontext()
        return Decoders(seconds=self.limits.decode_seconds, megabytes=self.limits.decode_megabytes)

    def _budget(self, encoder: Encoder) -> Budget:
        compute = self.settings.compute
        return Budget.for_device(encoder.device, tokens=compute.batch_tokens, pixels=compute.batch_pixels)

    def _build(self, record: VersionRecord, *, retrain: bool) -> IndexReport:
        wanted = self.settings.index
        settings = IndexSettings(
            min_rows=wanted.min_rows, rows_per_partition=wanted.rows_per_partition, num_bits=wanted.num_bits
        )
        name, distance = self.vectors(record).name, record.spec.distance
        return build_indices(self.store, name, distance=distance, settings=settings, retrain=retrain)


def _count_settled(plan: Plan, report: EmbedReport) -> None:
    """Count what needs no encoder: unchanged, rewritten, deleted, quarantined before."""
    for source, count in plan.unchanged.items():
        report.count("unchanged", source, None, count)
    for row in plan.rewrite:
        report.count("rewritten", row["source"], row["shard"])
    for gone in plan.delete.values():
        if gone.deleted:
            report.count("deleted", gone.source, gone.shard)
    for source, reasons in plan.quarantined.items():
        for reason, count in reasons.items():
            report.count("quarantined", source, None, count)
            report.reason(source, reason, count)


def _changes(before: VersionRecord, now: VersionRecord) -> list[str]:
    from embed_assets.encoders.identity import difference

    cut = {"segmenting": str(before.segmenting)}, {"segmenting": str(dict(now.segmenting))}
    return difference({**before.parts, **cut[0]}, {**now.parts, **cut[1]})


def _worst(recall: dict[str, Recall]) -> Recall:
    return min(recall.values(), key=lambda found: found.mean)


def _release(record: VersionRecord, report: IndexReport, table: str, recall: dict[str, Recall] | None) -> Release:
    nprobes = max((found.nprobes for found in (recall or {}).values()), default=20)
    refine_factor = max((found.refine_factor for found in (recall or {}).values()), default=2)
    return Release(
        space=record.spec.space,
        encoder=record.encoder,
        encoder_version=record.version,
        table=table,
        table_version=report.table_version,
        dim=record.dim,
        distance=record.spec.distance,
        rows=report.rows,
        ann=report.ann,
        nprobes=nprobes,
        refine_factor=refine_factor,
        recall_at_10=round(_worst(recall).mean, 4) if recall else None,
    )
