"""Automation conditions: when Dagster asks for an asset by itself, and the sensor that evaluates them.

They look at states, not at events: what is missing or older than its media stays wanted until it was
materialized, whatever happened between two looks. A run that failed is not repeated until there is something
new for it. Conditions see Dagster's event log only; the reconcile sensor compares with the store itself.
"""

from datetime import timedelta
from zoneinfo import available_timezones

import dagster as dg
from dagster._utils.schedules import is_valid_cron_string

from embed_assets.assets.names import AUTOMATIC, Names
from embed_assets.errors import SettingsError
from embed_assets.settings import AutomationSettings

_Condition = dg.AutomationCondition


def listing_condition(names: Names, source: str | None = None) -> dg.AutomationCondition | None:
    """Of manifests and encoders: at each tick of `automation.cron`, and once where there is none yet.

    Of a source with an asset also when that is newer than the manifest; of one that is the asset's value, which no
    tick can change, only then, and once the asset is there.
    """
    wanted = names.settings.automation
    if not wanted.enabled:
        return None
    _require_times(wanted)
    ticked = _Condition.cron_tick_passed(wanted.cron, wanted.timezone).since(_Condition.newly_requested())
    missing = _Condition.missing() & ~_Condition.execution_failed()
    asked = ticked | missing
    settings = names.settings.sources[source] if source else None
    if settings is not None and settings.asset:
        newer = _Condition.any_deps_match(_Condition.newly_updated())
        failed = _Condition.execution_failed() & ~newer.since(_Condition.newly_requested())
        fed = newer.since(_Condition.newly_updated()) & ~failed & ~_Condition.any_deps_in_progress()
        asked = fed | (missing & ~_Condition.any_deps_missing()) if settings.kind == "value" else asked | fed
    return (asked & ~_Condition.in_progress()).with_label("look again")


def vectors_condition(names: Names, encoder: str) -> dg.AutomationCondition | None:
    """Of vectors: a shard of a version has none, or a manifest has changed since they were written.

    A manifest that was listed again with the same rows has the same data version, and asks for nothing. A
    new encoder version shows as partitions that are missing; the encoder asset itself is not looked at.
    """
    if not names.settings.automation.enabled:
        return None
    resolved = dg.AssetSelection.assets(names.key(of=encoder, kind="encoder"))
    updated = _Condition.newly_updated()
    changed = _Condition.any_deps_match(_Condition.data_version_changed()).ignore(resolved)
    listed_since = _Condition.any_deps_match(updated).ignore(resolved).since(updated)
    # A change and vectors between two looks: which came first only `newly_updated` can tell, by its timestamps.
    stale = changed.since(updated & ~(changed & listed_since))
    changed_since_asked = changed.since(_Condition.newly_requested())
    return _quiet("embed when stale", _Condition.missing() | stale, again=changed_since_asked)


def index_condition(names: Names) -> dg.AutomationCondition | None:
    """Of an index: all shards of its version have vectors, and some are newer than it."""
    if not names.settings.automation.enabled:
        return None
    newer = _Condition.any_deps_match(_Condition.newly_updated())
    wanted = _Condition.missing() | newer.since(_Condition.newly_updated())
    again = newer.since(_Condition.newly_requested())
    return _quiet("index when all shards are in", wanted, again=again)


def serving_condition(names: Names) -> dg.AutomationCondition | None:
    """Of a space: an index is newer than the pointer, and every blocking check passed when it last ran.

    Only a first filter: promotion reads the verdicts on the very table version again.
    """
    if not names.settings.automation.enabled:
        return None
    newer = _Condition.any_deps_match(_Condition.newly_updated())
    indexed = _Condition.any_deps_match(~_Condition.missing())
    failed = _Condition.execution_failed() & ~newer.since(_Condition.newly_requested())
    return (
        ((_Condition.missing() & indexed) | newer.since(_Condition.newly_updated()))
        & _Condition.all_deps_blocking_checks_passed()
        & ~failed
        & ~_Condition.in_progress()
        & ~_Condition.any_deps_in_progress()
    ).with_label("serve what is checked")


def _require_times(wanted: AutomationSettings) -> None:
    """Raise SettingsError where Dagster would not understand when to look: its own message names no setting."""
    if not is_valid_cron_string(wanted.cron):
        raise SettingsError(f"automation.cron: {wanted.cron!r} is no cron expression of five fields, as '0 * * * *'.")
    if wanted.timezone not in available_timezones():
        raise SettingsError(f"automation.timezone: {wanted.timezone!r} is no time zone, as 'Europe/Berlin' or 'UTC'.")


def _quiet(label: str, wanted: dg.AutomationCondition, *, again: dg.AutomationCondition) -> dg.AutomationCondition:
    """`wanted` where everything upstream is there and at rest; after a failure only when `again`."""
    return (
        wanted
        & (~_Condition.execution_failed() | again)
        & ~_Condition.in_progress()
        & ~_Condition.any_deps_missing()
        & ~_Condition.any_deps_in_progress()
    ).with_label(label)


def freshness_policy(names: Names) -> dg.FreshnessPolicy | None:
    """Of a space: materialized within `automation.fresh_within_hours`."""
    hours = names.settings.automation.fresh_within_hours
    return None if hours is None else dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours))


def build_automation_sensor(names: Names) -> dg.AutomationConditionSensorDefinition | None:
    """Evaluates the conditions of this pipeline's assets; None where the settings leave automation off."""
    wanted = names.settings.automation
    if not wanted.enabled:
        return None
    status = dg.DefaultSensorStatus.RUNNING if wanted.running else dg.DefaultSensorStatus.STOPPED
    return dg.AutomationConditionSensorDefinition(
        names.named("automation"),
        target=dg.AssetSelection.assets(*names.keys),
        default_status=status,
        run_tags=AUTOMATIC,
        description="Ask for what is missing or older than its media: vectors, then indices, then pointers.",
    )
