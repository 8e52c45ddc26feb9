"""Steps: the one way into a pipeline for assets and the command line; each group of steps is a file of its own."""

from embed_assets.pipeline.comparison_steps import ComparisonSteps
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.embedding_steps import EmbeddingSteps
from embed_assets.pipeline.export_steps import ExportSteps
from embed_assets.pipeline.inspection.inspection_steps import InspectionSteps
from embed_assets.pipeline.promotion_steps import PromotionSteps
from embed_assets.pipeline.release_steps import ReleaseSteps
from embed_assets.pipeline.reports.evaluation_steps import EvaluationSteps
from embed_assets.pipeline.reports.match_steps import MatchSteps
from embed_assets.pipeline.reports.noise_steps import NoiseSteps
from embed_assets.pipeline.reports.report_steps import ReportSteps
from embed_assets.pipeline.source_steps import SourceSteps
from embed_assets.pipeline.upkeep_steps import UpkeepSteps
from embed_assets.pipeline.version_steps import VersionSteps
from embed_assets.settings import PipelineSettings
from embed_assets.store.manifest import Manifest
from embed_assets.store.vectors import VectorTable
from embed_assets.store.versions import VersionRecord


class Steps:
    """A pipeline's steps on its store. Every step may be repeated: it does what is pending."""

    def __init__(self, settings: PipelineSettings, *, context: RunContext | None = None) -> None:
        context = context or RunContext(settings)
        self.settings, self.store, self.limits = context.settings, context.store, context.limits
        self.context = context
        self.encoder, self.scratch_manifest = context.encoder, context.scratch_manifest

        self.sources = sources = SourceSteps(context)
        self.refresh, self.listing_differs, self.land = sources.refresh, sources.listing_differs, sources.land

        versions = VersionSteps(context)
        self.resolve, self.version = versions.resolve, versions.version
        self.current_version, self.active_versions = versions.current, versions.active

        embedding = EmbeddingSteps(context)
        self.plan, self.embed, self.sample = embedding.plan, embedding.embed, embedding.sample
        self.column_types = embedding.column_types

        self.compare = ComparisonSteps(context, versions, embedding).compare

        self.evaluate = EvaluationSteps(context).evaluate
        self.noise = NoiseSteps(context, versions, embedding).noise
        self.inspect = InspectionSteps(context).inspect
        reports = ReportSteps(context)
        self.drift, self.query_drift, self.balance = reports.drift, reports.query_drift, reports.balance

        saved = MatchSteps(context)
        self.matches, self.keep_matches = saved.matches, saved.keep_matches
        self.matches_are_due, self.reported_matches = saved.matches_are_due, saved.reported

        exports = ExportSteps(context)
        self.export, self.export_to, self.export_is_due = exports.export, exports.export_to, exports.export_is_due

        releases = ReleaseSteps(context, embedding)
        self.index, self.check, self.candidate = releases.index, releases.check, releases.candidate

        promotion = PromotionSteps(context, releases)
        self.serve, self.promote, self.roll_back = promotion.serve, promotion.promote, promotion.roll_back
        self.is_up_to_date = promotion.is_up_to_date
        self.manual_promotion_reason = promotion.manual_promotion_reason

        upkeep = UpkeepSteps(context, versions=versions, embedding=embedding, releases=releases, promotion=promotion)
        self.retire, self.unused_versions, self.retry = upkeep.retire, upkeep.unused, upkeep.retry
        self.maintain, self.tidy = upkeep.maintain, upkeep.tidy

    @property
    def manifest(self) -> Manifest:
        """The manifest of all sources; inside `scratch_manifest` its copy."""
        return self.context.manifest

    def vectors(self, record: VersionRecord) -> VectorTable:
        """Return the vector table of a version."""
        return self.store.vectors(record.id)
