"""Run a pipeline from the command line: the same assets as in the UI, in this process, with progress."""

import gc
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from embed_assets import progress
from embed_assets.cli.shared.dagster_home import dagster_home, dagster_instance, databases_held, home_of
from embed_assets.cli.shared.progress_bars import Progress
from embed_assets.cli.shared.run_turn import await_room, end_dead, own_turn
from embed_assets.embedding.run_budget import BudgetReached
from embed_assets.errors import EmbedAssetsError, EncoderVersionError, PromotionError, SavedQueryError, SinkError
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.checks import REQUIRED
from embed_assets.run_cache import clear_run_cache, run_cache
from embed_assets.settings import PipelineSettings
from embed_assets.store.buckets.one_moment import one_moment
from embed_assets.store.saved_settings import is_saved, save_settings
from embed_assets.store.versions import VersionRecord

if TYPE_CHECKING:
    import dagster as dg

    from embed_assets.assets.automation.jobs import EncoderJobs
    from embed_assets.assets.names import Names

_WAITED = 0.4  # seconds: less than one look at what is waited for takes
_LAUNCHED_BY = {"user": "embed-assets run"}  # Dagster's list of runs shows it, and as much of it as fits
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Freshness:
    """What is up to date: sources, vectors, pointers, saved queries and sinks. Encodes nothing."""

    steps: Steps
    _differs: dict[str, bool] = field(default_factory=dict, init=False)  # of sources that were listed, which are once

    @one_moment()
    def of_all(self) -> bool:
        """Return whether everything is."""
        return all(map(self.of, self.steps.settings.encoders))

    @one_moment()
    def of(self, encoder: str) -> bool:
        """Return whether an encoder's jobs would do nothing: also for the saved queries and sinks of its space."""
        steps, settings = self.steps, self.steps.settings
        if any(map(self._differs_now, settings.sources_of(encoder))) or steps.resolve(encoder).is_new:
            return False
        records = steps.active_versions(encoder)
        if not all(steps.plan(record, again=True).fresh and steps.is_up_to_date(record) for record in records):
            return False
        spaces = {record.spec.space for record in records}
        queries = (name for name, query in settings.saved_queries.items() if query.space in spaces)
        sinks = (name for name, sink in settings.sinks.items() if sink.space in spaces)
        return not (any(map(steps.matches_are_due, queries)) or any(map(steps.export_is_due, sinks)))

    def note_refreshed(self, encoder: str) -> None:
        """Note that the manifest has what the sources of an encoder list."""
        self._differs |= dict.fromkeys(self.steps.settings.sources_of(encoder), False)

    def _differs_now(self, source: str) -> bool:
        if source not in self._differs:
            self._differs[source] = self.steps.listing_differs(source)
        return self._differs[source]


def run_pipeline(settings: PipelineSettings, *, quiet: bool = False) -> bool:
    """Materialize what is out of date; return whether there was something to do.

    Raises the EmbedAssetsError that stopped it; PromotionError where a blocking check failed.
    """
    steps = Steps(settings)
    with Progress(quiet=quiet) as shown, progress.listening(shown.step), run_cache(), _imports_at_rest():
        if not is_saved(steps.store):
            save_settings(steps.store, settings)
        freshness = Freshness(steps)
        if freshness.of_all():
            save_settings(steps.store, settings)
            return False
        _materialize(steps, freshness, shown)
    return True


