"""Run a pipeline from the command line: the same assets as in the UI, in this process, with progress."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from embed_assets.cli.options import dagster_home
from embed_assets.cli.show import Progress
from embed_assets.embedding import progress
from embed_assets.errors import EmbedAssetsError, PromotionError
from embed_assets.quality.checks import REQUIRED
from embed_assets.settings import PipelineSettings
from embed_assets.steps import Steps
from embed_assets.store.releases import Releases
from embed_assets.store.saved import save_settings
from embed_assets.store.serving import Serving
from embed_assets.store.versions import VersionRecord

if TYPE_CHECKING:
    import dagster as dg

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def is_fresh(steps: Steps) -> bool:
    """Whether sources, encoders, vectors and pointers are all as they should be; encodes nothing."""
    if any(steps.listing_differs(source) for source in steps.settings.sources):
        return False
    for encoder in steps.settings.encoders:
        resolved = steps.resolve(encoder)
        if resolved.is_new or not steps.plan(resolved.record).fresh:
            return False
        table = steps.vectors(resolved.record).open()
        release = Releases(steps.store).candidate(encoder, resolved.record.version)
        live = Serving(steps.store).pointer(resolved.record.spec.space).live
        if table is None or release is None or live is None or live.key != release.key:
            return False
        if table.version != live.table_version:
            return False
    return True


def run_pipeline(settings: PipelineSettings, *, quiet: bool = False) -> bool:
    """Materialize what is not fresh; True where there was something to do.

    Raises the EmbedAssetsError that stopped it; PromotionError where a blocking check failed.
    """
    steps = Steps(settings)
    with Progress(quiet=quiet) as shown, progress.listening(shown.step):
        save_settings(steps.store, settings)
        if is_fresh(steps):
            return False
        _materialize(steps, shown)
    return True


def _materialize(steps: Steps, shown: Progress) -> None:
    """Each encoder's two jobs, in this process: embed all shards of its version, then promote it."""
    shown.say("starting Dagster")
    import dagster as dg

    from embed_assets.assets.encoder import register_version
    from embed_assets.assets.jobs import build_jobs
    from embed_assets.assets.names import grid_range
    from embed_assets.assets.pipeline import build_definitions, build_names

    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    dagster_home(steps.settings)
    names, _ = build_names(steps.settings)
    jobs = build_jobs(names)
    definitions = build_definitions(steps.settings, jobs=jobs)
    held_back: list[str] = []
    with dg.DagsterInstance.get() as instance:
        for encoder in steps.settings.encoders:
            record = steps.resolve(encoder).record
            register_version(instance, names, encoder, record.version)
            embed = definitions.resolve_job_def(jobs[encoder].embed.name)
            _execute(embed, instance, tags=grid_range(record.version, steps.settings.shards))
            promote = definitions.resolve_job_def(jobs[encoder].promote.name)
            try:
                _execute(promote, instance, partition_key=record.version)
            except PromotionError as error:  # the other encoders go on
                held_back.append(_why(steps, record) or str(error))
    if held_back:
        raise PromotionError("\n".join(held_back))


def _why(steps: Steps, record: VersionRecord) -> str:
    """The blocking checks that hold a candidate back, with their figures."""
    release = Releases(steps.store).candidate(record.encoder, record.version)
    failures = release.failures(REQUIRED) if release else []
    if release is None or not failures:
        return ""
    live = Serving(steps.store).pointer(release.space).live
    serves = f"{live.key} goes on serving" if live else "nothing serves yet"
    return f"{release.key} stays a candidate of space {release.space!r}, {serves}: " + "; ".join(failures)


def _execute(
    job: "dg.JobDefinition",
    instance: "dg.DagsterInstance",
    *,
    tags: Mapping[str, str] | None = None,
    partition_key: str | None = None,
) -> None:
    with _own_errors():
        result = job.execute_in_process(
            instance=instance, run_config=_QUIET, tags=dict(tags or {}), partition_key=partition_key
        )
    if not result.success:
        raise PromotionError(f"Job {job.name} failed; see its run {result.run_id} in the UI.")


@contextmanager
def _own_errors() -> Iterator[None]:
    """Bring the error of ours that is inside Dagster's up, so that its message is what is seen."""
    from dagster import DagsterError, Failure
    from dagster._core.errors import DagsterExecutionInterruptedError

    try:
        yield
    except DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error
    except (DagsterError, Failure) as error:
        chain: BaseException | None = error
        while chain is not None and not isinstance(chain, EmbedAssetsError):
            chain = chain.__cause__ or chain.__context__
        if chain is None:
            if "blocking" in str(error):
                raise PromotionError(str(error)) from error
            raise
        raise chain from error


def timed(started: float) -> str:
    """Seconds since `started`, for people."""
    return f"{time.monotonic() - started:.1f} s"
