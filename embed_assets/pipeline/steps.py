"""Steps: what each asset does, as a plain library: refresh, resolve, plan, embed, index, check, promote."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from tempfile import TemporaryDirectory
from typing import Any

from embed_assets import progress
from embed_assets.embedding.batching import Budget
from embed_assets.embedding.commit_writer import Writer, rewrite_metadata
from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.embedding.loop import Segmenter, embed, sample
from embed_assets.embedding.run_budget import Allowance, price_of
from embed_assets.embedding.run_budget import current as current_allowance
from embed_assets.embedding.vectors_of_equal_input import KnownVectors
from embed_assets.encoders.base import Encoder
from embed_assets.errors import DeletionError, PromotionError, StoreError
from embed_assets.manifest.inspect_files import ListedSource
from embed_assets.manifest.open_sources import columns_of, decoders_of, limits_of, listed, segmenter
from embed_assets.manifest.pending_items import Plan, make_plan
from embed_assets.manifest.refresh import Change, RefreshReport, find_change, refresh, shard_names
from embed_assets.media.files.download_cache import MediaCache, cache_folder, shared_cache
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.tables.asset_value import TableValue
from embed_assets.quality.ann_recall import Recall
from embed_assets.quality.checks import COMPARED, REQUIRED
from embed_assets.quality.evaluation_queries import Asked
from embed_assets.quality.promotion_gate import Gate, compared_with_another
from embed_assets.run_cache import once
from embed_assets.settings import PipelineSettings, SpaceSettings
from embed_assets.store.asset_value_tables import LandedReport
from embed_assets.store.manifest import Manifest
from embed_assets.store.saved_settings import saved_settings
from embed_assets.store.serving.releases import CheckVerdict, Release
from embed_assets.store.serving.serving_pointer import Pointer, move_event
from embed_assets.store.serving.vector_index import IndexReport, build_indices
from embed_assets.store.store import Store
from embed_assets.store.upkeep.after_run_cleanup import tidy
from embed_assets.store.upkeep.maintenance import MaintenanceReport, maintain
from embed_assets.store.upkeep.retire_version import Retired, retirable, retire
from embed_assets.store.vectors import VectorTable, vector_schema
from embed_assets.store.version_id import VersionId
from embed_assets.store.versions import VersionRecord
from embed_assets.versions.canary_check import watch
from embed_assets.versions.cutting_recipe import limits_as, sampling_as, segmenting_as
from embed_assets.versions.load_version import installed_libraries, load_version
from embed_assets.versions.resolve_version import Resolved, resolve


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
        self._watched = set[VersionId]()  # versions whose canaries were compared

    @cached_property
    def store(self) -> Store:
        """The store, opened on first use."""
        return Store(self.settings.store, self.settings.storage_options)

    @cached_property
    def media_cache(self) -> MediaCache | None:
        """Where media of object stores is kept, so that it is fetched once for all encoders."""
        megabytes = self.settings.compute.cache_mb
        return shared_cache(cache_folder(), max_bytes=megabytes * 2**20) if megabytes else None

    @cached_property
    def decoders(self) -> Decoders | None:
        """Worker processes that start with the first item; None where the settings trust the media."""
        return decoders_of(self.limits) if self.settings.compute.isolate_decoders else None

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of all sources."""
        return self.store.manifest

    @cached_property
    def asked(self) -> Asked:
        """The queries that versions are measured with."""
        return Asked(
            self.settings,
            self.store,
            limits=self.limits,
            decoders=self.decoders,
            load=self.encoder,
            budget=self._budget,
        )

    @cached_property
    def gate(self) -> Gate:
        """What candidates are measured by."""
        return Gate(self.settings, self.store, self.asked)

    def refresh(self, source: str) -> RefreshReport:
        """Bring a source's manifest up to date with its listing."""
        progress.report("list", source, 0)
        try:
            report = refresh(self._change(source), self.manifest, shards=self.settings.shards)
        except DeletionError as error:
            raise DeletionError(f"{self._moved_from(source)}{error}") from error
        if report.changed and self.store.writable:
            self.store.history.add("refresh", report.figures())
        return report

    @contextmanager
    def refreshable(self) -> Iterator[None]:
        """Meanwhile `refresh` works on a copy of the manifest where the store can't be written: for a plan."""
        if self.store.writable:
            yield
            return
        kept = self.manifest
        with TemporaryDirectory() as folder:
            self.manifest = kept.copied(Store(folder), self.settings.sources)
            try:
                yield
            finally:
                self.manifest = kept

    def land(self, source: str, value: Any) -> LandedReport:
        """Keep the value of a source's asset in the store, so that a refresh can read it; writes what changed.

        Raises SourceError where it is no table, or lacks a column that the settings name.
        """
        settings = self.settings.sources[source]
        columns = columns_of(settings)
        table = TableValue(value, columns=columns.named(), origin=f"asset {settings.asset!r}")
        return self.store.landed(source).write(table, columns=columns.named(), content=columns.content, id=columns.id)

    def listing_differs(self, source: str) -> bool:
        """Whether a refresh of the source would find something to do; lists it, reads and writes nothing."""
        progress.report("list", source, 0)
        return self._change(source).found

    def resolve(self, encoder: str, *, register: bool = True) -> Resolved:
        """Find the encoder's version; unless told not to, register it, keep its model's files, make it current."""
        progress.report("load", encoder, 0)
        return resolve(self.settings, self.store, encoder, register=register)

    def current(self, encoder: str) -> VersionRecord | None:
        """The version that the settings meant when they were last resolved."""
        known = self.store.versions.of(encoder)
        return known[-1] if known else None

    def kept(self, encoder: str) -> list[VersionRecord]:
        """Versions that new media must reach: the current one, then live and those to go back to."""
        known = self.store.versions.of(encoder)
        pointers = self.store.serving.pointers()
        named = [r for r in reversed(known[:-1]) if any(pointer.names(r.id) for pointer in pointers)]
        return [*known[-1:], *named]

    def version(self, version: VersionId) -> VersionRecord:
        """A registered version. Raises StoreError where there is none of that name."""
        record = self.store.versions.get(version)
        if record is None:
            raise StoreError(
                f"Encoder {version.encoder!r} has no version {version.version!r} in store {self.store.uri!r}. "
                "Materialize its encoder asset first."
            )
        return record

    def vectors(self, record: VersionRecord, *, at: int | None = None) -> VectorTable:
        """The vector table of a version, as it is or as it was at a Lance version."""
        return self.store.vectors(record.id, at=at)

    def plan(
        self,
        record: VersionRecord,
        *,
        shards: Collection[str] | None = None,
        again: bool = False,
        at: int | None = None,
    ) -> Plan:
        """What is to be done for a version, in some shards or all, by its table as it is or was at a Lance version.

        `again`: what could not be read is tried again, as a run does.
        """
        known = self.store.versions.of(record.encoder)
        others = [self.vectors(other) for other in reversed(known) if other.version != record.version]
        # All shards that are named are all there are: those too that another number of shards left.
        every = shards is None or set(shard_names(self.settings.shards)).issubset(shards)
        chosen = None if shards is None or every else frozenset(shards)
        read = [at or self.store.version(record.table), *(self.store.version(table.name) for table in others)]
        aside = self.store.quarantine(record.table).hashes(again=again)

        def make() -> Plan:
            return make_plan(
                self.manifest,
                self.vectors(record, at=at),
                sources=self.settings.sources_of(record.encoder),
                media=record.spec.media,
                aside=aside,
                shards=chosen,
                others=others,
            )

        of = (self.manifest.state(), tuple(read), frozenset(aside.items()))
        return once(("plan", self.store.uri, record.id, chosen), make, of=of)

    def embed(
        self, record: VersionRecord, *, shards: Collection[str] | None = None, allowance: Allowance | None = None
    ) -> EmbedReport:
        """Encode what is missing in some shards or all, remove what is gone, leave what is equal.

        What is gone goes last: equal bytes that are new elsewhere, in a source by another name say, take its
        vectors over. Stops before `allowance` is overdrawn, by default the one that bounds this process; the
        report says so.
        """
        allowance = allowance or current_allowance()
        plan = self.plan(record, shards=shards, again=True)
        report = EmbedReport(encoder=record.encoder, version=record.version, price=price_of(record.spec))
        vectors = self.vectors(record)
        _count_settled(plan, report)
        if plan.fresh and vectors.open() is not None:
            return report
        schema = vector_schema(record.id, dim=record.dim, dtype=record.vector_dtype, distance=record.spec.distance)
        vectors.create(schema)
        rewrite_metadata(vectors, plan.rewrite)
        if plan.encode and allowance is not None and allowance.forbids(record.spec):
            report.stop(allowance.stop(len(plan.encode)), plan.encode)  # not even the model is loaded
        elif plan.encode:
            self._encode(record, plan, vectors, schema, report, allowance)
        vectors.delete_items(list(plan.delete))
        if not plan.fresh:
            self.store.history.add("embed", report.figures())
        return report

    def sample(self, record: VersionRecord, rows: Sequence[Mapping[str, Any]]) -> EmbedReport:
        """Read, cut and encode some manifest rows in memory, to see what they cost; writes nothing."""
        compute = self.settings.compute
        encoder = self.encoder(record)
        with self._decoders() as decoders:
            return sample(
                rows,
                encoder=encoder,
                segmenter=self._segmenter(record, encoder, decoders),
                budget=self._budget(encoder),
                readers=compute.readers,
                buffer_bytes=compute.buffer_mb * 1024 * 1024,
                report=EmbedReport(encoder=record.encoder, version=record.version),
            )

    def index(self, record: VersionRecord) -> Indexed:
        """Build or refresh the indices and name the table version the candidate of its space.

        The search effort is the cheapest that reaches the recall target on held-out queries. Where none
        does, the ANN index is trained anew once, since the data may have moved away from it.
        """
        progress.report("index", record.encoder, 0)
        vectors = self.vectors(record)
        if vectors.open() is None:
            raise StoreError(f"Encoder {record.encoder!r} has no vectors of version {record.version}: embed first.")
        before, by = self.store.releases.candidate(record.id), self.gate.indexed_by()
        report = self._build(record, retrain=before is not None and before.indexed_by not in ("", by))
        known = self.store.releases.get(f"{vectors.name}@{report.table_version}")
        if known is not None and self._is_by_settings(known, record):
            return Indexed(release=known, report=report, recall=None)
        recall = self.gate.tuned(record, report, before=before if before and before.ann else None)
        if recall and _worst(recall).mean < self.settings.checks.min_ann_recall:
            report = self._build(record, retrain=True)
            recall = self.gate.tuned(record, report)
        release = replace(_release(record, report, vectors.name, recall), indexed_by=by)
        self.store.releases.put(release)
        self.store.history.add("index", {"encoder": record.encoder, "version": record.version, **asdict(report)})
        return Indexed(release=release, report=report, recall=recall)

    def check(
        self, record: VersionRecord, *, only: Collection[str] | None = None
    ) -> tuple[Release, list[CheckVerdict]]:
        """Run checks on the candidate of a version, at its very table version, and record the verdicts.

        `only` names some of them; verdicts of the others stay as they were.
        """
        release = self._candidate(record)
        progress.report("check", record.encoder, 0)
        ready = self.gate.checks(record, release, self.plan(record, at=release.table_version))
        verdicts = [run() for name, run in ready.items() if only is None or name in only]
        names = {verdict.name for verdict in verdicts}
        kept = [verdict for verdict in release.checks if verdict.name not in names]
        release = replace(release, checks=(*kept, *verdicts))
        if names.issuperset(ready):
            release = replace(release, checked_by=self.gate.checked_by(release.space))
        self.store.releases.put(release)
        figures = {verdict.name: {"passed": verdict.passed, **verdict.figures} for verdict in verdicts}
        self.store.history.add("check", {"encoder": record.encoder, "release": release.key, "checks": figures})
        return release, verdicts

    def _candidate(self, record: VersionRecord) -> Release:
        release = self.store.releases.candidate(record.id)
        if release is None:
            raise StoreError(f"Encoder {record.encoder!r} version {record.version} has no candidate: index it first.")
        return release

    def serve(self, record: VersionRecord, *, by: str) -> Pointer:
        """What an automatic run does with a checked release: renew, promote, or leave it a candidate.

        A version that is live, or that roll-back returns to, gets its new release named by the pointer. The
        current version is promoted, unless it is held, the space is promoted by hand, or the space is served
        by another encoder of the settings. Raises PromotionError where a blocking check did not pass.
        """
        release = self._candidate(record)
        pointer = self.store.serving.pointer(release.space)
        if self._may_promote(record, pointer):
            return self.promote(record, by=by)
        if pointer.names(record.id):
            after = self.store.serving.renew(release, required=REQUIRED, by=by)
            return self._moved("renew", pointer, after, release, by=by)
        if failures := release.failures(REQUIRED):
            raise PromotionError(f"{release.key} stays a candidate of space {release.space!r}: " + "; ".join(failures))
        return pointer

    def settled(self, record: VersionRecord) -> bool:
        """Whether a version's latest rows are indexed and checked, and `serve` would leave the pointer as it is."""
        table = self.vectors(record).open()
        release = self.store.releases.candidate(record.id)
        if table is None or release is None or release.failures(REQUIRED) or table.version != release.table_version:
            return False
        if not self._is_by_settings(release, record):
            return False
        pointer = self.store.serving.pointer(release.space)
        if self._may_promote(record, pointer):
            return False
        own = pointer.names(record.id)
        return not own or any(named.identity == release.identity for named in pointer.releases)

    def _is_by_settings(self, release: Release, record: VersionRecord) -> bool:
        """Whether a release was indexed, and checked where it was checked, by the settings as they are now."""
        by = self.gate.indexed_by(), self.gate.checked_by(record.spec.space)
        return (
            release.space == record.spec.space
            and release.indexed_by in ("", by[0])
            and (release.checked_by == by[1] or not release.checks)
        )

    def promote(self, record: VersionRecord, *, by: str) -> Pointer:
        """Make the version's candidate live. Raises PromotionError where a blocking check did not pass.

        Where another version serves by now than the candidate was compared with, it is compared anew.
        """
        release = self._candidate(record)
        before = self.store.serving.pointer(release.space)
        if compared_with_another(release, before):
            release, _ = self.check(record, only={COMPARED.name})
        keep = self._space(release.space).keep_previous
        after = self.store.serving.promote(release, required=REQUIRED, by=by, keep=keep)
        return self._moved("promote", before, after, by=by)

    def roll_back(self, space: str, *, by: str, to: str | None = None) -> Pointer:
        """Back to the version before, or to a named one; nothing is encoded or rebuilt."""
        before = self.store.serving.pointer(space)
        return self._moved("roll back", before, self.store.serving.roll_back(space, by=by, to=to), by=by)

    def retire(self, version: VersionId, *, by: str) -> Retired:
        """Drop a version's vectors and all that is kept for them. Raises StoreError where something needs it."""
        current = self.current(version.encoder) if version.encoder in self.settings.encoders else None
        retired = retire(self.store, version, current=current.version if current else None)
        self.store.history.add("retire", asdict(retired) | {"by": by})
        return retired

    def unused(self, encoder: str) -> list[VersionRecord]:
        """Versions that nothing needs: neither current, nor live, nor to go back to."""
        current = self.current(encoder) if encoder in self.settings.encoders else None
        return retirable(self.store, encoder, current=current.version if current else None)

    def retry(self) -> int:
        """Have the next run try all that was set aside, though its bytes did not change; how many items, by version.

        For what a limit stopped that was raised since, or a decoder that was mended.
        """
        tables = [self.vectors(record) for encoder in self.settings.encoders for record in self.kept(encoder)]
        unread = sum(self.manifest.look_again(source) for source in self.settings.sources)
        return unread + sum(self.store.quarantine(table.name).clear() for table in tables)

    def maintain(self, *, seconds: float | None = None, by: str) -> MaintenanceReport:
        """Retire what nothing needs, compact, bring indices up to date, remove what is old; serve the moved tables.

        A version is retired where it is neither current nor live nor to go back to, and was last current longer
        ago than `maintenance.keep_hours`. Nothing is begun once `seconds` are over, unset: those of the settings.
        """
        started, limit = time.monotonic(), self.settings.maintenance.seconds if seconds is None else seconds
        retired: list[VersionId] = []
        old = datetime.now(UTC) - timedelta(hours=self.settings.maintenance.keep_hours)
        versions = self.store.versions
        for encoder in versions.encoders():
            for record in self.unused(encoder):
                if datetime.fromisoformat(record.at) < old:
                    self.retire(record.id, by=by)
                    retired.append(record.id)
        report = maintain(self.store, self.settings.maintenance, seconds=limit)
        report.retired = retired
        records = [record for encoder in self.settings.encoders for record in self.kept(encoder)]
        for record in records:
            if record.table not in report.changed or not self.plan(record).fresh:
                continue
            if time.monotonic() - started < limit:
                report.skipped |= self._served_anew(record, by=by)
            else:
                report.left.append(f"serve {record.table}")
        files = {sha for encoder in versions.encoders() for r in versions.of(encoder) for sha in r.files.values()}
        self.store.model_copies.clean(files, before=old)
        self.store.history.add("maintain", report.figures() | {"by": by})
        return report

    def tidy(self) -> None:
        """Bound what many small runs leave in the store's tables; seldom has something to do."""
        tidy(self.store, self.settings.maintenance)

    def _served_anew(self, record: VersionRecord, *, by: str) -> dict[str, str]:
        """Index, check and serve; what a check held back, and why."""
        self.index(record)
        self.check(record)
        try:
            self.serve(record, by=by)
        except PromotionError as error:
            return {f"serve {record.table}": str(error)}
        return {}

    def encoder(self, record: VersionRecord) -> Encoder:
        """The loaded encoder of a version, warm in this process."""
        return load_version(record, compute=self.settings.compute, store=self.store)

    def writer_of(self, record: VersionRecord) -> Encoder:
        """The encoder of a version, its canaries compared. Raises EncoderVersionError where they moved."""
        encoder = self.encoder(record)
        if record.id not in self._watched:
            libraries = dict(installed_libraries())
            watch(record, encoder, self.store.canaries, libraries=libraries)
            self._watched.add(record.id)
        return encoder

    def by_hand(self, record: VersionRecord, pointer: Pointer) -> str:
        """Why only a person promotes a version that the settings mean, in words; "" where a run does."""
        if record.version in pointer.held:
            return "it was rolled back from"
        if self._space(pointer.space).promotion == "manual":
            return f"spaces.{pointer.space}.promotion is manual"
        live = pointer.live
        if live is not None and live.encoder != record.encoder and live.encoder in self.settings.encoders:
            return f"encoder {live.encoder!r} of the settings serves the space"
        return ""

    def _may_promote(self, record: VersionRecord, pointer: Pointer) -> bool:
        current = self.current(record.encoder)
        if current is None or current.version != record.version or self.by_hand(record, pointer):
            return False
        return not pointer.serves(record.id)

    def _space(self, space: str) -> SpaceSettings:
        return self.settings.spaces.get(space) or SpaceSettings()

    def _moved(self, kind: str, before: Pointer, after: Pointer, release: Release | None = None, *, by: str) -> Pointer:
        """Note the move in the history, if this process made one."""
        if after.generation != before.generation and after.by == by:
            self.store.history.add(kind, move_event(after, release))
        return after

    def _moved_from(self, source: str) -> str:
        """That a source was elsewhere in the run before, in words: then it is no wonder that its items are gone."""
        kept, now = saved_settings(self.store), self.settings.sources[source].address
        before = kept.sources[source].address if kept and source in kept.sources else now
        return "" if before == now else f"Source {source!r} was {before}, is now {now}. "

    def _listed(self, source: str) -> ListedSource:
        settings, readers = self.settings.sources[source], self.settings.compute.readers
        if self.settings.accept_deletions:
            settings = settings.model_copy(update={"max_deleted_share": 1.0})

        def make() -> ListedSource:
            return listed(
                source,
                settings,
                limits=self.limits,
                readers=readers,
                store=self.store,
                cache=self.media_cache,
                decoders=self.decoders,
            )

        return once(("listing", self.store.uri, source), make) if settings.kind == "files" else make()

    def _change(self, source: str) -> Change:
        def make() -> Change:
            return find_change(self._listed(source), self.manifest)

        if self.settings.sources[source].kind != "files":  # what it lists may be another table by now
            return make()
        return once(("change", self.store.uri, source), make, of=self.manifest.state())

    def _encode(
        self,
        record: VersionRecord,
        plan: Plan,
        vectors: VectorTable,
        schema: Any,
        report: EmbedReport,
        allowance: Allowance | None,
    ) -> None:
        compute = self.settings.compute
        encoder = self.writer_of(record)
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
                segmenter=self._segmenter(record, encoder, decoders),
                writer=writer,
                known=KnownVectors(vectors),
                budget=self._budget(encoder),
                readers=compute.readers,
                buffer_bytes=compute.buffer_mb * 1024 * 1024,
                report=report,
                allowance=allowance,
            )

    def _segmenter(self, record: VersionRecord, encoder: Encoder, decoders: Decoders | None) -> Segmenter:
        """Reads and cuts items as the version does; a kept one may have been made with other settings."""
        return segmenter(
            {name: self.settings.sources[name] for name in self.settings.sources_of(record.encoder)},
            encoder,
            segmenting=segmenting_as(record),
            sampling=sampling_as(record),
            limits=limits_as(record, self.limits),
            decoders=decoders,
            store=self.store,
            cache=self.media_cache,
        )

    @contextmanager
    def _decoders(self) -> Iterator[Decoders | None]:
        """The worker processes, which end with the block: those that wait hold memory."""
        try:
            yield self.decoders
        finally:
            if self.decoders is not None:
                self.decoders.rest()

    def _budget(self, encoder: Encoder) -> Budget:
        compute = self.settings.compute
        return Budget.for_device(encoder.device, tokens=compute.batch_tokens, pixels=compute.batch_pixels)

    def _build(self, record: VersionRecord, *, retrain: bool) -> IndexReport:
        settings, distance = self.settings.index, record.spec.distance
        return build_indices(self.store, record.table, distance=distance, settings=settings, retrain=retrain)


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