@contextmanager
def _imports_at_rest() -> Iterator[None]:
    """Freeze imported objects: collections that walk them cost a second per 60,000 items."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()  # libraries tell of leaks at the end of a process where it stays frozen


def _materialize(steps: Steps, freshness: Freshness, shown: Progress) -> None:
    """Run the two jobs of each encoder that needs it in this process, one run of the pipeline at a time in a home."""
    shown.say("starting Dagster")
    import dagster as dg

    from embed_assets.assets.automation.jobs import build_jobs
    from embed_assets.assets.pipeline import build_definitions, build_names

    _quiet_libraries()
    home = dagster_home(steps.settings)
    own_home = home == home_of(steps.settings.store)  # of another home others decide
    names, _ = build_names(steps.settings)
    here = dg.in_process_executor  # this process runs them, whichever executor Dagster's daemon needs
    jobs = build_jobs(names, executor=here)
    definitions = build_definitions(steps.settings, jobs=jobs, executor=here)
    with ExitStack() as stack:
        instance = stack.enter_context(dagster_instance(home))
        stack.enter_context(databases_held(home))
        with _cache_cleared_after_wait():
            stack.enter_context(own_turn(instance, home, steps.settings.pool, say=shown.tell))
        end_dead(instance, own_home=own_home, say=shown.tell)
        runs = _EncoderRuns(steps, freshness, names, jobs, definitions, instance, own_home=own_home, say=shown.tell)
        problems = [problem for encoder in steps.settings.encoders for problem in runs.of(encoder)]
        if own_home:
            _prune(instance, home, names)
    if problems:
        raise PromotionError("\n".join(dict.fromkeys(problems)))


@dataclass
class _EncoderRuns:
    """Runs of an encoder's two jobs for each version that is kept: embed all shards, then promote."""

    steps: Steps
    freshness: Freshness
    names: "Names"
    jobs: Mapping[str, "EncoderJobs"]
    definitions: "dg.Definitions"
    instance: "dg.DagsterInstance"
    own_home: bool = field(kw_only=True)
    say: Callable[[str], None] = field(kw_only=True)

    def of(self, encoder: str) -> Iterator[str]:
        """Bring the versions of an encoder up to date; yield what holds one back, while the others go on.

        Nothing is run where they are. Raises EncoderVersionError where its current version can't be embedded.
        """
        self.steps.resolve(encoder)
        current, *others = self.steps.active_versions(encoder)
        if self.freshness.of(encoder):
            self._note_fresh(encoder, (current, *others))
            return
        for record in (*others, current):  # what serves is brought up to date before a candidate is built
            try:
                self._embed_and_promote(record)
                yield from filter(None, [_why(self.steps, record)])
            except BudgetReached:  # what it does not bound goes on
                continue
            except (PromotionError, SavedQueryError, SinkError) as error:  # the other versions and encoders go on
                yield str(error)
            except EncoderVersionError as error:
                if record is current:
                    raise
                yield f"Version {record.version} is kept, but can't be brought up to date: {error}"

    def _note_fresh(self, encoder: str, records: Iterable[VersionRecord]) -> None:
        """Let the store's settings and Dagster's partitions be those of a run of the encoder's jobs."""
        from embed_assets.assets.encoder import register_version

        settings = self.steps.settings
        save_settings(self.steps.store, settings, refreshed=settings.sources_of(encoder))
        for record in records:
            register_version(self.instance, self.names, encoder, record.version)

    def _embed_and_promote(self, record: VersionRecord) -> None:
        from embed_assets.assets.encoder import register_version
        from embed_assets.assets.names import BY_COMMAND, grid_range

        register_version(self.instance, self.names, record.encoder, record.version)
        jobs, launched = self.jobs[record.encoder], BY_COMMAND | _LAUNCHED_BY
        self._execute(jobs.embed.name, tags=grid_range(record.version, self.names.settings.shards) | launched)
        self.freshness.note_refreshed(record.encoder)
        self._execute(jobs.promote.name, tags=launched, partition_key=record.version)

    def _execute(self, job: str, *, tags: Mapping[str, str], partition_key: str | None = None) -> None:
        with _cache_cleared_after_wait():
            await_room(self.instance, self.names.settings.pool, own_home=self.own_home, say=self.say)
        _execute(self.definitions.resolve_job_def(job), self.instance, tags=tags, partition_key=partition_key)


def _quiet_libraries() -> None:
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it logs every retry


def _prune(instance: "dg.DagsterInstance", home: Path, names: "Names") -> None:
    """Delete finished runs that are old or too many, by the settings."""
    from embed_assets.assets.runs.pruning import prune_runs

    kept = names.settings.maintenance
    older_than = timedelta(days=kept.keep_run_days)
    prune_runs(instance, home, checks=names.check_keys, keep=kept.keep_runs, older_than=older_than)


@contextmanager
def _cache_cleared_after_wait() -> Iterator[None]:
    """Clear the run cache after a wait: another run may have changed the store meanwhile."""
    began = time.monotonic()
    yield
    if time.monotonic() - began > _WAITED:
        clear_run_cache()


def _why(steps: Steps, record: VersionRecord) -> str:
    """Return the blocking checks that failed on a candidate, with their figures."""
    release = steps.store.releases.candidate(record.id)
    if release is None:
        return ""
    live = steps.store.serving.pointer(release.space).live
    return release.refusal(REQUIRED, live=f"{live.key} stays live" if live else "nothing serves yet")


def _execute(
    job: "dg.JobDefinition",
    instance: "dg.DagsterInstance",
    *,
    tags: Mapping[str, str],
    partition_key: str | None = None,
) -> None:
    from embed_assets.assets.runs.liveness import process_tags

    run_id = str(uuid.uuid4())
    instance.all_logs(run_id)  # makes the run's database
    with _own_errors(), databases_held(Path(instance.root_directory), run_id):
        result = job.execute_in_process(
            instance=instance,
            run_config=_QUIET,
            tags={**tags, **process_tags()},
            partition_key=partition_key,
            run_id=run_id,
        )
    if not result.success:
        raise PromotionError(f"Job {job.name} failed; see its run {result.run_id} in the UI.")


@contextmanager
def _own_errors() -> Iterator[None]:
    """Raise our own error in place of the Dagster error that wraps it."""
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
    """Format the seconds since `started`."""
    return f"{time.monotonic() - started:.1f} s"
