"""Sensors: a version's first build, new media, a moved model, promotion after embedding, work that was left.

All but the first are off until switched on.
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from embed_assets.assets.automation.asset_events import latest_code_version
from embed_assets.assets.automation.jobs import EncoderJobs
from embed_assets.assets.automation.run_requests import (
    embed_requests,
    reconcile_requests,
    requests_after_embed,
    resolve_request,
    unbuilt_versions,
)
from embed_assets.assets.automation.source_observations import listing_digest, listing_of, observed_listing
from embed_assets.assets.code_versions import code_version
from embed_assets.assets.host.upstream import news_of_upstream
from embed_assets.assets.names import AUTOMATIC, Names
from embed_assets.encoders.loading.revision import model_state
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import WeightsError
from embed_assets.pipeline.steps import Steps

_STOPPED = dg.DefaultSensorStatus.STOPPED


def build_sensors(
    names: Names, specs: Mapping[str, EncoderSpec], jobs: Mapping[str, EncoderJobs], build: dg.JobDefinition
) -> list[dg.SensorDefinition]:
    """Build all sensors: `first_build`, one per source, two per encoder, and `reconcile` for what is still missing."""
    first = build_first_build_sensor(names, build)
    media = [build_new_media_sensor(names, source, jobs) for source in names.settings.sources]
    moved = [build_revision_sensor(names, encoder, spec, jobs[encoder]) for encoder, spec in specs.items()]
    promotion = [build_promotion_sensor(names, encoder, own) for encoder, own in jobs.items()]
    return [first, *media, *moved, *promotion, build_reconcile_sensor(names, jobs)]


def build_first_build_sensor(names: Names, build: dg.JobDefinition, *, seconds: int = 15) -> dg.SensorDefinition:
    """Build the sensor that launches the build job for an encoder version that was resolved and never built.

    It is on from the start, so that "Materialize all" on a new store ends in a space that serves. It looks at
    Dagster's event log alone; where the assets' conditions are evaluated, these do the same.
    """

    @dg.sensor(
        name=names.prefixed("first_build"),
        job_name=build.name,  # Dagster copies a sensor with the job itself, and warns of its own argument as it does
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Embed, index, check and serve encoder versions that are new; what was built once is not looked "
        "at again.",
    )
    def first_build(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        automation = names.settings.automation
        if automation.enabled and automation.running:
            return dg.SkipReason("the conditions of the assets are evaluated")
        versions = unbuilt_versions(names, context.instance)
        if not versions:
            return dg.SkipReason("every version that was resolved is built")
        return dg.RunRequest(run_key=f"first-build-{'-'.join(versions)}", tags=AUTOMATIC)

    return first_build


def build_new_media_sensor(
    names: Names, source: str, jobs: Mapping[str, EncoderJobs], *, seconds: int = 300
) -> dg.SensorDefinition:
    """Build the sensor that lists a source, and starts the embed jobs that read it where the listing changed.

    So it does where the source's asset was materialized after its manifest; of a source that is an asset's value
    that is all it looks at. What the listing shows is observed on the manifest. Without run keys: a listing that
    comes back (a file removed and restored) is another change.
    """
    readers = [encoder for encoder in names.spaces_of if source in names.settings.sources_of(encoder)]

    @dg.sensor(
        name=names.prefixed(f"{source}_new_media"),
        jobs=[jobs[encoder].embed for encoder in readers],
        minimum_interval_seconds=seconds,
        default_status=_STOPPED,
        description=f"Look for new, edited and deleted media in {names.settings.sources[source].address}.",
    )
    def new_media(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        previous_digest, _, previous_news = (context.cursor or "").partition("@")
        by_listing = names.settings.sources[source].kind != "value"
        listing = listing_of(names.settings, source) if by_listing else None
        digest = listing_digest(listing) if listing else ""
        news = news_of_upstream(names, source, context.instance)
        changed = digest != previous_digest
        seen = observed_listing(names, listing, context.instance, changed=changed) if listing else []
        if not changed and news in ("", previous_news):
            return dg.SensorResult(skip_reason=f"nothing changed in {source}", asset_events=seen, cursor=context.cursor)
        cursor = f"{digest}@{news or previous_news}" if news or previous_news else digest
        requests = [one for name in readers for one in embed_requests(names, name, jobs[name], context.instance)]
        return dg.SensorResult(run_requests=requests, cursor=cursor, asset_events=seen)

    return new_media


def build_revision_sensor(
    names: Names, encoder: str, spec: EncoderSpec, jobs: EncoderJobs, *, seconds: int = 3600
) -> dg.SensorDefinition:
    """Build the sensor that resolves the encoder where its model's revision moved or its settings changed.

    It loads no model. Its cursor is the revision, then "@" and the settings' code version.
    """
    code = code_version(names.settings, "encoder", encoder, spec)

    @dg.sensor(
        name=names.prefixed(f"{encoder}_new_revision"),
        jobs=[jobs.embed],
        minimum_interval_seconds=seconds,
        default_status=_STOPPED,
        description=f"Look for other weights of {spec.model}: a hub's commit, or a local folder's files; and for other "
        f"settings of {encoder}.",
    )
    def new_revision(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        revision, _, seen_code = (context.cursor or "").rpartition("@")
        made_by = latest_code_version(context.instance, names.asset_key(encoder, "encoder"))
        other_settings = made_by not in ("", code) and seen_code != code
        try:
            state = model_state(spec, offline=names.settings.compute.offline)
        except WeightsError as error:
            if not other_settings:
                return dg.SkipReason(str(error))
            state = revision
        if other_settings:
            request = resolve_request(names, encoder, jobs)
            return dg.SensorResult(run_requests=[request], cursor=f"{state}@{code}")
        if state in (revision, context.cursor):
            return dg.SkipReason(f"{spec.model} is where it was: {state}")
        known = Steps(names.settings).current_version(encoder)
        if known is not None and known.revision == state:  # resolved since, or before the sensor was switched on
            return dg.SensorResult(cursor=f"{state}@{code}", skip_reason=f"{spec.model} is resolved at {state}")
        return dg.SensorResult(run_requests=[resolve_request(names, encoder, jobs)], cursor=f"{state}@{code}")

    return new_revision


def build_promotion_sensor(names: Names, encoder: str, jobs: EncoderJobs) -> dg.SensorDefinition:
    """Build the sensor on successful embed runs: promotes their versions, embeds a version that was only registered."""

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name=names.prefixed(f"{encoder}_promotion"),
        monitored_jobs=[jobs.embed, jobs.reembed],
        request_jobs=[jobs.promote, jobs.embed],
        default_status=_STOPPED,
        description=f"Index, check and serve what {encoder} has embedded; embed a version that is new.",
    )
    def promotion(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest]:
        yield from requests_after_embed(names, encoder, jobs, context.dagster_run, context.instance)

    return promotion


def build_reconcile_sensor(names: Names, jobs: Mapping[str, EncoderJobs], *, seconds: int = 900) -> dg.SensorDefinition:
    """Build the sensor that compares manifest, vector tables, candidates and pointers; it has no cursor to lose."""

    @dg.sensor(
        name=names.prefixed("reconcile"),
        jobs=[job for encoder in jobs.values() for job in (encoder.embed, encoder.promote)],
        minimum_interval_seconds=seconds,
        default_status=_STOPPED,
        description="Look in the store for vectors that are missing or stale, and for releases that lag behind them.",
    )
    def reconcile(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        requests = [
            request
            for encoder, encoder_jobs in jobs.items()
            for request in reconcile_requests(names, encoder, encoder_jobs, context.instance)
        ]
        if not requests:
            return dg.SkipReason("vectors, releases and pointers are as the manifests say")
        return dg.SensorResult(run_requests=requests)

    return reconcile
